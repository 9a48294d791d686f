"""Fits by objectives other than the ELBO: the paper's loop step by step, their own optima, particles without density, what is refused."""

import json
import math
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import Place  # noqa: E402
from vmodel_testing import SOURCE, VMODELC, compile_model, run  # noqa: E402

POSTERIORS = SOURCE / "test" / "posteriordb"
LINE = {"N": 5, "x": [-1.0, -0.3, 0.2, 0.9, 1.7], "y": [0.4, -1.1, 2.0, 0.7, 1.3]}
PAPER = ["average=0", "precondition=off", "warm_up=off", "start=plain", "optimizer.schedule=constant", "optimizer.rate=0.01"]


def set_all(entries):
    return [part for entry in entries for part in ("--set", entry)]


def fit(executable, data, *options, status=0):
    """fit.json and what was printed."""
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        if isinstance(data, dict):
            (scratch / "data.json").write_text(json.dumps(data))
            data = scratch / "data.json"
        process = run([executable, "fit", "--data", data, "--output", scratch / "run", "--quiet", *options], status=status)
        path = scratch / "run" / "fit.json"
        return json.loads(path.read_text()) if path.exists() else None, process.stdout, process.stderr


class PapersLoop(unittest.TestCase):
    """Adam with a constant rate after clipping by the global norm, from the initial values; the last iterate."""

    def test_step_by_step(self):
        place = Place("test/objectives/models/line.vmodel", LINE, "mean_field", "--families=full_rank,mean_field")
        self.addCleanup(place.close)
        steps, seed = 12, 9
        for text, clip in (("softcvi(alpha = 0.75, particles = 8)", 10), ("snis_forward_kl(particles = 5)", 0.5)):
            settings = set_all([*PAPER, f"optimizer.clip={clip}"])
            result, _, _ = fit(place.executable, LINE, "--family", "mean_field", "--objective", text, "--seed", seed, "--steps", steps, *settings, status=None)
            phi = [0.0, 0.0, math.log(math.expm1(1)), math.log(math.expm1(1))]
            first, second = [0.0] * 4, [0.0] * 4
            clipped = 0
            for t in range(1, steps + 1):
                gradient = place.gradient(phi, text, "--seed", seed, "--step", t - 1)
                norm = math.hypot(*gradient)
                clipped += norm > clip
                gradient = [g * min(1, clip / norm) for g in gradient]
                first = [0.9 * m + 0.1 * g for m, g in zip(first, gradient)]
                second = [0.999 * v + 0.001 * g * g for v, g in zip(second, gradient)]
                phi = [p - 0.01 * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8) for p, m, v in zip(phi, first, second)]
            self.assertEqual(result["state"]["phi"], result["state"]["last"])
            for ours, expected in zip(result["state"]["phi"], phi):
                self.assertAlmostEqual(ours, expected, delta=1e-11)
        self.assertGreater(clipped, 3, "the clip was not tested")


class Optima(unittest.TestCase):
    def test_exact(self):
        """full_rank reaches a Gaussian posterior to rounding: at its optimum there is no noise."""
        executable = compile_model("test/objectives/models/line.vmodel", "--families=full_rank,mean_field")
        for text in ("softcvi(alpha = 0.75)", "softcvi(alpha = 0.5, negative = posterior)", "dreg(particles = 4)"):
            result, out, _ = fit(executable, LINE, "--family", "full_rank", "--objective", text, "--steps", 3000)
            a, b, c = 0.25 + 20, 4 * sum(LINE["x"]), 0.25 + 4 * sum(x * x for x in LINE["x"])
            r, s = 4 * sum(LINE["y"]), 4 * sum(x * y for x, y in zip(LINE["x"], LINE["y"]))
            mean = [(c * r - b * s) / (a * c - b * b), (a * s - b * r) / (a * c - b * b)]
            found = result["learnables"]
            for m, exact in zip(found["m"]["value"], mean):
                self.assertAlmostEqual(m, exact, delta=1e-4)
            self.assertIn("labels worth", out)
            labels = result["diagnostics"]["labels"]
            self.assertGreater(labels["effective_size_last"], 1)
            self.assertLessEqual(labels["effective_size_mean"], labels["particles"] + 1e-9)

    def test_forward_kl_of_a_mean_field(self):
        """With many particles the forward KL's optimum has the posterior's marginals, the ELBO's is narrower."""
        executable = compile_model("test/objectives/models/line.vmodel", "--families=full_rank,mean_field")
        result, _, _ = fit(executable, LINE, "--family", "mean_field", "--objective", "softcvi(alpha = 1, particles = 512)", "--steps", 4000)
        a, b, c = 0.25 + 20, 4 * sum(LINE["x"]), 0.25 + 4 * sum(x * x for x in LINE["x"])
        deviations = [math.sqrt(c / (a * c - b * b)), math.sqrt(a / (a * c - b * b))]
        for s, exact, narrow in zip(result["learnables"]["s"]["value"], deviations, (a**-0.5, c**-0.5)):
            self.assertAlmostEqual(s, exact, delta=0.02 * exact)
            self.assertGreater(s - narrow, 0.03 * exact)


