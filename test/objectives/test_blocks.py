"""Blocks of groups: families in plates find the posterior that they hold, and their gradients are those of what is optimised."""

import json
import math
import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import Place  # noqa: E402
from vmodel_testing import run  # noqa: E402

MODEL = "test/objectives/models/blocks.vmodel"
HOLDS = ("Blocks", "BlocksOfLibrary", "InTurn", "Given")
OPTIONS = ("--families=" + ",".join((*HOLDS, "Apart")), "--objectives=elbo,softcvi,snis_forward_kl")


def simulated(J, each, seed=1):
    source = random.Random(seed)
    group = [j + 1 for j in range(J) for _ in range(each)]
    x = [source.gauss(0.5, 1) for _ in group]
    lines = [(source.gauss(0.3, 1), source.gauss(0.3, 0.5)) for _ in range(J)]
    y = [lines[g - 1][0] + lines[g - 1][1] * v + source.gauss(0, 0.7) for g, v in zip(group, x)]
    return {"J": J, "N": len(y), "group": group, "x": x, "y": y}


def log_evidence(data):
    """y is normal: its covariance is that of the mean, of the lines and of the noise."""
    x, group, n = data["x"], data["group"], data["N"]
    L = [[0.0] * n for _ in range(n)]
    rest, total = list(data["y"]), 0.0
    for i in range(n):
        for k in range(i + 1):
            same = group[i] == group[k]
            value = (1 + x[i]) * (1 + x[k]) + same * (1 + 0.25 * x[i] * x[k]) + (i == k) * 0.49
            value -= math.fsum(p * q for p, q in zip(L[i][:k], L[k][:k]))
            L[i][k] = math.sqrt(value) if i == k else value / L[k][k]
        z = (rest[i] - math.fsum(p * q for p, q in zip(L[i][:i], rest[:i]))) / L[i][i]
        rest[i] = z
        total -= 0.5 * z * z + math.log(L[i][i]) + 0.5 * math.log(2 * math.pi)
    return total


class Posterior(unittest.TestCase):
    """log p - log q of a draw is the log evidence wherever q is the posterior; half its variance is the divergence close to it."""

    @classmethod
    def setUpClass(cls):
        cls.data = simulated(6, 5)
        cls.evidence = log_evidence(cls.data)
        cls.place = Place(MODEL, cls.data, "Blocks", *OPTIONS)
        cls.addClassCleanup(cls.place.close)

    def ratios(self, family, objective, *options):
        folder = self.place.folder / f"fit{family}"
        command = [self.place.executable, "fit", "--data", self.place.data, "--output", folder, "--family", family, "--objective", objective, "--seed", 1, "--quiet", *options]
        done = run(command, status=None)
        self.assertIn(done.returncode, (0, 2), done.stderr)
        command = [self.place.executable, "objective", "--fit", folder / "fit.json", "--data", self.place.data, "--objective", "snis_forward_kl(particles = 400)", "--values"]
        return [e["log_p"] - e["log_q"] for e in json.loads(run(command).stdout)["each"]]

    def spread(self, ratios):
        """Root mean square distance of the ratios from the log evidence."""
        return math.sqrt(math.fsum((r - self.evidence) ** 2 for r in ratios) / len(ratios))

    def test_elbo(self):
        for family in HOLDS:
            with self.subTest(family=family):
                self.assertLess(self.spread(self.ratios(family, "elbo(estimator = stl)", "--steps", 4000)), 0.01)
        self.assertGreater(self.spread(self.ratios("Apart", "elbo(estimator = stl)", "--steps", 4000)), 0.1)

    def test_softcvi(self):
        for family in ("Blocks", "BlocksOfLibrary"):
            with self.subTest(family=family):
                self.assertLess(self.spread(self.ratios(family, "softcvi(alpha = 0.75, particles = 16)", "--steps", 6000)), 0.01)

    def test_starts(self):
        for start in ("laplace", "plain"):
            with self.subTest(start=start):
                self.assertLess(self.spread(self.ratios("Blocks", "elbo(estimator = stl)", "--steps", 4000, "--set", f"start={start}")), 0.01)


class Gradients(unittest.TestCase):
    STEP = 1e-3

    def differences(self, value, phi):
        """Fourth-order central differences of a function of phi."""
        result = []
        for i in range(len(phi)):
            v = {t: value([*phi[:i], phi[i] + t * self.STEP, *phi[i + 1 :]]) for t in (-2, -1, 1, 2)}
            result.append((8 * (v[1] - v[-1]) - (v[2] - v[-2])) / (12 * self.STEP))
        return result

    def test_differences(self):
        source = random.Random(2)
        for family in (*HOLDS, "Apart"):
            with self.subTest(family=family):
                place = Place(MODEL, simulated(2, 2), family, *OPTIONS)
                self.addCleanup(place.close)
                phi = [p + 0.3 * source.gauss(0, 1) for p in place.fit["state"]["phi"]]
                # Draws follow phi: the derivative of the estimate is that of its value.
                gradient = place.gradient(phi, "elbo(particles = 3, estimator = total)", "--seed", 5)
                expected = self.differences(lambda at: place.objective(at, "elbo(particles = 3, estimator = total)", "--seed", 5)["value"], phi)
                scale = max(map(abs, expected))
                self.assertGreater(scale, 0.1)
                for g, e in zip(gradient, expected, strict=True):
                    self.assertAlmostEqual(g, e, delta=1e-7 * scale)
                # Points and labels stay: the derivative is that of log q at them.
                result = place.objective(phi, "snis_forward_kl(particles = 4)", "--gradient", "--values", "--seed", 5)
                gradient = [g for part in result["gradient"].values() for g in part]
                points, labels = [e["at"] for e in result["each"]], [e["label"] for e in result["each"]]
                expected = self.differences(lambda at: -math.fsum(w * q for w, q in zip(labels, place.log_q(at, points))), phi)
                scale = max(map(abs, expected))
                for g, e in zip(gradient, expected, strict=True):
                    self.assertAlmostEqual(g, e, delta=1e-7 * scale)


if __name__ == "__main__":
    unittest.main()
