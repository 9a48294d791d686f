"""Goodness of fit of every sampler of the library, with 100,000 draws and a fixed seed.

Every distribution of the table with a sampler and a distribution function is tested at the table's arguments (those whose
draws the arithmetic can hold) and at more of them, listed here; so a new one needs no entry.

Draws of continuous distributions go through their cumulative distribution function (which the tables check), which must
give uniform numbers (Kolmogorov-Smirnov); so must draws of counts y that are
put anywhere between cdf(y - 1) and cdf(y). Counts are also compared with their probabilities, computed here (chi-square). A correct sampler
fails a test with probability 1e-6; a wrong one fails because of the number of draws.
"""

import csv
import json
import math
import pathlib
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tools"))

import kernels  # noqa: E402
import support  # noqa: E402

DRAWS = 100_000
TABLE_DRAWS = 20_000  # for each row of arguments of the table
ALPHA = 1e-6

CONTINUOUS = {
    "normal": ["0.5, 2"], "cauchy": ["-1, 0.5"], "student_t": ["0.3, 0, 1", "3, 1, 2", "80, 0, 1"], "laplace": ["1, 2"],
    "logistic": ["1, 2"], "gumbel": ["1, 2"], "lognormal": ["0.3, 0.7"], "gamma": ["0.02, 1", "0.6, 3", "1, 1", "2.5, 0.1", "300, 2"],
    "log_gamma": ["0.001", "4"], "inv_gamma": ["0.5, 2", "5, 3"], "chi_square": ["1", "9"], "exponential": ["0.3"],
    "weibull": ["0.7, 2", "3, 0.5"], "pareto": ["2, 1.5"], "beta": ["0.05, 0.1", "2, 3", "40, 0.5"], "uniform": ["-1, 3"],
}

TABLE = json.loads((support.TABLES / "distributions.json").read_text())["distributions"]
# Beyond what a draw can hold: rounding of the draw (or of 1 - draw) moves the distribution function by more than the test sees.
NOT_DRAWN = {"gamma": {(1e-8, 1.0), (0.001, 1.0)}, "beta": {(0.01, 0.02), (0.5, 0.5), (19.0, 0.1)}, "beta_proportion": {(0.9, 0.5)},
             "uniform": set(), "bernoulli": {(1e-300,), (0.0,), (1.0,)}}


def table_arguments():
    """(name, arguments as text) of every distribution of the table with a distribution function."""
    for name, table in TABLE.items():
        if "cdf" not in table["cases"][0]:
            continue
        for arguments in dict.fromkeys(tuple(c["arguments"]) for c in table["cases"]):
            if arguments not in NOT_DRAWN.get(name, set()):
                yield name, ", ".join(repr(a) for a in arguments)


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


def normal_cdf(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


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
    "ordered_logistic(0.5, [-1.0, 0.3, 2.0])": weights(*[a - b for a, b in zip([inv_logit(c - 0.5) for c in (-1, 0.3, 2)] + [1.0],
                                                                              [0.0] + [inv_logit(c - 0.5) for c in (-1, 0.3, 2)])]),
    "ordered_probit(0.5, [-1.0, 0.3])": weights(*[a - b for a, b in zip([normal_cdf(c - 0.5) for c in (-1, 0.3)] + [1.0],
                                                                      [0.0] + [normal_cdf(c - 0.5) for c in (-1, 0.3)])]),
    "truncated(poisson(0.5), lower = 1)": lambda y: poisson(0.5)(y) / -math.expm1(-0.5) if y >= 1 else 0.0,
    "truncated(binomial(40, 0.2), lower = 3, upper = 9)":
        lambda y: binomial(40, 0.2)(y) / sum(binomial(40, 0.2)(k) for k in range(3, 10)) if 3 <= y <= 9 else 0.0,
    "truncated(neg_binomial_2(3.0, 0.4), upper = 5)":
        lambda y: neg_binomial(3.0, 0.4)(y) / sum(neg_binomial(3.0, 0.4)(k) for k in range(6)) if 0 <= y <= 5 else 0.0,
    "categorical_logit([0.0, 1.0, -1.0])": weights(1, math.e, 1 / math.e),
}

