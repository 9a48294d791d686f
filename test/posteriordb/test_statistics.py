"""Sufficient statistics: log densities and gradients that use them against those that go through the data (`--plain`).

The rewriting is exact, so the two differ by rounding: a sum of N terms in another order differs by at most N * 2.2e-16 times the sum of the terms'
sizes, 3e-12 of it for the largest N, 12,573. Gradients are compared to the largest gradient among the points: near an optimum their terms
cancel, and the size of the terms is that of gradients far from it.
"""

import json
import math
import random
import tempfile
import unittest

import support
from vmodel_testing import run

TOLERANCE = 1e-11
# Models that are sums over data of squares or of what is linear in data. One that is not rewritten any more has become slow.
REWRITTEN = {
    "arK", "blr", "earn_height", "kidscore_interaction_c", "kidscore_momiq", "kilpisjarvi", "logearn_interaction", "logmesquite_logvas",
    "mesquite", "nes", "radon_pooled",
}  # fmt: skip


class Statistics(unittest.TestCase):
    def points(self, lanes, *options):
        reference = support.read_json(support.HERE / self.posterior["log_density"])
        points = [point["constrained"] for kind in ("points", "extra_points") for point in reference[kind]]
        executable = support.executable_of(self.posterior)
        return support.log_density(executable, support.HERE / self.posterior["data"], points, "--lanes", lanes, *options)

    def agree(self, lanes):
        rewritten, plain = self.points(lanes), self.points(lanes, "--plain")
        # Different roundings show that there are two kernels.
        self.assertNotEqual(rewritten, plain)
        largest = {}
        for p in plain:
            for name, values in p["gradient_with_jacobian"].items():
                for i, x in enumerate(values):
                    largest[name, i] = max(abs(x), largest.get((name, i), 0))
        for r, p in zip(rewritten, plain):
            self.assertAlmostEqual(r["log_density"], p["log_density"], delta=TOLERANCE * abs(p["log_density"]))
            for name, values in p["gradient_with_jacobian"].items():
                for i, x in enumerate(values):
                    self.assertAlmostEqual(r["gradient_with_jacobian"][name][i], x, delta=TOLERANCE * largest[name, i], msg=f"{name}[{i}]")

    def test_one_lane(self):
        self.agree(1)

    def test_native_lanes(self):
        self.agree("native")


class Branch(unittest.TestCase):
    """A likelihood under a condition on data, with columns that are centred: the further model of diamonds with small data."""

    ROWS, COLUMNS = 40, 5

    def at(self, prior_only, lanes, *options):
        generator = random.Random(1)
        x = [[1] + [generator.gauss(3, 1) for _ in range(self.COLUMNS)] for _ in range(self.ROWS)]
        data = {"N": self.ROWS, "K": self.COLUMNS + 1, "X": x, "Y": [sum(row) + generator.gauss(0, 1) for row in x], "prior_only": prior_only}
        points = [
            {"b": [generator.gauss(0, 1) for _ in range(self.COLUMNS)], "Intercept": generator.gauss(8, 3), "sigma": 0.2 + generator.random()}
            for _ in range(9)
        ]
        executable = support.compile_model(support.HERE / "more" / "diamonds.vmodel")
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(data, file)
            file.flush()
            return data, points, support.log_density(executable, file.name, points, "--lanes", lanes, *options)

    def test_a_likelihood_under_a_condition_is_rewritten(self):
        for lanes in (1, "native"):
            _, _, rewritten = self.at(0, lanes)
            _, _, plain = self.at(0, lanes, "--plain")
            self.assertNotEqual(rewritten, plain)
            for r, p in zip(rewritten, plain):
                self.assertAlmostEqual(r["log_density"], p["log_density"], delta=TOLERANCE * abs(p["log_density"]))

    def test_the_likelihood_is_what_the_condition_adds(self):
        for options in ((), ("--plain",)):
            data, points, with_likelihood = self.at(0, 1, *options)
            _, _, prior = self.at(1, 1, *options)
            rows = [row[1:] for row in data["X"]]
            centre = [sum(column) / self.ROWS for column in zip(*rows)]
            for point, whole, part in zip(points, with_likelihood, prior):
                sigma, squares, slope = point["sigma"], 0.0, 0.0
                for row, y in zip(rows, data["Y"]):
                    residual = y - point["Intercept"] - sum(b * (x - c) for b, x, c in zip(point["b"], row, centre))
                    squares, slope = squares + residual**2, slope + residual
                expected = -0.5 * squares / sigma**2 - self.ROWS * (math.log(sigma) + 0.5 * math.log(2 * math.pi))
                self.assertAlmostEqual(whole["log_density"] - part["log_density"], expected, delta=TOLERANCE * squares / sigma**2)
                gradients = [answer["gradient_with_jacobian"]["Intercept"][0] for answer in (whole, part)]
                self.assertAlmostEqual(gradients[0] - gradients[1], slope / sigma**2, delta=TOLERANCE * squares / sigma**2)


class Fit(unittest.TestCase):
    def test_a_plain_fit_goes_through_the_data_to_the_same_end(self):
        posterior = support.posterior_of("kidscore_momiq")
        with tempfile.TemporaryDirectory() as folder:
            command = [support.executable_of(posterior), "fit", "--data", support.HERE / posterior["data"], "--quiet", "--steps", "200", "--output"]
            run([*command, f"{folder}/rewritten"], status=None)
            run([*command, f"{folder}/plain", "--plain"], status=None)
            fits = [support.read_json(f"{folder}/{name}/fit.json") for name in ("rewritten", "plain")]
        rewritten, plain = (fit["learnables"]["m"]["value"] for fit in fits)
        self.assertNotEqual(rewritten, plain)
        # Steps build on one another: roundings of 1e-15 may grow, but not to what a fit leaves open.
        for r, p in zip(rewritten, plain):
            self.assertAlmostEqual(r, p, delta=1e-6 * abs(p))


support.define_classes(__name__, Statistics, [p for p in support.posteriors() if p["model"] in REWRITTEN])
del Statistics  # only its subclasses are tests
