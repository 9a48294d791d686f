"""Draws from truncated distributions, far in the tails too, and their pathwise derivatives.

Draws are compared with their distribution by the logarithms of the tails, which the tables check: between limits the share of
the tail that lies beyond a draw is uniform.
"""

import math
import pathlib
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tools"))

import kernels  # noqa: E402
import support  # noqa: E402
from test_samplers import ALPHA, chi_square_tail, kolmogorov_smirnov  # noqa: E402

DRAWS = 4000
USER = """
distribution sech(scale: real<lower=0>) on real {
  log_density(x) = -log_add_exp(x / scale, -x / scale) - log(scale) + log(2) - log(3.1415926535897931);
  log_cdf(x) = log(2 / 3.1415926535897931) + log(atan(exp(x / scale)));
  log_ccdf(x) = log(2 / 3.1415926535897931) + log(atan(exp(-x / scale)));
}
"""
# distribution: limits
CONTINUOUS = [
    ("normal(0, 1)", "lower = 9"), ("normal(0, 1)", "lower = 40"), ("normal(0, 1)", "upper = -45"), ("normal(0, 1)", "lower = 8, upper = 8.1"),
    ("normal(0, 1)", "lower = -60, upper = -59.99"), ("normal(3, 0.01)", "lower = 3.3"), ("normal(0, 1)", "lower = -1, upper = 20"),
    ("student_t(5, 0, 1)", "lower = 1e5"), ("cauchy(0, 1)", "lower = 1e9"), ("logistic(0, 1)", "lower = 50"), ("laplace(0, 2)", "lower = 200, upper = 203"),
    ("gamma(2, 1)", "lower = 60"), ("gamma(0.3, 2)", "lower = 30, upper = 30.5"), ("beta(2, 3)", "lower = 0.99999"), ("beta(40, 1)", "upper = 1e-9"),
    ("exponential(1)", "lower = 800"), ("lognormal(0, 1)", "lower = 1e4"), ("weibull(2, 1)", "lower = 30"), ("gumbel(0, 1)", "lower = 100"),
    ("skew_normal(0, 1, 3)", "lower = 12"), ("skew_normal(0, 1, 3)", "upper = -4"), ("von_mises(0, 300)", "lower = 0.8"), ("sech(0.5)", "lower = 30"),
    ("mixture([0.5, 0.5], [normal(-1, 1), normal(1, 0.5)])", "lower = 12"), ("mixture([0.3, 0.7], normal([0.0, 1.0], [1.0, 0.9]))", "lower = 20, upper = 20.2"),
]
DISCRETE = [("poisson(3)", 60, None), ("poisson(200)", None, 60), ("binomial(100, 0.01)", 40, None), ("neg_binomial_2(2, 50)", 80, 84),
            ("beta_binomial(30, 2, 900)", 12, None), ("hypergeometric(20, 30, 1000)", 9, None)]


def limits(text):
    return dict((name.strip(), float(value)) for name, value in (part.split("=") for part in text.split(",")))


