"""Full-rank fits of the flat-prior regressions against the optimum's closed form.

With n observations, p coefficients, b least squares, S the residual sum of squares and A = (n - 1 - p) / S, the Gaussian on (beta, log sigma) that
maximises the ELBO is beta ~ N(b, inv(X'X) / A), log sigma ~ N(-log(A) / 2 + s^2, s^2) with s^2 = 1 / (2 (n - 1)), independent of each other.
"""

import math
import unittest
from fractions import Fraction

import support
from vmodel_testing import slow

DRAWS = 200_000
MODELS = ("earn_height", "logearn_interaction", "kidscore_interaction_c", "mesquite", "logmesquite_logvas", "nes")
LOCATION, SCALE = 0.02, 0.02  # in sd, and relative


def regression_of(model, d):
    """Outcome and columns of the design matrix."""
    n = d["N"]
    one = [1.0] * n
    if model == "earn_height":
        return d["earn"], [one, d["height"]]
    if model == "logearn_interaction":
        return [math.log(v) for v in d["earn"]], [one, d["height"], d["male"], product(d["height"], d["male"])]
    if model == "kidscore_interaction_c":
        hs, iq = centred(d["mom_hs"]), centred(d["mom_iq"])
        return d["kid_score"], [one, hs, iq, product(hs, iq)]
    if model == "mesquite":
        return d["weight"], [one] + [d[k] for k in ("diam1", "diam2", "canopy_height", "total_height", "density", "group")]
    if model == "logmesquite_logvas":
        a, b, h = ([math.log(v) for v in d[k]] for k in ("diam1", "diam2", "canopy_height"))
        columns = [[x + y + z for x, y, z in zip(a, b, h)], [x + y for x, y in zip(a, b)], [x - y for x, y in zip(a, b)]]
        logs = [[math.log(v) for v in d[k]] for k in ("total_height", "density")]
        return [math.log(v) for v in d["weight"]], [one, *columns, *logs, d["group"]]
    if model == "nes":
        ages = [[float(a == k) for a in d["age_discrete"]] for k in (2, 3, 4)]
        return d["partyid7"], [one, d["real_ideo"], d["race_adj"], *ages, d["educ1"], d["gender"], d["income"]]
    raise AssertionError(model)


def product(a, b):
    return [x * y for x, y in zip(a, b)]


def centred(v):
    mean = math.fsum(v) / len(v)
    return [x - mean for x in v]


def closed_form(y, columns):
    """Means and sds of beta, then of log sigma. Exact rational arithmetic: the raw columns are nearly collinear."""
    n, p = len(y), len(columns)
    X, y = [[Fraction(v) for v in column] for column in columns], [Fraction(v) for v in y]

    def dot(a, b):
        return sum(map(Fraction.__mul__, a, b), Fraction())

    gram = [[dot(a, b) for b in X] for a in X]
    right = [dot(a, y) for a in X]
    rows = [gram[i] + [right[i]] + [Fraction(int(i == j)) for j in range(p)] for i in range(p)]
    for i in range(p):
        pivot = next(k for k in range(i, p) if rows[k][i] != 0)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for k in range(p):
            if k != i and rows[k][i] != 0:
                rows[k] = [v - rows[k][i] * w for v, w in zip(rows[k], rows[i])]
    b = [rows[i][p] for i in range(p)]
    S = dot(y, y) - sum(x * z for x, z in zip(b, right))
    A = float((n - 1 - p) / S)
    s2 = 1 / (2 * (n - 1))
    sds = [math.sqrt(float(rows[i][p + 1 + i]) / A) for i in range(p)]
    return [float(x) for x in b] + [-math.log(A) / 2 + s2], sds + [math.sqrt(s2)]


class ClosedForm(unittest.TestCase):
    """The cases; a class for each posterior is made below."""

    @classmethod
    def setUpClass(cls):
        cls.executable = support.executable_of(cls.posterior)
        cls.data = support.HERE / cls.posterior["data"]
        cls.means, cls.sds = closed_form(*regression_of(cls.posterior["model"], support.read_json(cls.data)))

    def fit(self, seed):
        fitted = support.fit_and_sample(self.executable, self.data, "full_rank", DRAWS, seed)
        self.assertEqual(fitted.status, 0, fitted.words)
        coordinates = support.unconstrained_columns(self.posterior, fitted.draws)
        columns = [*coordinates["beta"], *coordinates["sigma"]]
        self.assertEqual(len(columns), len(self.means))
        for k, column in enumerate(columns):
            mean, sd = support.mean_and_sd(column)
            with self.subTest(coordinate=k + 1):
                self.assertLessEqual(abs(mean - self.means[k]) / self.sds[k], LOCATION, f"location {mean}, not {self.means[k]}")
                self.assertLessEqual(abs(sd / self.sds[k] - 1), SCALE, f"scale {sd}, not {self.sds[k]}")

    def test_seed_1(self):
        self.fit(1)

    @slow
    def test_seed_2(self):
        self.fit(2)

    @slow
    def test_seed_3(self):
        self.fit(3)


support.define_classes(__name__, ClosedForm, map(support.posterior_of, MODELS))
del ClosedForm  # only its subclasses are tests

if __name__ == "__main__":
    unittest.main()
