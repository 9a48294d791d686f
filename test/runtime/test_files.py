"""Files that cannot be written or do not belong together, with real executables. Errors of the text of a file stand in test/unit."""

import json
import pathlib
import resource
import signal
import struct
import subprocess
import tempfile
import unittest

from vmodel_testing import SOURCE, compile_model, run, slow

DATA = SOURCE / "test" / "posteriordb" / "data" / "eight_schools.json"
QUICK = ["--family", "mean_field", "--steps", "20", "--set", "start=plain", "--set", "particles=8"]


def small_files(limit):
    """Files may have this many bytes; the signal that says so is ignored."""

    def prepare():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return prepare


def on_full_disk(folder, size):
    """A command before another one: it gives this folder a file system of `size` bytes of its own, and lists what is left there."""
    script = f'mount -t tmpfs -o size={size} tmpfs "$0" && {{ "$@"; status=$?; ls -A "$0"/run; exit $status; }}'
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, folder]


class Folder(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def write(self, name, value):
        path = self.folder / name
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return path

    def assert_error(self, command, message, **keywords):
        """Status 1, this message alone on standard error, and nothing on standard output."""
        done = run(command, status=1, **keywords)
        errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
        self.assertEqual(errors, ["error: " + message])
        self.assertEqual(done.stdout, "")


class EightSchools(Folder):
    @classmethod
    def setUpClass(cls):
        cls.executable = compile_model("test/posteriordb/eight_schools_noncentered.vmodel")

    def fit(self, *options):
        return [self.executable, "fit", "--data", DATA, "--output", self.folder / "run", *QUICK, *options]

    def test_full_disk_leaves_no_fit(self):
        if run([*on_full_disk(self.folder, 4096), "mkdir", self.folder / "run"], status=None).returncode != 0:
            self.skipTest("this machine lets nobody mount a file system")
        done = run([*on_full_disk(self.folder, 4096), *self.fit()], status=1)
        self.assertIn(f"error: {self.folder}/run/fit.json: cannot be written: No space left on device\n", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_full_disk_keeps_earlier_draws(self):
        run(self.fit(), status=None)
        draws = self.folder / "draws.csv"
        sample = [self.executable, "sample", "--fit", self.folder / "run" / "fit.json", "--output", draws, "--draws"]
        run([*sample, 10])
        before = draws.read_bytes()
        # More than the model itself, which is unpacked to memory.
        limit = 4 << 20
        self.assert_error([*sample, 40_000], f"{draws}: cannot be written: File too large", preexec_fn=small_files(limit))
        self.assertEqual(draws.read_bytes(), before)
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["draws.csv", "run"])

    def test_draws_go_to_a_device(self):
        run(self.fit(), status=None)
        sample = [self.executable, "sample", "--fit", self.folder / "run" / "fit.json", "--draws", 3, "--output"]
        self.assertTrue(run([*sample, "/dev/stdout"]).stdout.startswith(".chain,"))
        self.assert_error([*sample, "/dev/full"], "/dev/full: cannot be written: No space left on device")
        self.assertTrue(pathlib.Path("/dev/full").is_char_device())

    def test_full_standard_output(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([self.executable, "info"], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual((done.returncode, done.stderr), (1, "error: the results cannot be written to standard output\n"))

    def test_fit_of_another_model(self):
        run(self.fit(), status=None)
        other = compile_model("test/posteriordb/eight_schools_centered.vmodel")
        fit = self.folder / "run" / "fit.json"
        done = run([other, "sample", "--fit", fit, "--draws", 1, "--output", self.folder / "x.csv"], status=1)
        self.assertRegex(
            done.stderr,
            rf"^error: {fit}: it is a fit of another model: \w+ of eight_schools_noncentered.vmodel with hash \w+..., "
            r"this executable holds \w+ of eight_schools_centered.vmodel with hash \w+...\n$",
        )

    def test_truncated_and_damaged_executables(self):
        bytes_ = self.executable.read_bytes()
        offset, length, _, _ = struct.unpack("<QQQ16s", bytes_[-40:])
        changed = "the executable is damaged: the bytes of its model are not those that vmodelc wrote; compile it again"
        damaged = [("cut", bytes_[:-1], "this program holds no model; vmodelc makes executables from it"),
                   ("shifted", bytes_[:-4096] + bytes_[-40:], "the executable is damaged: its model does not lie where its end says")]
        # One bit at the begin, within and at the end of the model, and in the checksum itself.
        for place in (offset, offset + length // 3, offset + length - 1, len(bytes_) - 20):
            content = bytearray(bytes_)
            content[place] ^= 4
            damaged.append((f"bit {place}", bytes(content), changed))
        damaged.append(("hole", bytes_[:offset + 4096] + bytes(4096) + bytes_[offset + 8192:], changed))
        for name, content, message in damaged:
            path = self.folder / name
            path.write_bytes(content)
            path.chmod(0o755)
            self.assertEqual(run([path, "info"], status=1).stderr, f"error: {message}\n", name)


class ManyNumbers(Folder):
    """What is over 1 MB stands beside fit.json, or only as a hash."""

    @classmethod
    def setUpClass(cls):
        cls.executable = compile_model("test/runtime/models/many.vmodel")

    def fit(self, n, m):
        data = self.write("data.json", {"N": n, "M": m, "y": [0.5] * n, "shift": [0.25] * m})
        quick = ["--family", "mean_field", "--steps", 3]
        for setting in ("start=plain", "particles=2", "precondition=off", "warm_up=off"):
            quick += ["--set", setting]
        run([self.executable, "fit", "--data", data, "--output", self.folder, *quick], status=None)
        return data, [self.executable, "sample", "--fit", self.folder / "fit.json", "--draws", 2, "--output", self.folder / "draws.csv"]

    def test_large_data_are_needed_again(self):
        data, sample = self.fit(2, 140_000)
        self.assertLess((self.folder / "fit.json").stat().st_size, 1_000_000)
        self.assert_error(sample, f"{self.folder}/fit.json: the data field shift is too large to stand in the fit: give the data with --data")
        run([*sample, "--data", data])

    @slow
    def test_large_learnables_stand_beside_the_fit(self):
        _, sample = self.fit(66_000, 1)
        learned = self.folder / "fit.phi.bin"
        self.assertEqual(learned.stat().st_size, 8 * 2 * 66_000)
        run(sample)
        learned.write_bytes(learned.read_bytes()[:-8])
        self.assert_error(sample, f"{learned}: this is not the file that {self.folder}/fit.json speaks of (another hash)")
        learned.unlink()
        self.assert_error(sample, f"{learned}: cannot be read: No such file or directory")


if __name__ == "__main__":
    unittest.main()
