#!/usr/bin/env python3
"""Writes vectors.json: log densities (and distribution functions) of the library's distributions with vectors as arguments or
values, computed with 60 digits from textbook formulas. Needs mpmath; the tests read the committed table only.

A case has the arguments, a value x, the log density and its `scale`: the terms' absolute values and the effect of relative
changes of the inputs, as in generate_distributions.py. Lists of lists are matrices.
"""

import json
import pathlib

import mpmath as mp

mp.mp.dps = 60
INF = mp.inf


def log(x):
    return -INF if x == 0 else mp.log(x)


def exact(value):
    """The same structure with numbers of 60 digits; ints stay."""
    if isinstance(value, list):
        return [exact(v) for v in value]
    return value if isinstance(value, int) else mp.mpf(value)


def number(x):
    x = float(x)
    return x if mp.isfinite(x) else ("nan" if x != x else "inf" if x > 0 else "-inf")


def leaves(value, path=()):
    if isinstance(value, list):
        for i, v in enumerate(value):
            yield from leaves(v, (*path, i))
    elif not isinstance(value, int):
        yield path


def moved(value, path, factor):
    if not path:
        return value * factor
    return [moved(v, path[1:], factor) if i == path[0] else v for i, v in enumerate(value)]


def sensitivity(f, inputs):
    """Sum over all real numbers among the inputs of |number * derivative|."""
    here, total = f(inputs), mp.mpf(0)
    for path in leaves(inputs):
        there = f(moved(inputs, path, 1 + mp.mpf(10) ** -20))
        if mp.isfinite(there):
            total += abs(there - here) * mp.mpf(10) ** 20
    return total


def logistic(x):
    return 1 / (1 + mp.exp(-x))


