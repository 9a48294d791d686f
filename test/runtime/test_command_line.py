"""The command line of real executables: what the unit tests check on hand-written models, end to end."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
VMODELC = os.environ.get("VMODELC") or pathlib.Path(os.environ.get("VMODEL_BUILD_DIR", ROOT / "build")) / "bin" / "vmodelc"
DATA = ROOT / "test" / "posteriordb" / "data" / "eight_schools.json"


class EightSchools(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.executable = cls.folder / "model"
        source = ROOT / "test" / "posteriordb" / "eight_schools_noncentered.vmodel"
        subprocess.run([VMODELC, source, "-o", cls.executable], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def run_model(self, *arguments, status=0):
        done = subprocess.run([self.executable, *map(str, arguments)], capture_output=True, text=True)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def test_info_needs_no_data(self):
        info = json.loads(self.run_model("info").stdout)
        self.assertEqual([p["name"] for p in info["parameters"]], ["mu", "tau", "theta"])
        self.assertEqual(json.loads(self.run_model("info", "--data", DATA).stdout)["dimension"], 10)

    def test_check(self):
        self.assertIn("second derivatives: ok", self.run_model("check", "--data", DATA).stdout)

    def test_draws_are_the_same_bytes_for_any_number_of_threads(self):
        seen = set()
        for threads in (1, 2, 4, 1):
            run, draws = self.folder / f"run{threads}", self.folder / "draws.csv"
            self.run_model("fit", "--data", DATA, "--output", run, "--family", "full_rank", "--threads", threads, "--steps", 500)
            self.run_model("sample", "--fit", run / "fit.json", "--draws", 500, "--output", draws)
            seen.add(draws.read_bytes())
        self.assertEqual(len(seen), 1)

    def test_sampling_elsewhere_needs_no_data(self):
        run = self.folder / "run"
        self.run_model("fit", "--data", DATA, "--output", run, "--family", "mean_field", "--steps", 500)
        with_data, without = self.folder / "with.csv", self.folder / "without.csv"
        self.run_model("sample", "--fit", run / "fit.json", "--draws", 100, "--output", with_data, "--data", DATA)
        self.run_model("sample", "--fit", run / "fit.json", "--draws", 100, "--output", without)
        parts = [[line.split(",")[6:] for line in path.read_text().splitlines()] for path in (with_data, without)]
        self.assertEqual(*parts)
        self.assertIn("theta[8]", self.run_model("summary", with_data).stdout)

    def test_lanes_agree(self):
        point = {"mu": 3.0, "tau": 2.5, "theta": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]}
        at = self.folder / "at.json"
        at.write_text(json.dumps([point] * 3))
        results = []
        for lanes in ("1", "native"):
            results.append(json.loads(self.run_model("log-density", "--data", DATA, "--at", at, "--lanes", lanes).stdout))
        for a, b in zip(*results):
            self.assertAlmostEqual(a["log_density"], b["log_density"], delta=1e-11)

    def test_errors_are_status_1(self):
        data = self.folder / "bad.json"
        data.write_text('{"J": 8, "y": [1, 2], "sigma": [1, 1, 1, 1, 1, 1, 1, -1]}')
        words = self.run_model("check", "--data", data, status=1).stderr
        self.assertIn("y: 2 elements where 8 are declared (J = 8) (declared at eight_schools_noncentered.vmodel:4:", words)
        self.assertIn("sigma[8]: -1 is below the lower bound 0", words)


if __name__ == "__main__":
    unittest.main()
