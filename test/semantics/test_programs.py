"""Well-known models as newcomers write them (test/semantics/models): compiled, with the log density that SciPy's
densities give, gradients that agree with differences, a fit and draws."""

import concurrent.futures
import json
import os
import pathlib
import tempfile
import unittest

from vmodel_testing import SOURCE, compile_model, run

FOLDER = SOURCE / "test" / "semantics" / "models"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())


class Programs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with concurrent.futures.ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
            cls.executables = dict(zip(EXPECTED, pool.map(lambda name: compile_model(FOLDER / f"{name}.vmodel"), EXPECTED)))

    def program(self, name):
        case, executable = EXPECTED[name], self.executables[name]
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch)
            data, at = folder / "data.json", folder / "points.json"
            data.write_text(json.dumps(case["data"]))
            at.write_text(json.dumps(case["points"]))
            for point, wanted in zip(json.loads(run([executable, "log-density", "--data", data, "--at", at]).stdout), case["log_density"]):
                # SciPy's own densities have about 1e-12.
                self.assertAlmostEqual(point["log_density"], wanted, delta=1e-11 * (1 + abs(wanted)))
            run([executable, "check", "--data", data])
            # Few steps: the fit's quality is not what is tested.
            fit = [executable, "fit", "--data", data, "--output", folder, "--family", "mean_field", "--steps", 50, "--set", "warm_up=off", "--set", "settle=0", "--quiet"]
            run(fit, status=None)
            draws = run([executable, "sample", "--data", data, "--fit", folder / "fit.json", "--draws", 3, "--output", "-"]).stdout.splitlines()
            self.assertEqual(len(draws), 4)

    def test_all_programs_are_tested(self):
        self.assertEqual({path.stem for path in FOLDER.glob("*.vmodel")}, set(EXPECTED))


for name in EXPECTED:
    setattr(Programs, f"test_{name}", lambda self, name=name: self.program(name))

if __name__ == "__main__":
    unittest.main()
