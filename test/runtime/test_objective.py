"""`objective --gradient` against differences with common random numbers, and draws against the fitted parameters."""

import json
import math
import pathlib
import tempfile
import unittest

from vmodel_testing import compile_model, run

DATA = {"N": 5, "y": [0.4, -1.1, 2.0, 0.7, 1.3]}
FAMILIES = ["mean_field", "full_rank", "Chain", "Grouped"]


class Fitted(unittest.TestCase):
    """A short fit of every family: a place like any other."""

    @classmethod
    def setUpClass(cls):
        cls.executable = compile_model("test/runtime/models/families.vmodel", "--families=Chain,Grouped,mean_field,full_rank")
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = pathlib.Path(scratch.name)
        cls.data = cls.folder / "data.json"
        cls.data.write_text(json.dumps(DATA))
        for family in FAMILIES:
            # Away from the optimum, where gradients are not small.
            settings = ["--set", "start=plain", "--set", "warm_up=off", "--set", "settle=0", "--set", "particles=8"]
            run([cls.executable, "fit", "--data", cls.data, "--output", cls.folder / family, "--family", family, "--steps", 40, "--quiet", *settings], status=None)

    def fit(self, family):
        return json.loads((self.folder / family / "fit.json").read_text())


class Gradient(Fitted):
    def objective(self, fit, estimator, particles, seed):
        path = self.folder / "changed.json"
        path.write_text(json.dumps(fit))
        command = [self.executable, "objective", "--fit", path, "--data", self.data, "--seed", seed, "--gradient", "--estimator", estimator, "--particles", particles]
        result = json.loads(run(command).stdout)
        return result["value"], [g for part in result["gradient"].values() for g in part]

    def test_total_is_the_derivative(self):
        """Five-point differences; their error is of order h^4 and of rounding / h."""
        h = 1e-3
        for family in FAMILIES:
            fit = self.fit(family)
            phi = fit["state"]["phi"]
            _, gradient = self.objective(fit, "total", 21, 7)
            self.assertEqual(len(gradient), len(phi))
            for k in range(len(phi)):
                values = {}
                for times in (-2, -1, 1, 2):
                    fit["state"]["phi"] = [*phi[:k], phi[k] + times * h, *phi[k + 1 :]]
                    values[times], _ = self.objective(fit, "total", 21, 7)
                difference = (8 * (values[1] - values[-1]) - (values[2] - values[-2])) / (12 * h)
                scale = max(1, max(map(abs, gradient)))
                self.assertAlmostEqual(gradient[k], difference, delta=1e-8 * scale, msg=f"{family}, coordinate {k}")

    def test_stl_has_the_same_mean(self):
        seeds = range(1, 13)
        for family in FAMILIES:
            fit = self.fit(family)
            pairs = [(self.objective(fit, "total", 4096, s)[1], self.objective(fit, "stl", 4096, s)[1]) for s in seeds]
            n = len(pairs)
            for k in range(len(pairs[0][0])):
                distances = [a[k] - b[k] for a, b in pairs]
                mean = sum(distances) / n
                error = math.sqrt(sum((d - mean) ** 2 for d in distances) / (n - 1) / n)
                # Student's t with 11 degrees of freedom: beyond 8 errors once in 10^5.
                self.assertLess(abs(mean), 8 * error + 1e-12, f"{family}, coordinate {k}")


class Moments(Fitted):
    """Means and covariances of 40,000 draws: within 6 Monte-Carlo errors of what the learnables say."""

    count = 40_000

    def draws(self, family):
        path = self.folder / "draws.csv"
        run([self.executable, "sample", "--fit", self.folder / family / "fit.json", "--draws", self.count, "--output", path, "--seed", 11])
        lines = path.read_text().splitlines()
        names = [name.strip('"') for name in lines[0].split(",")]
        rows = [list(map(float, (field or "nan" for field in line.split(",")))) for line in lines[1:]]
        columns = {name: [row[k] for row in rows] for k, name in enumerate(names)}
        # The unconstrained coordinates.
        return [columns["mu"], [math.log(t) for t in columns["tau"]], columns["b[1]"], columns["b[2]"]]

    def assert_moments(self, family, mean, covariance):
        z = self.draws(family)
        n = self.count
        found = [sum(c) / n for c in z]
        for i in range(4):
            self.assertLess(abs(found[i] - mean[i]), 6 * math.sqrt(covariance[i][i] / n), f"{family}: mean of {i}")
            for j in range(i + 1):
                c = sum((a - found[i]) * (b - found[j]) for a, b in zip(z[i], z[j])) / n
                error = math.sqrt((covariance[i][i] * covariance[j][j] + covariance[i][j] ** 2) / n)
                self.assertLess(abs(c - covariance[i][j]), 6 * error, f"{family}: covariance of {i} and {j}")

    def learnables(self, family):
        return {name: entry["value"] for name, entry in self.fit(family)["learnables"].items()}

    def test_mean_field(self):
        m, s = self.learnables("mean_field").values()
        self.assert_moments("mean_field", m, [[s[i] ** 2 if i == j else 0 for j in range(4)] for i in range(4)])

    def test_full_rank(self):
        m, factor = self.learnables("full_rank").values()
        self.assert_moments("full_rank", m, [[sum(a * b for a, b in zip(p, q)) for q in factor] for p in factor])

    def test_chain(self):
        """b = m + w mu + s e: linear in mu."""
        found = self.learnables("Chain")
        m, w = found.pop("m"), found.pop("w")
        mu, mu_sd, tau, tau_sd, s = found.values()
        covariance = [[0.0] * 4 for _ in range(4)]
        covariance[0][0], covariance[1][1] = mu_sd**2, tau_sd**2
        for i in range(2):
            covariance[0][2 + i] = covariance[2 + i][0] = w[i] * mu_sd**2
            for j in range(2):
                covariance[2 + i][2 + j] = w[i] * w[j] * mu_sd**2 + (s[i] ** 2 if i == j else 0)
        self.assert_moments("Chain", [mu, tau, m[0] + w[0] * mu, m[1] + w[1] * mu], covariance)


if __name__ == "__main__":
    unittest.main()