class Defaults(unittest.TestCase):
    """Fits without settings against ten times as many steps at a seventh of the rate."""

    def distance(self, model, data, family):
        executable = compile_model(POSTERIORS / f"{model}.vmodel", "--objectives=softcvi")
        options = ["--family", family, "--objective", "softcvi"]
        long, _, _ = fit(executable, POSTERIORS / "data" / data, *options, "--seed", 77, "--steps", 200_000, "--set", "optimizer.rate=0.003", status=None)
        short, _, _ = fit(executable, POSTERIORS / "data" / data, *options)
        means = [f["learnables"]["m"]["value"] for f in (long, short)]
        scale = long["learnables"]
        deviations = scale["s"]["value"] if "s" in scale else [math.hypot(*row) for row in scale["L"]["value"]]
        return max(abs(a - b) / s for a, b, s in zip(*means, deviations, strict=True))

    def test_reach_their_own_optimum(self):
        # Both ends have Monte-Carlo errors, measured at up to 0.04.
        self.assertLess(self.distance("eight_schools_noncentered", "eight_schools.json", "mean_field"), 0.1)
        self.assertLess(self.distance("garch11", "garch.json", "mean_field"), 0.1)
        self.assertLess(self.distance("radon_pooled", "radon_mn.json", "mean_field"), 0.1)
        # Without noise at the optimum.
        self.assertLess(self.distance("kidscore_momiq", "kidiq.json", "full_rank"), 0.01)


class Holes(unittest.TestCase):
    def setUp(self):
        self.executable = compile_model("test/objectives/models/holes.vmodel", "--families=mean_field")

    def test_impossible(self):
        """A density of zero below 0 is no obstacle: labels are 0, and the fit says how many."""
        result, _, errors = fit(self.executable, {"wall": 100}, "--set", "start=plain", "--steps", 3000)
        self.assertGreater(result["state"]["particles_impossible"], 100)
        self.assertEqual(result["state"]["particles_not_finite"], 0)
        self.assertEqual(result["state"]["skipped"], 0)
        self.assertIn("particles had density zero (label 0)", errors)

    def test_not_a_number(self):
        result, _, errors = fit(self.executable, {"wall": 2.5}, "--set", "start=plain", "--steps", 2000, status=2)
        self.assertGreater(result["state"]["skipped"], 20)
        self.assertGreaterEqual(result["state"]["particles_not_finite"], result["state"]["skipped"])
        self.assertIn("had a density that is no number; their steps were skipped", errors)
        self.assertIn("not to be relied on", errors)

    def test_all_skipped(self):
        result, _, errors = fit(self.executable, {"wall": -1e6}, "--set", "start=plain", "--set", "precondition=off", "--steps", 5000, status=2)
        self.assertEqual(result["state"]["skipped"], 100)
        self.assertIn("100 steps in a row could not be taken", errors)


class TakenBack(unittest.TestCase):
    def test_iterate_without_density_around_it(self):
        # A learned degree of freedom is led to 0 by steps ten times as long as the default's; from there no draw has a density.
        executable = compile_model("examples/softcvi/eight_schools.vmodel")
        options = set_all(["start=auto", "precondition=on", "average=0.5", "optimizer.schedule=cosine", "optimizer.rate=0.2"])
        result, _, _ = fit(executable, SOURCE / "examples" / "eight_schools.json", "--seed", 1, *options)
        self.assertEqual(result["state"]["step"], 50000)
        self.assertGreater(result["state"]["skipped"], 0)


class Refused(unittest.TestCase):
    def test_family_without_pathwise_derivatives(self):
        executable = compile_model("test/objectives/models/rejection.vmodel")
        data = {"N": 3, "y": [0.3, 1.1, 0.4]}
        result, _, _ = fit(executable, data, "--set", "start=plain", "--steps", 8000)
        # The posterior is N(0.45, 1/4), where gradients have no noise.
        location, scale = (entry["value"] for entry in result["learnables"].values())
        self.assertAlmostEqual(location, 0.45, delta=1e-4)
        self.assertAlmostEqual(scale, 0.5, delta=1e-4)
        for objective in ("elbo", "iwae", "dreg", "chi2"):
            _, _, errors = fit(executable, data, "--objective", objective, status=1)
            self.assertIn("it needs pathwise derivatives, which the family Polar does not have; objectives for this family: softcvi, snis_forward_kl", errors)

    def test_executable_without_it(self):
        executable = compile_model(POSTERIORS / "kidscore_momiq.vmodel")
        data = POSTERIORS / "data" / "kidiq.json"
        _, _, errors = fit(executable, data, "--objective", "softcvi", status=1)
        self.assertIn("objective softcvi: this executable does not hold it; build it with vmodelc kidscore_momiq.vmodel -o EXE --objectives=softcvi", errors)
        built = compile_model(POSTERIORS / "kidscore_momiq.vmodel", "--objectives=softcvi")
        self.assertEqual(json.loads(run([built, "info"]).stdout)["objectives"], ["elbo", "softcvi", "snis_forward_kl", "reweighted_wake", "iwae", "dreg", "renyi", "chi2"])
        for options, message in (
            (["--objective", "softcvi(particles = 1)"], "particles 1: an integer from 2 to 1048576 is expected"),
            (["--objective", "softcvi(estimator = stl)"], "objective softcvi: it has no setting `estimator`; it has particles, alpha, negative"),
            (["--objective", "softcvi(alpha = 2)"], "alpha 2: a number from 0 to 1 is expected"),
            (["--objective", "chi2(alpha = 2)"], "objective chi2: it has no setting `alpha`; it has particles, estimator"),
            (["--objective", "softcvi", "--set", "settle=10"], "settle = 10: the last phase belongs to the objective elbo"),
            (["--objective", "contrast"], "objective contrast: there is none of that name; there are elbo, softcvi,"),
        ):
            _, _, errors = fit(built, data, *options, status=1)
            self.assertIn(message, errors)


if __name__ == "__main__":
    unittest.main()