class TruncatedDraws(unittest.TestCase):
    def draws(self, name, text, count):
        model = kernels.Model(support.build(name, f"{USER}\nmodel Draws {{\n  param z: real ~ normal(0, 1);\n{text}}}\n"), {})
        names = [(q["name"], model.size(q["offset"])) for q in model.metadata["quantities"]]
        values = model.call("constrain", z=[[0.0]] * count)["x"]
        return {n: [row[place] for row in values] for n, place in names}

    def test_continuous(self):
        text = ""
        for i, (d, between) in enumerate(CONTINUOUS):
            text += f"  quantity x{i} = truncated({d}, {between}).sample();\n  quantity below{i} = {d}.log_cdf(x{i});\n  quantity above{i} = {d}.log_ccdf(x{i});\n"
            for side, value in limits(between).items():
                text += f"  quantity {side}_below{i} = {d}.log_cdf({value!r});\n  quantity {side}_above{i} = {d}.log_ccdf({value!r});\n"
        columns = self.draws("truncated", text, DRAWS)
        for i, (d, between) in enumerate(CONTINUOUS):
            with self.subTest(d, between=between):
                known = limits(between)
                low, high = known.get("lower", -math.inf), known.get("upper", math.inf)
                self.assertTrue(all(low <= x <= high for x in columns[f"x{i}"]))
                self.assertGreater(len(set(columns[f"x{i}"])), 0.9 * DRAWS)
                above = columns[f"lower_above{i}"][0] if "lower" in known else 0.0
                below = columns[f"upper_below{i}"][0] if "upper" in known else 0.0
                # By the smaller tail, t, between t0 at its limit and t1 at the other one: (t - t1) / (t0 - t1).
                name, first = ("above", above) if above < below else ("below", below)
                other = ("upper" if name == "above" else "lower") + f"_{name}{i}"
                last = columns[other][0] if other in columns else -math.inf
                rest = math.exp(last - first)
                self.uniform([(math.exp(t - first) - rest) / -math.expm1(last - first) for t in columns[f"{name}{i}"]])

    def uniform(self, values):
        self.assertTrue(all(-1e-9 <= v <= 1 + 1e-9 for v in values))
        self.assertLess(kolmogorov_smirnov(values), math.sqrt(math.log(2 / ALPHA) / 2))

    def test_counts(self):
        text, reach = "", 60
        for i, (d, low, high) in enumerate(DISCRETE):
            between = ", ".join(f"{side} = {value}" for side, value in (("lower", low), ("upper", high)) if value is not None)
            first = low if low is not None else high - reach + 1
            text += f"  quantity x{i} = truncated({d}, {between}).sample();\n"
            text += f"  quantity p{i} = [truncated({d}, {between}).log_density({first} + k - 1) for k in 1:{reach}];\n"
        model = kernels.Model(support.build("truncated_counts", f"model Draws {{\n  param z: real ~ normal(0, 1);\n{text}}}\n"), {})
        place = {q["name"]: model.size(q["offset"]) for q in model.metadata["quantities"]}
        values = model.call("constrain", z=[[0.0]] * DRAWS)["x"]
        for i, (d, low, high) in enumerate(DISCRETE):
            with self.subTest(d):
                first = low if low is not None else high - reach + 1
                probability = [math.exp(values[0][place[f"p{i}"] + k]) for k in range(reach)]
                self.assertAlmostEqual(sum(probability), 1, delta=1e-9)
                seen = [0] * reach
                for row in values:
                    seen[int(row[place[f"x{i}"]]) - first] += 1
                bins, expected, count = [], 0.0, 0
                for p, n in zip(probability, seen):
                    expected, count = expected + p * DRAWS, count + n
                    if expected >= 20:
                        bins.append([expected, count])
                        expected, count = 0.0, 0
                bins[-1][0] += expected
                bins[-1][1] += count
                self.assertGreater(chi_square_tail(sum((o - e) ** 2 / e for e, o in bins), max(len(bins) - 1, 1)), ALPHA)

    def test_pathwise(self):
        """Against differences of draws with the same random numbers; by a formula near the middle, by iteration far out."""
        text = """model Draws {
  param x: real<lower=9> ~ flat();
  param y: real<lower=0> ~ flat();
  param t: real<upper=-3> ~ flat();
  factor 0 * (x + y + t);
}
family F for Draws {
  learn m: real = 0.3;
  learn s: real<lower=0>;
  x ~ truncated(normal(m, s), lower = 9);
  y ~ truncated(normal(m, s), lower = 0);
  t ~ truncated(skew_normal(m, s, 2), upper = -3);
}
"""
        model = kernels.Model(support.build("truncated_pathwise", text), {})
        phi, count = [0.3, 0.4], 16
        width = model.kernel("F.pathwise").lanes
        for k in range(2):
            h = 1e-4
            moved = []
            for f in (-2, -1, 1, 2):
                at = list(phi)
                at[k] += f * h
                moved.append(model.call("F.draw", phi=at, points=count)["z"])
            for particle in range(count):
                for parameter in range(3):
                    v = [m[particle][parameter] for m in moved]
                    near, wide = (v[2] - v[1]) / (2 * h), (v[3] - v[0]) / (4 * h)
                    wanted = near + (near - wide) / 3
                    weights = [[float(j == parameter) for j in range(3)]] + [[0.0] * 3] * (width - 1)
                    got = model.call("F.pathwise", phi=phi, d_z=weights, d_log_q=[0.0] * width, d_entropy=[0.0] * width, first_particle=particle)["d_phi"][k]
                    self.assertAlmostEqual(got, wanted, delta=1e-6 * abs(wanted) + 1e-7, msg=f"learnable {k}, particle {particle}, parameter {parameter}")


if __name__ == "__main__":
    unittest.main()
