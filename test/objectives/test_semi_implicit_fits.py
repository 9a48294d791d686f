"""Fits of semi-implicit families, from the start to draws with densities."""

import csv
import json
import math
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from vmodel_testing import compile_model, run  # noqa: E402

MODEL = "test/objectives/models/mixed_fits.vmodel"


class SemiImplicitFits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.executable = compile_model(MODEL, "--objectives=uivi")
        cls.scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.folder = pathlib.Path(cls.scratch.name)

    def fit(self, name, *options, status=0):
        process = run([self.executable, "fit", "--output", self.folder / name, "--quiet", *options], status=status)
        return process, json.loads((self.folder / name / "fit.json").read_text())

    def test_bounds_and_draws(self):
        """The objective is aisivi without being named; bounds and evidence agree with a posterior whose evidence is 1."""
        process, fit = self.fit("bent")
        self.assertIn("aisivi(outer = 256", process.stdout)
        self.assertIn("start: laplace", process.stdout)
        m = fit["diagnostics"]["mixture"]
        self.assertLess(m["elbo_lower"], 5 * m["elbo_lower_standard_error"])
        self.assertLess(m["elbo_lower"] - m["elbo_upper"], 5 * math.hypot(m["elbo_lower_standard_error"], m["elbo_upper_standard_error"]))
        self.assertLess(abs(m["log_evidence"]), 5 * m["log_evidence_standard_error"])
        # A full-rank Gaussian is the posterior, and this family holds one: far below what a wrong scale would give.
        self.assertGreater(m["elbo_lower"], -0.1)
        self.assertGreater(m["inner_effective_size"], 0.5 * m["inner"])
        draws = self.folder / "draws.csv"
        run([self.executable, "sample", "--fit", self.folder / "bent" / "fit.json", "--draws", 200, "--output", draws, "--inner", 2000])
        with draws.open() as file:
            rows = list(csv.DictReader(file))
        points = self.folder / "points.json"
        points.write_text(json.dumps([{"z": [float(r["z[1]"]), float(r["z[2]"])]} for r in rows[:20]]))
        answers = json.loads(run([self.executable, "log-q", "--fit", self.folder / "bent" / "fit.json", "--at", points, "--inner", 2000]).stdout)
        for answer, row in zip(answers, rows):
            error = math.hypot(answer["standard_error"], float(row[".log_q_error"]))
            self.assertLess(abs(answer["log_q"] - float(row["log_q__"])), 5 * error)
            self.assertAlmostEqual(float(row[".log_weight"]), float(row["lp__"]) - float(row["log_q__"]), delta=1e-12)
        self.assertIn("of them", run([self.executable, "summary", draws, "--weighted"]).stdout)

    def test_tempered_start_covers_all_modes(self):
        """A start at one of four modes would hardly find the one across."""
        executable = compile_model("test/objectives/models/mixed_modes.vmodel")
        process = run([executable, "fit", "--output", self.folder / "modes", "--quiet"])
        self.assertIn("start: mean field of the tempered density", process.stdout)
        fit = json.loads((self.folder / "modes" / "fit.json").read_text())
        # One mode alone: minus log 4.
        self.assertGreater(fit["diagnostics"]["mixture"]["elbo_lower"], -0.3)
        draws = self.folder / "modes.csv"
        run([executable, "sample", "--fit", self.folder / "modes" / "fit.json", "--draws", 4000, "--output", draws, "--inner", 2])
        with draws.open() as file:
            points = [(float(r["z[1]"]), float(r["z[2]"])) for r in csv.DictReader(file)]
        modes = [(3, 0), (0, 3), (-3, 0), (0, -3)]
        counts = [0] * 4
        for x, y in points:
            counts[min(range(4), key=lambda k: (x - modes[k][0]) ** 2 + (y - modes[k][1]) ** 2)] += 1
        for count in counts:
            self.assertGreater(count, 600)
            self.assertLess(count, 1600)

    def test_start_from_another_fit(self):
        process, fit = self.fit("second", "--run", "Second")
        self.assertIn("start: the fit First", process.stdout)
        self.assertGreater(fit["diagnostics"]["mixture"]["elbo_lower"], -0.5)

    def test_chains(self):
        """From the Laplace approximation, which is the posterior, chains whose step size has found itself."""
        process, fit = self.fit("chains", "--objective", "uivi(outer = 64)", "--steps", 400)
        self.assertGreater(fit["diagnostics"]["mixture"]["elbo_lower"], -0.1)
        accepted = fit["diagnostics"]["inner_samples"]["effective_size_last"]
        self.assertGreater(accepted, 4)
        self.assertLess(accepted, 4.95)

    def test_family_of_ones_own(self):
        process, fit = self.fit("written", "--family", "Written", "--steps", 300)
        self.assertIn("plain (Laplace refused: its density is an integral", process.stdout)
        self.assertEqual(fit["learnables"]["proposal.eps.m"]["shape"], [1])

    def test_same_bytes_with_threads(self):
        results = {(self.fit(f"threads{t}", "--steps", 20, "--set", "pretrain=20", "--threads", t), (self.folder / f"threads{t}" / "fit.json").read_text().replace(f'"threads": "{t}"', ""))[1] for t in (1, 3)}
        self.assertEqual(len(results), 1)

    def test_collapse_is_told(self):
        process, fit = self.fit("astray", "--family", "Astray", "--steps", 60, "--objective", "aisivi(inner = 32, outer = 16, prior_share = 0)", status=2)
        self.assertIn("inner samples have collapsed", process.stderr)
        self.assertGreater(fit["state"]["held"], 0)

    def test_refused(self):
        for family, objective, message in (("Bent", "elbo", "which is an integral"), ("full_rank", "aisivi", "is for families with `mix`")):
            process = run([self.executable, "fit", "--output", self.folder / "no", "--family", family, "--objective", objective], status=1)
            self.assertIn(message, process.stderr)


if __name__ == "__main__":
    unittest.main()
