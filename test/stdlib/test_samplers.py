"""Goodness of fit of every sampler of the library, with 100,000 draws and a fixed seed.

Draws of continuous distributions go through their cumulative distribution function (which the tables check), which must
give uniform numbers (Kolmogorov-Smirnov); counts are compared with their probabilities (chi-square). A correct sampler
fails a test with probability 1e-6; a wrong one fails because of the number of draws.
"""

import csv
import math
import unittest

import support

DRAWS = 100_000
ALPHA = 1e-6

CONTINUOUS = {
    "normal": ["0.5, 2"], "cauchy": ["-1, 0.5"], "student_t": ["0.3, 0, 1", "3, 1, 2", "80, 0, 1"], "laplace": ["1, 2"],
    "logistic": ["1, 2"], "gumbel": ["1, 2"], "lognormal": ["0.3, 0.7"], "gamma": ["0.02, 1", "0.6, 3", "1, 1", "2.5, 0.1", "300, 2"],
    "log_gamma": ["0.001", "4"], "inv_gamma": ["0.5, 2", "5, 3"], "chi_square": ["1", "9"], "exponential": ["0.3"],
    "weibull": ["0.7, 2", "3, 0.5"], "pareto": ["2, 1.5"], "beta": ["0.05, 0.1", "2, 3", "40, 0.5"], "uniform": ["-1, 3"],
}


def log_choose(n, k):
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def binomial(n, p):
    return lambda y: math.exp(log_choose(n, y) + y * math.log(p) + (n - y) * math.log1p(-p)) if 0 <= y <= n else 0.0


def poisson(m):
    return lambda y: math.exp(y * math.log(m) - m - math.lgamma(y + 1)) if y >= 0 else 0.0


def neg_binomial(m, phi):
    return lambda y: math.exp(math.lgamma(y + phi) - math.lgamma(phi) - math.lgamma(y + 1) + y * math.log(m / (m + phi))
                              + phi * math.log(phi / (m + phi))) if y >= 0 else 0.0


def weights(*p):
    return lambda y: p[y - 1] / sum(p) if 1 <= y <= len(p) else 0.0


def inv_logit(x):
    return 1 / (1 + math.exp(-x))


DISCRETE = {
    "bernoulli(0.3)": binomial(1, 0.3), "bernoulli_logit(-1.0)": binomial(1, inv_logit(-1)),
    "binomial(7, 0.2)": binomial(7, 0.2), "binomial(12, 0.9)": binomial(12, 0.9), "binomial(40, 0.5)": binomial(40, 0.5),
    "binomial(1000, 0.3)": binomial(1000, 0.3), "binomial(500, 0.96)": binomial(500, 0.96),
    "binomial_logit(20, 0.4)": binomial(20, inv_logit(0.4)),
    "poisson(0.2)": poisson(0.2), "poisson(6.0)": poisson(6.0), "poisson(9.99)": poisson(9.99), "poisson(10.0)": poisson(10.0),
    "poisson(35.5)": poisson(35.5), "poisson(2000.0)": poisson(2000.0), "poisson_log(1.5)": poisson(math.exp(1.5)),
    "neg_binomial_2(3.0, 0.4)": neg_binomial(3.0, 0.4), "neg_binomial_2(30.0, 8.0)": neg_binomial(30.0, 8.0),
    "neg_binomial_2_log(1.0, 2.0)": neg_binomial(math.exp(1.0), 2.0),
    "categorical([0.1, 0.2, 0.0, 0.7])": weights(0.1, 0.2, 0, 0.7),
    "categorical_logit([0.0, 1.0, -1.0])": weights(1, math.e, 1 / math.e),
}

JOINT = """
  quantity dirichlet_draw = dirichlet([0.05, 1.5, 3.0]).sample();
  quantity dirichlet_1 = beta(0.05, 4.5).cdf(dirichlet_draw[1]);
  quantity dirichlet_2 = beta(1.5, 3.05).cdf(dirichlet_draw[2]);
  quantity dirichlet_3 = beta(3.0, 1.55).cdf(dirichlet_draw[3]);
  quantity normal_draw = multi_normal_cholesky([1.0, -2.0], [[2.0, 0.0], [-0.6, 0.8]]).sample();
  quantity normal_1 = normal(1, 2).cdf(normal_draw[1]);
  quantity normal_2 = normal(-2, 1).cdf(normal_draw[2]);
  quantity normal_3 = normal(-2 - 0.3 * (normal_draw[1] - 1), 0.8).cdf(normal_draw[2]);
  quantity covariance_draw = multi_normal([0.0, 1.0], [[4.0, 1.0], [1.0, 2.0]]).sample();
  quantity covariance_1 = normal(0, 2).cdf(covariance_draw[1]);
  quantity covariance_2 = normal(1 + 0.25 * covariance_draw[1], sqrt(1.75)).cdf(covariance_draw[2]);
  quantity batch_draw = gamma([0.5, 3.0], 2).sample();
  quantity batch_1 = gamma(0.5, 2).cdf(batch_draw[1]);
  quantity batch_2 = gamma(3, 2).cdf(batch_draw[2]);
  quantity cut = truncated(normal(0, 1), lower = 1, upper = 2.5).sample();
  quantity cut_1 = (normal(0, 1).cdf(cut) - normal(0, 1).cdf(1)) / (normal(0, 1).cdf(2.5) - normal(0, 1).cdf(1));
  quantity mixed = mixture([0.25, 0.75], [normal(-1, 0.5), normal(2, 1)]).sample();
  quantity mixed_1 = mixture([0.25, 0.75], [normal(-1, 0.5), normal(2, 1)]).cdf(mixed);
"""
JOINT_UNIFORM = ["dirichlet_1", "dirichlet_2", "dirichlet_3", "normal_1", "normal_2", "normal_3", "covariance_1", "covariance_2",
                 "batch_1", "batch_2", "cut_1", "mixed_1"]