DISCRETE_NAMES = {d.split("(")[0] for d in DISCRETE}
JOINT_NAMES = ["dirichlet", "multi_normal_cholesky", "multi_normal", "multi_normal_low_rank", "multi_student_t_cholesky", "multinomial", "dirichlet_multinomial", "lkj_corr_cholesky"]

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
  quantity low_rank_draw = multi_normal_low_rank([1.0, -2.0], [[1.5], [-1.0]], [2.0, 0.5]).sample();
  quantity low_rank_1 = normal(1, 2.5).cdf(low_rank_draw[1]);
  quantity low_rank_2 = normal(-2, sqrt(1.25)).cdf(low_rank_draw[2]);
  quantity low_rank_3 = normal(-2 - 1.5 / 6.25 * (low_rank_draw[1] - 1), sqrt(1.25 - square(1.5) / 6.25)).cdf(low_rank_draw[2]);
  quantity batch_draw = gamma([0.5, 3.0], 2).sample();
  quantity batch_1 = gamma(0.5, 2).cdf(batch_draw[1]);
  quantity batch_2 = gamma(3, 2).cdf(batch_draw[2]);
  quantity cut = truncated(normal(0, 1), lower = 1, upper = 2.5).sample();
  quantity cut_1 = (normal(0, 1).cdf(cut) - normal(0, 1).cdf(1)) / (normal(0, 1).cdf(2.5) - normal(0, 1).cdf(1));
  quantity t_draw = multi_student_t_cholesky(3, [1.0, -2.0], [[2.0, 0.0], [-0.6, 0.8]]).sample();
  quantity t_1 = student_t(3, 1, 2).cdf(t_draw[1]);
  quantity t_2 = student_t(3, -2, 1).cdf(t_draw[2]);
  quantity t_3 = student_t(4, -2 - 0.3 * (t_draw[1] - 1), 0.8 * sqrt((3 + square(0.5 * (t_draw[1] - 1))) / 4)).cdf(t_draw[2]);
  let counts = multinomial(30, [0.2, 0.5, 0.3]).sample();
  quantity counts_1 = binomial(30, 0.2).cdf(counts[1] - 1) + exp(binomial(30, 0.2).log_density(counts[1])) * uniform(0, 1).sample();
  quantity counts_3 = binomial(30, 0.3).cdf(counts[3] - 1) + exp(binomial(30, 0.3).log_density(counts[3])) * uniform(0, 1).sample();
  let spread = dirichlet_multinomial(30, [0.5, 2.0, 1.5]).sample();
  quantity spread_1 = beta_binomial(30, 0.5, 3.5).cdf(spread[1] - 1) + exp(beta_binomial(30, 0.5, 3.5).log_density(spread[1])) * uniform(0, 1).sample();
  quantity spread_3 = beta_binomial(30, 1.5, 2.5).cdf(spread[3] - 1) + exp(beta_binomial(30, 1.5, 2.5).log_density(spread[3])) * uniform(0, 1).sample();
  quantity half_t = truncated(student_t(3, 0, 1), lower = 0).sample();
  quantity half_t_1 = 2 * student_t(3, 0, 1).cdf(half_t) - 1;
  quantity cut_gamma = truncated(gamma(2.5, 1), lower = 1, upper = 3).sample();
  quantity cut_gamma_1 = (gamma(2.5, 1).cdf(cut_gamma) - gamma(2.5, 1).cdf(1)) / (gamma(2.5, 1).cdf(3) - gamma(2.5, 1).cdf(1));
  quantity cut_beta = truncated(beta(0.4, 2), upper = 0.1).sample();
  quantity cut_beta_1 = beta(0.4, 2).cdf(cut_beta) / beta(0.4, 2).cdf(0.1);
  quantity mixed = mixture([0.25, 0.75], [normal(-1, 0.5), normal(2, 1)]).sample();
  quantity mixed_1 = mixture([0.25, 0.75], [normal(-1, 0.5), normal(2, 1)]).cdf(mixed);
"""
JOINT_UNIFORM = ["dirichlet_1", "dirichlet_2", "dirichlet_3", "normal_1", "normal_2", "normal_3", "covariance_1", "covariance_2", "low_rank_1", "low_rank_2", "low_rank_3",
                 "batch_1", "batch_2", "cut_1", "mixed_1", "t_1", "t_2", "t_3", "counts_1", "counts_3", "spread_1", "spread_3", "half_t_1",
                 "cut_gamma_1", "cut_beta_1"]


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

    def uniform(self, values, label, number=DRAWS):
        self.assertEqual(len(values), number)
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

    def test_distributions_of_the_table(self):
        text, labels = "", {}
        for i, (name, arguments) in enumerate(table_arguments()):
            call = f"{name}({arguments})"
            if TABLE[name]["discrete"]:
                text += (f"  let y{i} = {call}.sample();\n"
                         f"  quantity t{i} = {call}.cdf(y{i} - 1) + ({call}.cdf(y{i}) - {call}.cdf(y{i} - 1)) * uniform(0, 1).sample();\n")
            else:
                text += f"  quantity t{i} = {call}.cdf({call}.sample());\n"
            labels[f"t{i}"] = call
        self.assertGreater(len(labels), 100)
        columns = self.draws("table", text, TABLE_DRAWS)
        for column, label in labels.items():
            with self.subTest(label):
                self.uniform(columns[column], label, TABLE_DRAWS)

    def test_all_are_tested(self):
        """A distribution of the library is in the table or among those drawn below."""
        tested = {name for name, _ in table_arguments()} | {name for name in DISCRETE_NAMES} | set(JOINT_NAMES)
        library = {p.stem for p in (support.SOURCE / "stdlib" / "distributions").glob("*.vmodel")}
        self.assertEqual(library - tested, set())

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

    def test_lkj(self):
        """Each correlation r of a K x K matrix: (r + 1) / 2 is beta(a, a), a = eta - 1 + K / 2 (Lewandowski, Kurowicka and Joe 2009), drawn by a family."""
        eta, size, draws = 1.5, 4, 20_000
        model = kernels.Model(support.build("lkj", f"model Lkj {{\n  param L: corr_cholesky<{size}> ~ lkj_corr_cholesky({eta});\n}}\n"
                                            "family F for Lkj { L ~ lkj_corr_cholesky(learn); }\n"), {})
        x = model.call("constrain", z=model.call("F.draw", phi=[math.log(math.expm1(eta))], points=draws)["z"])["x"]
        a = eta - 1 + size / 2
        for i in range(size):
            for j in range(i):
                r = [sum(v[i * size + k] * v[j * size + k] for k in range(size)) for v in x]
                # Moments of 1, 2 and 4: the variance is 1 / (2 a + 1), the fourth 3 / ((2 a + 1)(2 a + 3)).
                second, fourth = 1 / (2 * a + 1), 3 / ((2 * a + 1) * (2 * a + 3))
                self.assertLess(abs(sum(r) / draws), 6 * math.sqrt(second / draws))
                self.assertLess(abs(sum(v * v for v in r) / draws - second), 6 * math.sqrt((fourth - second**2) / draws))

    def test_joint(self):
        columns = self.draws("joint", JOINT)
        for name in JOINT_UNIFORM:
            with self.subTest(name):
                self.uniform(columns[name], name)


if __name__ == "__main__":
    unittest.main()