def normal_cdf(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def softmax(beta):
    e = [mp.exp(b) for b in beta]
    return [v / mp.fsum(e) for v in e]


def categorical(y, theta):
    return [log(theta[y - 1])]


def ordered(cdf):
    def probability(y, eta, c):
        below = 0 if y == 1 else cdf(c[y - 2] - eta)
        above = 1 if y == len(c) + 1 else cdf(c[y - 1] - eta)
        return above - below if above < 0.5 else cdf(eta - c[y - 2]) - (0 if y == len(c) + 1 else cdf(eta - c[y - 1])) if y > 1 else above

    return lambda y, eta, c: [mp.log(probability(y, eta, c))]


def dirichlet(x, alpha):
    return [mp.loggamma(mp.fsum(alpha)), *[-mp.loggamma(a) for a in alpha], *[0 if a == 1 else (a - 1) * log(v) for a, v in zip(alpha, x)]]


def solved(lower, rest):
    z = []
    for i, row in enumerate(lower):
        z.append((rest[i] - mp.fsum(row[j] * z[j] for j in range(i))) / row[i])
    return z


def factor(sigma):
    n = len(sigma)
    lower = [[mp.mpf(0)] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            rest = sigma[i][j] - mp.fsum(lower[i][k] * lower[j][k] for k in range(j))
            lower[i][j] = mp.sqrt(rest) if i == j else rest / lower[j][j]
    return lower


def multi_normal_cholesky(x, mu, lower):
    z = solved(lower, [a - b for a, b in zip(x, mu)])
    return [*[-v * v / 2 for v in z], *[-mp.log(lower[i][i]) for i in range(len(x))], -len(x) * mp.log(2 * mp.pi) / 2]


def multi_normal(x, mu, sigma):
    return multi_normal_cholesky(x, mu, factor(sigma))


def multi_normal_low_rank(x, mu, W, scale):
    """By the covariance itself; the terms are those of a formula with R-dimensional matrices, for the scale of rounding errors."""
    n, k = len(x), len(W[0])
    covariance = [[mp.fsum(W[i][r] * W[j][r] for r in range(k)) + (scale[i] ** 2 if i == j else 0) for j in range(n)] for i in range(n)]
    value = mp.fsum(multi_normal_cholesky(x, mu, factor(covariance)))
    u = [(a - m) / s for a, m, s in zip(x, mu, scale)]
    large = [-v * v / 2 for v in u]
    others = [-mp.log(s) for s in scale]
    return [*large, *others, value - mp.fsum(large) - mp.fsum(others)]


def multi_student_t_cholesky(x, nu, mu, lower):
    z, k = solved(lower, [a - b for a, b in zip(x, mu)]), len(x)
    return [mp.loggamma((nu + k) / 2), -mp.loggamma(nu / 2), -k * mp.log(nu * mp.pi) / 2, *[-mp.log(lower[i][i]) for i in range(k)],
            -(nu + k) / 2 * mp.log1p(mp.fsum(v * v for v in z) / nu)]


def multinomial(y, n, theta):
    return [mp.loggamma(n + 1), *[-mp.loggamma(k + 1) for k in y], *[0 if k == 0 else k * log(t) for k, t in zip(y, theta)]]


def dirichlet_multinomial(y, n, alpha):
    total = mp.fsum(alpha)
    return [mp.loggamma(n + 1), mp.loggamma(total) - mp.loggamma(n + total),
            *[mp.loggamma(k + a) - mp.loggamma(a) - mp.loggamma(k + 1) for k, a in zip(y, alpha)]]


def lkj_corr_cholesky(lower, eta):
    """The density of the correlation matrix by its vines (Lewandowski, Kurowicka and Joe 2009, equations 16 and 17), and the
    Jacobian of the matrix by its factor."""
    n = len(lower)
    terms = []
    for k in range(1, n):
        shape = eta + mp.mpf(n - 1 - k) / 2
        terms.append(-(n - k) * (2 * mp.loggamma(shape) - mp.loggamma(2 * shape) + (2 * shape - 1) * mp.log(2)))
    return [*terms, *[(2 * (eta - 1) + n - i) * mp.log(lower[i - 1][i - 1]) for i in range(2, n + 1)]]


FACTORS = [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [[2.0, 0.0, 0.0], [-0.5, 0.01, 0.0], [100.0, 3.0, 1e-3]]]
COVARIANCES = [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [[4.0, 1.0, -0.5], [1.0, 2.0, 0.25], [-0.5, 0.25, 0.5]]]
MEANS, VALUES = [[0.0, 0.0, 0.0], [-1.0, 100.0, 0.1]], [[0.0, 0.0, 0.0], [0.5, -2.0, 1.0], [1e3, 99.0, 1e-4]]

# name: terms, choices of the arguments, values, entropy's formula or None
TABLE = {
    "categorical": (categorical, [[[0.2, 0.3, 0.5]], [[0.0, 1e-300, 1.0]], [[0.999, 0.0005, 0.0005]]], [0, 1, 2, 3, 4],
                    lambda theta: -mp.fsum(t * mp.log(t) for t in theta if t > 0)),
    "categorical_logit": (lambda y, beta: categorical(y, softmax(beta)), [[[0.0, 0.0, 0.0]], [[-3.0, 1.0, 2.5]], [[800.0, -700.0, 799.0]]],
                          [0, 1, 2, 3, 4], lambda beta: -mp.fsum(t * mp.log(t) for t in softmax(beta))),
    "ordered_logistic": (ordered(logistic), [[0.3, [-1.0, 0.2]], [-5.0, [-1.0, -0.999]], [40.0, [-1.0, 2.0]], [-40.0, [-1.0, 2.0]]], [0, 1, 2, 3, 4], None),
    "ordered_probit": (ordered(normal_cdf), [[0.3, [-1.0, 0.2]], [-5.0, [-1.0, -0.999]], [12.0, [-1.0, 2.0]], [-12.0, [-1.0, 2.0]]], [0, 1, 2, 3, 4], None),
    "dirichlet": (dirichlet, [[[1.0, 1.0, 1.0]], [[0.02, 3.0, 1.0]], [[1e6, 2e6, 5.0]]],
                  [[0.25, 0.25, 0.5], [0.0, 0.5, 0.5], [1e-200, 0.75, 0.25], [0.375, 0.625, 0.0]],
                  lambda alpha: mp.fsum(mp.loggamma(a) - (a - 1) * mp.digamma(a) for a in alpha) - mp.loggamma(mp.fsum(alpha))
                  + (mp.fsum(alpha) - 3) * mp.digamma(mp.fsum(alpha))),
    "multi_normal_cholesky": (multi_normal_cholesky, [[m, f] for m in MEANS for f in FACTORS], VALUES,
                              lambda mu, lower: mp.fsum(mp.log(lower[i][i]) for i in range(3)) + 3 * mp.log(2 * mp.pi * mp.e) / 2),
    "multi_normal": (multi_normal, [[m, s] for m in MEANS for s in COVARIANCES], VALUES,
                     lambda mu, sigma: mp.fsum(mp.log(factor(sigma)[i][i]) for i in range(3)) + 3 * mp.log(2 * mp.pi * mp.e) / 2),
    "multi_normal_low_rank": (multi_normal_low_rank, [[m, W, s] for m, W, s in zip(MEANS, [[[1.0, 0.5], [-0.25, 2.0], [0.0, 0.125]], [[3.0, 0.0], [1.0, 1.0], [-2.0, 0.5]]],
                                                                                   [[1.0, 1.0, 1.0], [0.5, 2.0, 0.25]])], VALUES,
                              lambda mu, W, scale: mp.fsum(mp.log(factor([[mp.fsum(a * b for a, b in zip(W[i], W[j])) + (scale[i] ** 2 if i == j else 0) for j in range(3)]
                                                                          for i in range(3)])[i][i]) for i in range(3)) + 3 * mp.log(2 * mp.pi * mp.e) / 2),
    "multi_student_t_cholesky": (multi_student_t_cholesky, [[nu, m, f] for nu in (0.5, 4.0, 1e7) for m, f in zip(MEANS, FACTORS)], VALUES, None),
    "lkj_corr_cholesky": (lkj_corr_cholesky, [[1.0], [0.2], [2.0], [300.0]],
                          [FACTORS[0], [[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [-0.28, 0.576, 0.768]], [[1.0, 0.0, 0.0], [-0.8, 0.6, 0.0], [0.0, 0.96, 0.28]]], None),
    "multinomial": (multinomial, [[6, [0.2, 0.3, 0.5]], [6, [0.0, 0.25, 0.75]], [0, [0.2, 0.3, 0.5]]],
                    [[1, 2, 3], [0, 0, 6], [0, 0, 0], [7, -1, 0]], None),
    "dirichlet_multinomial": (dirichlet_multinomial, [[6, [0.5, 2.0, 30.0]], [6, [1e-3, 1e4, 1.0]], [0, [0.2, 0.3, 0.5]]],
                              [[1, 2, 3], [0, 0, 6], [0, 0, 0], [7, -1, 0]], None),
}


def inside(name, arguments, x):
    if name in ("multinomial", "dirichlet_multinomial"):
        return sum(x) == arguments[0] and min(x) >= 0
    return not isinstance(x, int) or 1 <= x <= 3


def cases(name):
    terms, choices, values, _ = TABLE[name]
    for arguments in choices:
        for x in values:
            if not inside(name, arguments, x):
                yield {"arguments": arguments, "x": x, "log_density": "-inf", "scale": 0}
                continue
            inputs = [exact(x), *exact(arguments)]
            parts = terms(*inputs)
            value = mp.fsum(parts)
            scale = mp.mpf(0)
            if mp.isfinite(value):
                scale = mp.fsum(abs(t) for t in parts) + sensitivity(lambda v: mp.fsum(terms(*v)), inputs)
            yield {"arguments": arguments, "x": x, "log_density": number(value), "scale": number(scale)}


def main():
    lines = ["{", '"source": ' + json.dumps("test/tables/generate_vectors.py, mpmath " + mp.__version__) + ",", '"distributions": {']
    for i, (name, (_, choices, _, entropy)) in enumerate(TABLE.items()):
        entropies = [{"arguments": a, "entropy": number(entropy(*exact(a)))} for a in choices] if entropy else []
        lines.append(json.dumps(name) + ': {"cases": [')
        lines.append(",\n".join(json.dumps(row) for row in cases(name)) + "]")
        lines.append(', "entropies": [\n' + ",\n".join(json.dumps(row) for row in entropies) + "]")
        lines.append("}" + ("," if i + 1 < len(TABLE) else ""))
    text = "\n".join([*lines, "}}"]) + "\n"
    json.loads(text)
    pathlib.Path(__file__).with_name("vectors.json").write_text(text)


if __name__ == "__main__":
    main()
