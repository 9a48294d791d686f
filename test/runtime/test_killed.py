"""Programs that are killed leave a whole file or none, and the old one where there was one."""

import json
import os
import pathlib
import resource
import signal
import subprocess
import tempfile
import time
import unittest

from vmodel_testing import SOURCE, VMODELC, compile_model, run

POSTERIORS = SOURCE / "test" / "posteriordb"
DATA = POSTERIORS / "data" / "eight_schools.json"
QUICK = ["--family", "mean_field", "--steps", 20, "--set", "start=plain", "--set", "particles=8", "--quiet"]


def kill_after(seconds, command):
    """Status of a command that gets SIGKILL after that time, if it is still there."""
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def end_at_bytes(limit):
    """A signal ends the program in the middle of the file that grows over this limit."""

    def prepare():
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    return prepare


class Killed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.executable = compile_model(POSTERIORS / "eight_schools_noncentered.vmodel")

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.fitted = self.folder / "run"

    def assert_nothing_unfinished(self):
        """Files have no name until they are whole, where the file system knows such files."""
        try:
            os.close(os.open(self.folder, os.O_TMPFILE | os.O_WRONLY))
        except OSError:
            return
        self.assertEqual([path.name for path in self.folder.rglob("*unfinished*")], [])

    def fit(self, *options):
        return [self.executable, "fit", "--data", DATA, "--output", self.fitted, *options]

    def test_in_the_middle_of_a_fit(self):
        for seconds in (0.02, 0.1, 0.3):
            status = kill_after(seconds, self.fit("--steps", 10_000_000, "--quiet"))
            self.assertEqual(status, -signal.SIGKILL)
            self.assertFalse((self.fitted / "fit.json").exists())
        run(self.fit(*QUICK), status=None)
        before = (self.fitted / "fit.json").read_bytes()
        self.assertEqual(kill_after(0.3, self.fit("--steps", 10_000_000, "--quiet")), -signal.SIGKILL)
        self.assertEqual((self.fitted / "fit.json").read_bytes(), before)
        run([self.executable, "sample", "--fit", self.fitted / "fit.json", "--draws", 3, "--output", self.folder / "draws.csv"])

    def test_at_any_moment_of_a_short_fit(self):
        """Whatever stands there in the end can be read."""
        begin = time.monotonic()
        run(self.fit(*QUICK), status=None)
        whole = time.monotonic() - begin
        for k in range(20):
            kill_after(whole * (k + 0.5) / 15, self.fit(*QUICK, "--seed", k + 2))
            json.loads((self.fitted / "fit.json").read_text())
            self.assertTrue((self.fitted / "trace.csv").read_text().endswith("\n"))

    def test_while_draws_are_written(self):
        run(self.fit(*QUICK), status=None)
        draws = self.folder / "draws.csv"
        sample = [self.executable, "sample", "--fit", self.fitted / "fit.json", "--output", draws, "--draws"]
        # More than the model itself, which is unpacked to memory.
        limit = end_at_bytes(4 << 20)
        for before in (None, b"old"):
            if before is not None:
                draws.write_bytes(before)
            done = subprocess.run([str(part) for part in [*sample, 40_000]], capture_output=True, preexec_fn=limit)
            self.assertEqual(done.returncode, -signal.SIGXFSZ)
            self.assertEqual(draws.read_bytes() if draws.exists() else None, before)
            self.assert_nothing_unfinished()

    def test_while_an_executable_is_written(self):
        output = self.folder / "model"
        command = [str(VMODELC), str(POSTERIORS / "eight_schools_noncentered.vmodel"), "-o", str(output)]
        # An executable is larger; what the compiler writes before is smaller.
        limit = end_at_bytes(1 << 20)
        for before in (None, b"old"):
            if before is not None:
                output.write_bytes(before)
            done = subprocess.run(command, capture_output=True, preexec_fn=limit)
            self.assertEqual(done.returncode, -signal.SIGXFSZ, done.stderr)
            self.assertEqual(output.read_bytes() if output.exists() else None, before)
            self.assert_nothing_unfinished()

    def test_at_any_moment_of_a_compilation(self):
        output = self.folder / "model"
        output.write_bytes(b"old")
        command = [VMODELC, POSTERIORS / "eight_schools_noncentered.vmodel", "-o", output]
        for k in range(8):
            kill_after(0.04 * (k + 1), command)
            if output.read_bytes() != b"old":
                run([output, "info"])
                output.write_bytes(b"old")


if __name__ == "__main__":
    unittest.main()