def kolmogorov_smirnov(values):
    """The statistic times the square root of the number of values, which are compared with the uniform distribution."""
    values = sorted(values)
    n = len(values)
    largest = max(max((i + 1) / n - u, u - i / n) for i, u in enumerate(values))
    return largest * math.sqrt(n)


def chi_square_tail(statistic, degrees):
    """P(chi-square > statistic), by the series of the incomplete gamma function."""
    a, x = degrees / 2, statistic / 2
    if x <= 0:
        return 1.0
    term = total = 1 / a
    k = 0
    while term > 1e-17 * total:
        k += 1
        term *= x / (a + k)
        total += term
    return max(0.0, 1 - total * math.exp(a * math.log(x) - x - math.lgamma(a)))


class Samplers(unittest.TestCase):
    """Two executables, each fitted once; a case a group of distributions."""

    def draws(self, name, quantities, number=DRAWS):
        model = "model Draws {\n  param z: real ~ normal(0, 1);\n" + quantities + "}\n"
        executable = support.build(name, model)
        folder = support.scratch() / f"{name}-fit"
        data = support.write_json(f"{name}-data.json", {})
        support.run([executable, "fit", "--data", data, "--output", folder, "--seed", "1", "--steps", "50"])
        output = support.scratch() / f"{name}.csv"
        support.run([executable, "sample", "--fit", folder / "fit.json", "--draws", number, "--output", output, "--seed", "20"])
        with open(output, newline="") as file:
            rows = csv.reader(file)
            names = next(rows)
            columns = {n: [] for n in names[7:]}
            for row in rows:
                for n, text in zip(columns, row[7:]):
                    columns[n].append(float(text))
        output.unlink()
        return columns

    def uniform(self, values, label):
        self.assertEqual(len(values), DRAWS)
        self.assertTrue(all(0 <= v <= 1 for v in values), label)
        limit = math.sqrt(math.log(2 / ALPHA) / 2)
        statistic = kolmogorov_smirnov(values)
        self.assertLess(statistic, limit, label)
        # The two halves of neighbouring draws are independent.
        n = len(values) // 2
        products = sum((values[2 * i] - 0.5) * (values[2 * i + 1] - 0.5) for i in range(n)) * 12 / math.sqrt(n)
        self.assertLess(abs(products), 5, f"{label}: correlation of neighbouring draws")

    def test_continuous(self):
        text, labels = "", {}
        for name, argument_lists in CONTINUOUS.items():
            for i, arguments in enumerate(argument_lists):
                text += f"  quantity {name}_{i} = {name}({arguments}).cdf({name}({arguments}).sample());\n"
                labels[f"{name}_{i}"] = f"{name}({arguments})"
        columns = self.draws("continuous", text)
        for column, label in labels.items():
            with self.subTest(label):
                self.uniform(columns[column], label)

    def test_discrete(self):
        text = "".join(f"  quantity d{i} = {d}.sample();\n" for i, d in enumerate(DISCRETE))
        columns = self.draws("discrete", text)
        for i, (label, probability) in enumerate(DISCRETE.items()):
            with self.subTest(label):
                self.counts(columns[f"d{i}"], probability, label)

    def counts(self, values, probability, label):
        observed = {}
        for value in values:
            self.assertEqual(value, int(value), label)
            observed[int(value)] = observed.get(int(value), 0) + 1
        for value in observed:
            self.assertGreater(probability(value), 0, f"{label} gave {value}")
        # Bins of neighbouring values with at least 20 expected draws each; the tails are bins too.
        mean = sum(values) / len(values)
        spread = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values)) + 1
        first, last = math.floor(mean - 40 * spread), math.ceil(mean + 40 * spread)
        bins, expected, seen = [], 0.0, 0
        for y in range(first, last + 1):
            expected += probability(y) * len(values)
            seen += observed.pop(y, 0)
            if expected >= 20:
                bins.append([expected, seen])
                expected, seen = 0.0, 0
        bins[-1][0] += expected
        bins[-1][1] += seen + sum(observed.values())
        self.assertAlmostEqual(sum(e for e, _ in bins), len(values), delta=1e-6 * len(values), msg=label)
        statistic = sum((o - e) ** 2 / e for e, o in bins)
        self.assertGreater(chi_square_tail(statistic, max(len(bins) - 1, 1)), ALPHA, f"{label}: chi-square {statistic} in {len(bins)} bins")

    def test_joint(self):
        columns = self.draws("joint", JOINT)
        for name in JOINT_UNIFORM:
            with self.subTest(name):
                self.uniform(columns[name], name)


if __name__ == "__main__":
    unittest.main()
