#!/usr/bin/env python3
"""Writes distributions.json: values of every scalar distribution of the library, computed with 60 digits.

Needs mpmath; the tests read the committed table only. Everything is computed from textbook formulas, independently of
the library: incomplete gamma and beta functions by their power series, entropies by integration or summation.

Each case has the distribution's arguments, a value x, and what the library's members must give there. `scale` is the sum
of the absolute values of the formula's terms and of the effects that relative changes of the inputs have: what rounding
errors are to be measured against. For counts above 1000 the terms are those of Stirling's form: sums of terms like
y log(y) would hide the digits that they lose.

Distributions of vectors are in generate_vectors.py.
"""

import concurrent.futures
import functools
import json
import pathlib

import mpmath as mp

mp.mp.dps = 60
INF = mp.inf


def lower_gamma(a, x):
    """P(a, x) and Q(a, x), each with its own relative precision."""
    if x <= 0:
        return mp.mpf(0), mp.mpf(1)
    if x == INF:
        return mp.mpf(1), mp.mpf(0)
    exponent = 0 if x <= a else int((x - a - a * mp.log(x / a)) / mp.log(10))
    if exponent > 1000:
        # Far out the continued fraction converges at once, and one minus the series would need as many digits.
        fraction = mp.mpf(0)
        for k in range(400, 0, -1):
            fraction = k * (k - a) / (x + 2 * k + 1 - a - fraction)
        q = mp.exp(a * mp.log(x) - x - mp.loggamma(a)) / (x + 1 - a - fraction)
        return 1 - q, q
    with mp.workdps(70 + exponent):
        term = total = 1 / mp.mpf(a)
        k = 0
        while term > total * mp.mpf(10) ** -(68 + exponent):
            k += 1
            term *= x / (a + k)
            total += term
        p = total * mp.exp(a * mp.log(x) - x - mp.loggamma(a))
        return p, 1 - p


def lower_beta(a, b, x, y):
    """I_x(a, b) and its complement, y = 1 - x."""
    if x <= 0:
        return mp.mpf(0), mp.mpf(1)
    if y <= 0:
        return mp.mpf(1), mp.mpf(0)
    if x > 0.5:
        upper, lower = lower_beta(b, a, y, x)
        return lower, upper
    log_front = a * mp.log(x) + b * mp.log(y) + mp.loggamma(a + b) - mp.loggamma(a + 1) - mp.loggamma(b)
    if a + b > 1e6:
        return lower_beta_large(a, b, x, y)
    # The complement has its own digits as well.
    with mp.workdps(70 + min(max(0, int(-log_front / mp.log(10))), 2000)):
        term = total = mp.mpf(1)
        n = 0
        smallest = mp.eps
        while term > total * smallest or (a + b + n) * x > (a + 1 + n):
            term *= (a + b + n) / (a + 1 + n) * x
            total += term
            n += 1
        log_front = a * mp.log(x) + b * mp.log(y) + mp.loggamma(a + b) - mp.loggamma(a + 1) - mp.loggamma(b)
        p = total * mp.exp(log_front)
        return p, 1 - p


def lower_beta_large(a, b, x, y):
    """As lower_beta, by the continued fraction 8.17.22 of the NIST handbook (Lentz's method), which needs some root of a + b terms."""
    if x * (a + b + 2) > a + 1:
        upper, lower = lower_beta_large(b, a, y, x)
        return lower, upper
    with mp.workdps(90):
        log_front = a * mp.log(x) + b * mp.log(y) + mp.loggamma(a + b) - mp.loggamma(a + 1) - mp.loggamma(b)
        d = 1 / (1 - (a + b) * x / (a + 1))
        c, f, k = mp.mpf(1), d, 0
        while True:
            k += 1
            for term in (k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k)), -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1))):
                d, c = 1 / (1 + term * d), 1 + term / c
                f *= c * d
            if abs(c * d - 1) < mp.mpf(10) ** -75:
                p = f * mp.exp(log_front)
                return p, 1 - p


def normal_tails(z):
    return mp.erfc(-z / mp.sqrt(2)) / 2, mp.erfc(z / mp.sqrt(2)) / 2


def log(x):
    return -INF if x == 0 else mp.log(x)


class Distribution:
    """Reference for one distribution. `terms(x, *arguments)`: terms of the log density; `tails`: (cdf, 1 - cdf)."""

    def __init__(self, name, arguments, values, terms, tails=None, quantile=None, support=None, discrete=False, entropy=True,
                 integers=(), direct=None, inverted=False):
        self.name, self.arguments, self.values, self.terms = name, arguments, values, terms
        self.tails, self.quantile, self.discrete = tails, quantile, discrete
        self.support = support or (lambda *a: (-INF, INF))
        self.entropy = entropy
        self.integers = integers  # positions of arguments that are ints
        self.summed = tails is not None and tails.__name__ == "sum_of_probabilities"  # errors are those of the terms
        self.inverted = inverted  # the library's quantile inverts the distribution function, and is tested against that
        self.direct = direct  # the entropy by a formula, where integration is not needed


def location_scale(f):
    """terms and tails of z and the remaining arguments, as functions of (x, ..., location, scale)."""
    return lambda x, *a: f((x - a[-2]) / a[-1], *a[:-2])


def ls_terms(f):
    return lambda x, *a: [*f((x - a[-2]) / a[-1], *a[:-2]), -mp.log(a[-1])]


Z = [-30.0, -8.5, -3.0, -1.0, -0.25, 0.0, 1e-9, 0.5, 2.0, 6.0, 25.0]
LS = [(0.0, 1.0), (-3.0, 0.01), (1e4, 250.0)]
P = [1e-300, 1e-12, 0.001, 0.25, 0.5, 0.75, 0.999, 1 - 1e-12]


def ls_values(extra=()):
    return lambda *a: [a[-2] + a[-1] * z for z in (*Z, *extra)]


def positive(*factors):
    return [-1.0, 0.0, *factors]


def student_tails(z, nu):
    w = z * z / nu
    tail = lower_beta(nu / 2, mp.mpf(1) / 2, 1 / (1 + w), w / (1 + w))[0] / 2
    return (tail, 1 - tail) if z < 0 else (1 - tail, tail)


SHAPES = [1e-8, 0.001, 0.3, 1.0, 2.5, 12.0, 19.5, 20.5, 150.0, 3e4]


def gamma_values(shape, rate):
    points = [shape * f for f in (1e-3, 0.1, 0.5, 0.9, 0.999, 1.0, 1.001, 1.2, 2.0, 5.0, 30.0)]
    return positive(*[float(p / rate) for p in points], float(1e-8 / rate), float((shape + 3 * shape**0.5 + 3) / rate))


def gamma_terms(x, a, b):
    return [a * mp.log(b), -mp.loggamma(a), mp.mpf(0) if a == 1 else (a - 1) * log(x), -b * x]


def binomial_terms(y, n, p, log_p=None, log_q=None):
    log_p = log(p) if log_p is None else log_p
    log_q = log(1 - p) if log_q is None else log_q
    if n > 1000 and 0 < y < n:
        deviation = [y * (mp.log(y / mp.mpf(n)) - log_p), (n - y) * (mp.log(1 - y / mp.mpf(n)) - log_q)]
        return [mp.log(mp.binomial(n, y)) + y * mp.log(y / mp.mpf(n)) + (n - y) * mp.log(1 - y / mp.mpf(n)), -mp.fsum(deviation)]
    return [mp.log(mp.binomial(n, y)), 0 if y == 0 else y * log_p, 0 if y == n else (n - y) * log_q]


def binomial_tails(y, n, p, q):
    if y < 0:
        return mp.mpf(0), mp.mpf(1)
    if y >= n:
        return mp.mpf(1), mp.mpf(0)
    upper, lower = lower_beta(y + 1, n - y, p, q)
    return lower, upper


def poisson_terms(y, m):
    if y > 1000:
        return [y * mp.log(y) - y - mp.loggamma(y + 1), -(y * mp.log(y / m) - y + m)]
    return [0 if y == 0 else y * log(m), -m, -mp.loggamma(y + 1)]


def poisson_tails(y, m):
    if y < 0:
        return mp.mpf(0), mp.mpf(1)
    p, q = lower_gamma(y + 1, m)
    return q, p


def neg_binomial_terms(y, m, phi):
    if y > 1000:
        n = y + phi
        share = phi / n
        deviation = phi * mp.log(share * (m + phi) / phi) + y * mp.log((1 - share) * (m + phi) / m)
        return [mp.loggamma(n) - mp.loggamma(phi) - mp.loggamma(y + 1) + phi * mp.log(share) + y * mp.log(1 - share), -deviation]
    return [mp.loggamma(y + phi) - mp.loggamma(phi) - y * mp.log(phi), -mp.loggamma(y + 1), 0 if y == 0 else y * log(m),
            -(y + phi) * mp.log1p(m / phi)]


def neg_binomial_tails(y, m, phi):
    if y < 0:
        return mp.mpf(0), mp.mpf(1)
    return lower_beta(phi, y + 1, phi / (m + phi), m / (m + phi))


def counts(mean):
    if mean > 1e6:
        return [5, int(mean - 3 * mean**0.5), int(mean), int(mean + mean**0.5)]
    return sorted({-1, 0, 1, 2, 5, int(mean / 2), int(mean), int(mean * 1.5) + 1, int(mean * 3) + 10})


@functools.lru_cache(maxsize=None)
def bessel_ratios(kappa):
    """I_j(kappa) / I_0(kappa) for j = 1, 2 ..."""
    first, result = mp.besseli(0, kappa), []
    while not result or result[-1] > mp.eps:
        result.append(mp.besseli(len(result) + 1, kappa) / first)
    return result


PI = mp.mpf("3.141592653589793115997963468544185161590576171875")  # the limit as a double


def von_mises_tails(x, mu, kappa):
    # The smallest density is exp(-2 kappa) of the largest, and the series has an absolute error.
    with mp.workdps(70 + int(kappa)):
        below = (x + PI) / (2 * mp.pi)
        for j, ratio in enumerate(bessel_ratios(kappa), 1):
            below += ratio * (mp.sin(j * (x - mu)) - mp.sin(j * (-PI - mu))) / (j * mp.pi)
        # The limit as a double lies a little before the whole turn.
        return (below, 1 - below) if x < PI else (mp.mpf(1), mp.mpf(0))


@functools.lru_cache(maxsize=None)
def skew_normal_short_tail(h, a):
    """The integral of 2 phi(t) Phi(-a t) from h >= 0 to infinity, a >= 0; beyond a fall by exp(-160) nothing counts."""
    exponent = lambda t: t * t / 2 - mp.log(mp.erfc(a * t / mp.sqrt(2)))
    reach = mp.mpf(1)
    while exponent(h + reach) - exponent(h) > 160:
        reach /= 2
    while exponent(h + reach) - exponent(h) < 160:
        reach *= mp.mpf(1.25)
    return mp.quad(lambda t: mp.exp(exponent(h) - exponent(t)), mp.linspace(h, h + reach, 17)) * mp.exp(-exponent(h)) / mp.sqrt(2 * mp.pi)


def skew_normal_tails(x, m, s, alpha):
    h = abs(x - m) / s
    short = skew_normal_short_tail(h, abs(alpha))
    long = 2 * normal_tails(-h)[0] - short
    # (below, above) for the side that h is on.
    if x < m:
        below = short if alpha >= 0 else long
        return below, 1 - below
    above = long if alpha >= 0 else short
    return 1 - above, above


def beta_binomial_terms(y, n, a, b):
    return [mp.log(mp.binomial(n, y)), mp.loggamma(y + a) + mp.loggamma(n - y + b) - mp.loggamma(n + a + b),
            mp.loggamma(a + b) - mp.loggamma(a) - mp.loggamma(b)]


def hypergeometric_terms(y, n, a, b):
    return [mp.log(mp.binomial(a, y)), mp.log(mp.binomial(b, n - y)), -mp.log(mp.binomial(a + b, n))]


def summed_tails(terms, lower, upper):
    """Tails by adding probabilities."""

    def sum_of_probabilities(y, *arguments):
        values = [mp.exp(mp.fsum(terms(mp.mpf(k), *arguments))) for k in range(int(lower(*arguments)), int(upper(*arguments)) + 1)]
        number = int(y) - int(lower(*arguments)) + 1
        return mp.fsum(values[:number]), mp.fsum(values[number:])

    return sum_of_probabilities


def logistic(eta):
    return 1 / (1 + mp.exp(-eta))


def beta_terms(x, a, b):
    return [0 if a == 1 else (a - 1) * log(x), 0 if b == 1 else (b - 1) * log(1 - x), mp.loggamma(a + b) - mp.loggamma(a) - mp.loggamma(b)]


def beta_entropy(a, b):
    return (mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b) - (a - 1) * mp.digamma(a) - (b - 1) * mp.digamma(b)
            + (a + b - 2) * mp.digamma(a + b))


def inv_gamma_values(a, b):
    return positive(*[b / a * f for f in (0.05, 0.4, 0.9, 1.0, 1.3, 3.0, 50.0, 1e6)])


def inv_gamma_terms(x, a, b):
    return [a * mp.log(b), -mp.loggamma(a), -(a + 1) * mp.log(x), -b / x] if x > 0 else [-INF]


def inv_gamma_tails(x, a, b):
    return lower_gamma(a, b / x)[::-1] if x > 0 else (mp.mpf(0), mp.mpf(1))


def inv_gamma_entropy(a, b):
    return a + mp.log(b) + mp.loggamma(a) - (1 + a) * mp.digamma(a)


DISTRIBUTIONS = [
    Distribution("normal", LS, ls_values([1e150]), ls_terms(lambda z: [-z * z / 2, -mp.log(2 * mp.pi) / 2]),
                 location_scale(normal_tails), lambda p, m, s: m + s * mp.sqrt(2) * mp.erfinv(2 * p - 1)),
    Distribution("cauchy", LS, ls_values([1e10, -1e10, 1e140]), ls_terms(lambda z: [-mp.log1p(z * z), -mp.log(mp.pi)]),
                 location_scale(lambda z: (mp.atan2(1, -z) / mp.pi, mp.atan2(1, z) / mp.pi)),
                 lambda p, m, s: m - s / mp.tan(mp.pi * p)),
    Distribution("student_t", [(0.1, 0.0, 1.0), (1.0, 2.0, 0.5), (3.0, 0.0, 2.5), (7.0, -1.0, 1.0), (39.0, 0.0, 1.0),
                               (41.0, 0.0, 1.0), (300.0, 0.0, 1.0), (1e8, 0.0, 1.0)],
                 ls_values([1e8]), ls_terms(lambda z, nu: [mp.loggamma((nu + 1) / 2) - mp.loggamma(nu / 2), -mp.log(nu * mp.pi) / 2,
                                                          -(nu + 1) / 2 * mp.log1p(z * z / nu)]),
                 location_scale(student_tails), inverted=True),
    Distribution("laplace", LS, ls_values([600.0]), ls_terms(lambda z: [-abs(z), -mp.log(2)]),
                 location_scale(lambda z: (mp.exp(z) / 2, 1 - mp.exp(z) / 2) if z < 0 else (1 - mp.exp(-z) / 2, mp.exp(-z) / 2)),
                 lambda p, m, s: m + s * (mp.log(2 * p) if p < 0.5 else -mp.log(2 * (1 - p)))),
    Distribution("logistic", LS, ls_values([600.0, -800.0]), ls_terms(lambda z: [-z, -2 * mp.log1p(mp.exp(-z))]),
                 location_scale(lambda z: (1 / (1 + mp.exp(-z)), 1 / (1 + mp.exp(z)))), lambda p, m, s: m + s * mp.log(p / (1 - p))),
    Distribution("gumbel", LS, lambda *a: [a[-2] + a[-1] * z for z in (-5.0, -2.0, -0.5, 0.0, 0.7, 3.0, 40.0, 700.0)],
                 ls_terms(lambda z: [-z, -mp.exp(-z)]),
                 location_scale(lambda z: (mp.exp(-mp.exp(-z)), -mp.expm1(-mp.exp(-z)))), lambda p, m, s: m - s * mp.log(-mp.log(p))),
    Distribution("lognormal", [(0.0, 1.0), (2.0, 0.1), (-1.0, 3.0)],
                 lambda m, s: positive(1e-300, *[float(mp.exp(m + s * z)) for z in (-30, -8, -2, -0.1, 0, 1, 4, 12, 30)]),
                 lambda x, m, s: [-((mp.log(x) - m) / s) ** 2 / 2, -mp.log(x), -mp.log(s), -mp.log(2 * mp.pi) / 2] if x > 0 else [-INF],
                 lambda x, m, s: normal_tails((mp.log(x) - m) / s) if x > 0 else (mp.mpf(0), mp.mpf(1)),
                 lambda p, m, s: mp.exp(m + s * mp.sqrt(2) * mp.erfinv(2 * p - 1)), lambda *a: (0, INF)),
    Distribution("gamma", [(a, r) for a in SHAPES for r in ((1.0, 250.0) if a == 2.5 else (1.0,))], gamma_values, gamma_terms,
                 lambda x, a, b: lower_gamma(a, b * x), None, lambda *a: (0, INF), inverted=True),
    Distribution("inv_gamma", [(0.3, 2.0), (1.0, 1.0), (3.0, 0.5), (60.0, 100.0)],
                 lambda a, b: positive(*[b / a * f for f in (0.05, 0.4, 0.9, 1.0, 1.3, 3.0, 50.0, 1e6)]),
                 lambda x, a, b: [a * mp.log(b), -mp.loggamma(a), -(a + 1) * mp.log(x), -b / x] if x > 0 else [-INF],
                 lambda x, a, b: lower_gamma(a, b / x)[::-1] if x > 0 else (mp.mpf(0), mp.mpf(1)),
                 None, lambda *a: (0, INF), inverted=True),
    Distribution("chi_square", [(1.0,), (2.0,), (7.0,), (300.0,)], lambda nu: gamma_values(nu / 2, 0.5),
                 lambda x, nu: gamma_terms(x, nu / 2, mp.mpf(1) / 2), lambda x, nu: lower_gamma(nu / 2, x / 2),
                 None, lambda *a: (0, INF), inverted=True),
    Distribution("log_gamma", [(0.001,), (0.7,), (5.0,), (400.0,)],
                 lambda a: [float(mp.log(a)) + z * min(a, 1.0) ** -1 for z in (-8.0, -1.0, -0.2, 0.0, 0.2)] + [float(mp.log(a)) + 1.0],
                 lambda x, a: [a * x, -mp.exp(x), -mp.loggamma(a)], lambda x, a: lower_gamma(a, mp.exp(x)), inverted=True),
    Distribution("exponential", [(1.0,), (1e-3,), (40.0,)], lambda r: positive(*[z / r for z in (1e-12, 0.1, 1.0, 5.0, 700.0)]),
                 lambda x, r: [mp.log(r), -r * x], lambda x, r: (-mp.expm1(-r * x), mp.exp(-r * x)),
                 lambda p, r: -mp.log1p(-p) / r, lambda *a: (0, INF)),
    Distribution("weibull", [(0.5, 2.0), (1.0, 3.0), (4.0, 0.1), (30.0, 100.0)],
                 lambda k, s: positive(*[s * z for z in (1e-5, 0.2, 0.8, 1.0, 1.1, 1.5)]),
                 lambda x, k, s: [mp.log(k), -mp.log(s), 0 if k == 1 else (k - 1) * (log(x) - mp.log(s)), -(x / s) ** k],
                 lambda x, k, s: (-mp.expm1(-((x / s) ** k)), mp.exp(-((x / s) ** k))),
                 lambda p, k, s: s * (-mp.log1p(-p)) ** (1 / k), lambda *a: (0, INF)),
    Distribution("pareto", [(1.0, 2.0), (0.01, 0.5), (300.0, 20.0)], lambda m, a: [m * z for z in (0.5, 1.0, 1.0 + 1e-9, 1.5, 10.0, 1e6)],
                 lambda x, m, a: [mp.log(a), a * mp.log(m), -(a + 1) * mp.log(x)],
                 lambda x, m, a: (-mp.expm1(a * mp.log(m / x)), (m / x) ** a), lambda p, m, a: m * mp.exp(-mp.log1p(-p) / a),
                 lambda m, a: (m, INF)),
    Distribution("beta", [(0.01, 0.02), (0.5, 0.5), (1.0, 1.0), (1.0, 3.0), (2.0, 5.0), (19.0, 0.1), (15.0, 400.0), (25.0, 30.0),
                          (2000.0, 50.0), (4e4, 6e4)],
                 lambda a, b: [-0.5, 0.0, 1e-12, 0.01, 0.2, 0.5, 0.85, 0.999, 1.0, 1.5]
                 + [min(max(a / (a + b) + z * (a * b / (a + b) ** 2 / (a + b + 1)) ** 0.5, 1e-3), 0.9999) for z in (-6, -1, 0, 0.3, 2, 5)],
                 lambda x, a, b: [0 if a == 1 else (a - 1) * log(x), 0 if b == 1 else (b - 1) * log(1 - x),
                                  mp.loggamma(a + b) - mp.loggamma(a) - mp.loggamma(b)],
                 lambda x, a, b: lower_beta(a, b, x, 1 - x), None, lambda *a: (0, 1), inverted=True),
    Distribution("uniform", [(0.0, 1.0), (-3.0, 5.0)], lambda a, b: [a - 1, a, a + 0.1 * (b - a), (a + b) / 2, b - 1e-9, b, b + 1],
                 lambda x, a, b: [-mp.log(b - a)], lambda x, a, b: ((x - a) / (b - a), (b - x) / (b - a)),
                 lambda p, a, b: a + (b - a) * p, lambda a, b: (a, b)),
    Distribution("bernoulli", [(0.0,), (0.2,), (1.0,), (1e-300,)], lambda p: [-1, 0, 1, 2],
                 lambda y, p: [log(p) if y == 1 else mp.log1p(-p) if p < 1 else -INF],
                 lambda y, p: (1 - p, p) if y == 0 else (mp.mpf(1), mp.mpf(0)), None, lambda *a: (0, 1), True),
    Distribution("bernoulli_logit", [(0.0,), (-40.0,), (3.0,), (800.0,)], lambda e: [-1, 0, 1, 2],
                 lambda y, e: [-mp.log1p(mp.exp(-e if y == 1 else e))],
                 lambda y, e: (logistic(-e), logistic(e)) if y == 0 else (mp.mpf(1), mp.mpf(0)), None, lambda *a: (0, 1), True),
    Distribution("binomial", [(5, 0.0), (5, 1.0), (10, 0.3), (60, 0.5), (3000, 0.004), (100000, 0.6), (0, 0.5), (5000000, 0.3), (100000000, 2e-7)],
                 lambda n, p: [1, int(n * p), int(n * p + (n * p) ** 0.5)] if n > 1e6 else
                 sorted({-1, 0, 1, n, n + 1, n // 2, int(n * p), int(n * p * 0.9), min(n, int(n * p * 1.1) + 1)}),
                 binomial_terms, lambda y, n, p: binomial_tails(y, n, p, 1 - p),
                 None, lambda n, p: (0, n), True, entropy=False, integers=(0,), inverted=True),
    Distribution("binomial_logit", [(5, -30.0), (10, 0.5), (500, 2.0), (7, 90.0), (3000000, -1.5)],
                 lambda n, e: [1, int(n * logistic(mp.mpf(e)))] if n > 1e6 else sorted({-1, 0, 1, n, n + 1, n // 2, int(n * logistic(mp.mpf(e)))}),
                 lambda y, n, e: binomial_terms(y, n, None, -mp.log1p(mp.exp(-e)), -mp.log1p(mp.exp(e))),
                 lambda y, n, e: binomial_tails(y, n, logistic(e), logistic(-e)),
                 None, lambda n, e: (0, n), True, entropy=False, integers=(0,), inverted=True),
    Distribution("poisson", [(0.0,), (0.3,), (4.0,), (25.0,), (1000.0,), (2e5,), (3e6,)], counts, poisson_terms,
                 poisson_tails, None,
                 lambda *a: (0, INF), True, entropy=False, inverted=True),
    Distribution("poisson_log", [(-50.0,), (0.5,), (6.0,), (15.0,)], lambda e: counts(float(mp.exp(e))),
                 lambda y, e: [y * e, -mp.exp(e), -mp.loggamma(y + 1)], lambda y, e: poisson_tails(y, mp.exp(e)),
                 None,
                 lambda *a: (0, INF), True, entropy=False, inverted=True),
    Distribution("neg_binomial_2", [(0.0, 1.0), (3.0, 0.05), (4.0, 2.0), (100.0, 9.9), (100.0, 10.1), (30.0, 500.0), (10.0, 1e9),
                                    (3e6, 0.5), (2e6, 1e7), (5e6, 1e13)],
                 lambda m, phi: counts(m), neg_binomial_terms, neg_binomial_tails, None, lambda *a: (0, INF), True, entropy=False, inverted=True),
    Distribution("neg_binomial_2_log", [(-20.0, 1.0), (1.0, 0.05), (4.0, 20.0), (2.0, 1e9), (15.0, 3.0)], lambda e, phi: counts(float(mp.exp(e))),
                 lambda y, e, phi: neg_binomial_terms(y, mp.exp(e), phi), lambda y, e, phi: neg_binomial_tails(y, mp.exp(e), phi),
                 None, lambda *a: (0, INF), True, entropy=False, inverted=True),
    Distribution("std_normal", [()], lambda: Z, lambda z: [-z * z / 2, -mp.log(2 * mp.pi) / 2], normal_tails,
                 lambda p: mp.sqrt(2) * mp.erfinv(2 * p - 1), direct=lambda: mp.log(2 * mp.pi * mp.e) / 2),
    Distribution("skew_normal", [(0.0, 1.0, 0.0), (1.0, 2.0, 0.7), (-3.0, 0.1, -4.0), (0.0, 1.0, 40.0)],
                 lambda m, s, a: [m + s * z for z in (-12.0, -3.0, -1.0, -0.1, 0.0, 0.4, 2.0, 5.0, 20.0)],
                 lambda x, m, s, a: [mp.log(2), mp.log(normal_tails(a * (x - m) / s)[0]), -(((x - m) / s) ** 2) / 2, -mp.log(2 * mp.pi) / 2, -mp.log(s)],
                 skew_normal_tails, entropy=False, inverted=True),
    Distribution("inv_chi_square", [(0.6,), (3.0,), (120.0,)], lambda nu: inv_gamma_values(nu / 2, 0.5),
                 lambda x, nu: inv_gamma_terms(x, nu / 2, mp.mpf(1) / 2), lambda x, nu: inv_gamma_tails(x, nu / 2, mp.mpf(1) / 2),
                 None, lambda *a: (0, INF), inverted=True,
                 direct=lambda nu: inv_gamma_entropy(nu / 2, mp.mpf(1) / 2)),
    Distribution("scaled_inv_chi_square", [(1.0, 2.0), (9.0, 0.1)], lambda nu, s: inv_gamma_values(nu / 2, nu * s * s / 2),
                 lambda x, nu, s: inv_gamma_terms(x, nu / 2, nu * s * s / 2), lambda x, nu, s: inv_gamma_tails(x, nu / 2, nu * s * s / 2),
                 None, lambda *a: (0, INF), inverted=True,
                 direct=lambda nu, s: inv_gamma_entropy(nu / 2, nu * s * s / 2)),
    Distribution("rayleigh", [(1.0,), (1e-3,), (70.0,)], lambda s: positive(*[s * z for z in (1e-6, 0.1, 1.0, 2.0, 5.0, 20.0)]),
                 lambda x, s: [log(x), -2 * mp.log(s), -((x / s) ** 2) / 2], lambda x, s: (-mp.expm1(-((x / s) ** 2) / 2), mp.exp(-((x / s) ** 2) / 2)),
                 lambda p, s: s * mp.sqrt(-2 * mp.log1p(-p)), lambda *a: (0, INF),
                 direct=lambda s: 1 + mp.log(s) - mp.log(2) / 2 + mp.euler / 2),
    Distribution("frechet", [(0.5, 2.0), (1.0, 1.0), (4.0, 0.1), (30.0, 100.0)],
                 lambda k, s: positive(*[s * z for z in (0.3, 0.8, 1.0, 1.1, 3.0, 100.0)]),
                 lambda x, k, s: [mp.log(k), -mp.log(s), -(k + 1) * (mp.log(x) - mp.log(s)), -((x / s) ** -k)] if x > 0 else [-INF],
                 lambda x, k, s: (mp.exp(-((x / s) ** -k)), -mp.expm1(-((x / s) ** -k))) if x > 0 else (mp.mpf(0), mp.mpf(1)),
                 lambda p, k, s: s * (-mp.log(p)) ** (-1 / k), lambda *a: (0, INF),
                 direct=lambda k, s: 1 + mp.euler * (1 + 1 / k) + mp.log(s / k)),
    Distribution("lomax", [(1.0, 2.0), (0.01, 0.5), (300.0, 20.0)], lambda m, a: positive(*[m * z for z in (1e-9, 0.5, 1.0, 10.0, 1e6)]),
                 lambda x, m, a: [mp.log(a), -mp.log(m), -(a + 1) * mp.log1p(x / m)],
                 lambda x, m, a: (-mp.expm1(-a * mp.log1p(x / m)), (1 + x / m) ** -a), lambda p, m, a: m * mp.expm1(-mp.log1p(-p) / a),
                 lambda *a: (0, INF), direct=lambda m, a: 1 + 1 / a + mp.log(m / a)),
    Distribution("beta_proportion", [(0.3, 4.0), (0.9, 0.5), (0.01, 3000.0)], lambda m, k: [-0.5, 0.0, 1e-6, 0.008, 0.02, 0.3, 0.7, 0.95, 1.0, 1.5],
                 lambda x, m, k: beta_terms(x, m * k, (1 - m) * k), lambda x, m, k: lower_beta(m * k, (1 - m) * k, x, 1 - x),
                 None, lambda *a: (0, 1), inverted=True, direct=lambda m, k: beta_entropy(m * k, (1 - m) * k)),
    Distribution("von_mises", [(0.0, 0.0), (1.0, 0.5), (-2.5, 4.0), (0.3, 19.9), (0.3, 20.1), (4.0, 300.0)],
                 lambda m, k: [-3.2, -3.141592653589793, -3.0, -2.0, -0.5, 0.3, 0.31, 1.0, 2.9, 3.141592653589793, 4.0],
                 lambda x, m, k: [k * (mp.cos(x - m) - 1), -mp.log(mp.besseli(0, k) * mp.exp(-k)), -mp.log(2 * mp.pi)],
                 von_mises_tails, None, lambda *a: (-PI, PI), inverted=True,
                 direct=lambda m, k: mp.log(2 * mp.pi * mp.besseli(0, k)) - k * mp.besseli(1, k) / mp.besseli(0, k)),
    Distribution("geometric", [(0.3,), (1e-6,), (0.99,)], lambda p: counts(float((1 - p) / p)), lambda y, p: [mp.log(p), y * mp.log1p(-p)],
                 lambda y, p: (-mp.expm1((y + 1) * mp.log1p(-p)), mp.exp((y + 1) * mp.log1p(-p))),
                 None, lambda *a: (0, INF), True, inverted=True,
                 direct=lambda p: -((1 - p) * mp.log1p(-p) + p * mp.log(p)) / p),
    Distribution("neg_binomial", [(2.0, 0.5), (0.3, 0.1), (50.0, 3.0)], lambda a, b: counts(float(a / b)),
                 lambda y, a, b: neg_binomial_terms(y, a / b, a), lambda y, a, b: neg_binomial_tails(y, a / b, a),
                 None, lambda *a: (0, INF), True, entropy=False, inverted=True),
    Distribution("beta_binomial", [(8, 0.3, 2.0), (40, 5.0, 1.5), (120, 60.0, 1e4)], lambda n, a, b: sorted({-1, 0, 1, n // 3, n // 2, n - 1, n, n + 1}),
                 beta_binomial_terms, summed_tails(beta_binomial_terms, lambda *a: 0, lambda n, a, b: n), None, lambda n, a, b: (0, n), True,
                 entropy=False, integers=(0,), inverted=True),
    Distribution("hypergeometric", [(5, 4, 10), (12, 10, 6), (100, 5000, 800)],
                 lambda n, a, b: sorted({-1, max(0, n - b), max(0, n - b) + 1, n * a // (a + b), min(n, a), min(n, a) + 1}),
                 hypergeometric_terms, summed_tails(hypergeometric_terms, lambda n, a, b: max(0, n - b), lambda n, a, b: min(n, a)), None,
                 lambda n, a, b: (max(0, n - b), min(n, a)), True, entropy=False, integers=(0, 1, 2), inverted=True),
    Distribution("discrete_range", [(-3, 4), (10, 10)], lambda a, b: sorted({a - 1, a, a + 1, b, b + 1}), lambda y, a, b: [-mp.log(b - a + 1)],
                 lambda y, a, b: ((y - a + 1) / (b - a + 1), (b - y) / (b - a + 1)), None, lambda a, b: (a, b), True, integers=(0, 1)),
]


def number(x):
    x = float(x)
    return x if mp.isfinite(x) else ("nan" if x != x else "inf" if x > 0 else "-inf")


def sensitivity(f, inputs):
    """Sum over inputs of |input * derivative|, by differences of one part in 1e20."""
    here = f(*inputs)
    if not mp.isfinite(here):
        return mp.mpf(0)
    total = mp.mpf(0)
    for i, value in enumerate(inputs):
        if value == 0 or isinstance(value, int):
            continue
        step = value * mp.mpf(10) ** -20
        moved = list(inputs)
        moved[i] = value + step
        try:
            there = f(*moved)
        except (ValueError, ZeroDivisionError):
            continue
        if mp.isfinite(there) and not isinstance(there, mp.mpc):
            total += abs(there - here) * mp.mpf(10) ** 20
    return total


def cases(d):
    for arguments in d.arguments:
        exact = [mp.mpf(a) for a in arguments]
        lower, upper = d.support(*arguments)
        for x in d.values(*arguments):
            x = int(x) if d.discrete else float(x)
            case = {"arguments": list(arguments), "x": x}
            inside = lower <= x <= upper
            value = mp.mpf(x)
            exact = [a if i in d.integers else mp.mpf(a) for i, a in enumerate(arguments)]
            if inside:
                terms = d.terms(value, *exact)
                density = mp.fsum(terms)
                continuous = [] if d.discrete else [value]
                scale = mp.fsum(abs(t) for t in terms if mp.isfinite(t))
                skip = len(continuous)
                scale += sensitivity(lambda *v: mp.fsum(d.terms(v[0] if skip else value, *v[skip:])), continuous + exact)
            else:
                density, scale = -INF, mp.mpf(0)
            case["log_density"], case["scale"] = number(density), number(scale)
            if d.tails:
                below, above = d.tails(value, *exact) if inside else ((mp.mpf(0), mp.mpf(1)) if x < lower else (mp.mpf(1), mp.mpf(0)))

                def log_tail(side, *v):
                    return log(d.tails(v[0] if not d.discrete else value, *(v if d.discrete else v[1:]))[side])

                inputs = ([] if d.discrete else [value]) + exact
                case["cdf"], case["log_cdf"], case["log_ccdf"] = number(below), number(log(below)), number(log(above))
                case["tail_scale"] = [number(sensitivity(lambda *v: log_tail(s, *v), inputs) if inside and (below, above)[s] > 0 else 0)
                                      for s in (0, 1)]
                if d.summed:
                    case["tail_scale"] = [case["scale"]] * 2
            yield case


def quantiles(d):
    if not d.quantile:
        return
    for arguments in d.arguments:
        exact = [a if i in d.integers else mp.mpf(a) for i, a in enumerate(arguments)]
        for p in P:
            with mp.workdps(360 if p < 1e-50 else 60):
                x = d.quantile(mp.mpf(p), *exact)
                yield {"arguments": list(arguments), "p": p, "x": number(x),
                       "scale": 0 if d.discrete else
                       number(abs(x) + (abs(exact[0]) if exact else 0) + sensitivity(lambda q, *a: d.quantile(q, *a), [mp.mpf(p), *exact]))}


def entropies(d):
    """By integration with 20 digits over a wide part of the support, or by summation."""
    if not d.entropy:
        return
    with mp.workdps(25):
        for arguments in d.arguments:
            exact = [mp.mpf(a) for a in arguments]
            if d.direct:
                yield {"arguments": list(arguments), "entropy": number(d.direct(*exact))}
                continue
            lower, upper = d.support(*exact)

            def part(x):
                log_p = mp.fsum(d.terms(x, *exact))
                return mp.mpf(0) if not mp.isfinite(log_p) else -mp.exp(log_p) * log_p

            if d.discrete:
                value = mp.fsum(part(mp.mpf(y)) for y in range(int(lower), int(upper) + 1)) if upper <= 1000 else None
            else:
                value = integral(part, d, exact, lower, upper)
            if value is not None:
                yield {"arguments": list(arguments), "entropy": number(value)}


def integral(f, d, exact, lower, upper):
    """Over a logarithmic or linear grid around the bulk; None where the shape is too extreme for that to be exact."""
    if d.name in ("cauchy", "student_t") and (d.name == "cauchy" or exact[0] < 3):
        # Heavy tails: x = location + scale * sinh(u).
        m, s = exact[-2], exact[-1]
        g = lambda u: f(m + s * mp.sinh(u)) * s * mp.cosh(u)
        limit = 60 if d.name == "cauchy" or exact[0] >= 1 else 600
        return mp.quad(g, mp.linspace(-limit, limit, 41))
    if lower == -INF:
        if d.name == "log_gamma":
            if exact[0] < 0.1:
                return None
            m, s = mp.log(exact[0]), 1 / min(exact[0], mp.sqrt(exact[0]))
            return mp.quad(f, mp.linspace(m - 70 * s, m + 5 * mp.mpf(2) + 0, 60)) if exact[0] < 100 else mp.quad(f, mp.linspace(m - 1, m + 1, 60))
        m, s = exact[-2], exact[-1]
        if d.name == "gumbel":
            return mp.quad(f, mp.linspace(m - 6 * s, m + 70 * s, 60))
        if d.name == "student_t" and exact[0] < 100:
            g = lambda u: f(m + s * mp.sinh(u)) * s * mp.cosh(u)
            return mp.quad(g, mp.linspace(-30, 30, 41))
        return mp.quad(f, mp.linspace(m - 80 * s, m + 80 * s, 81))
    if d.name == "uniform":
        return f((lower + upper) / 2) * (upper - lower)
    if d.name == "beta":
        if min(exact) < 0.5 or max(exact) > 100:
            return None
        g = lambda u: f(1 / (1 + mp.exp(-u))) * mp.exp(-abs(u)) / (1 + mp.exp(-abs(u))) ** 2
        span = 60 / min(1, *exact)
        return mp.quad(g, mp.linspace(-span, span, 61))
    if d.name == "pareto":
        return mp.quad(lambda u: f(lower * mp.exp(u)) * lower * mp.exp(u), mp.linspace(0, 80 / exact[1], 41))
    # Positive: in log(x).
    g = lambda u: f(mp.exp(u)) * mp.exp(u)
    if d.name == "lognormal":
        return mp.quad(g, mp.linspace(exact[0] - 14 * exact[1], exact[0] + 14 * exact[1], 41))
    shape = {"gamma": lambda: exact[0], "inv_gamma": lambda: exact[0], "chi_square": lambda: exact[0] / 2, "exponential": lambda: 1,
             "weibull": lambda: exact[0]}[d.name]()
    if shape < 0.1 or shape > 1000:
        return None
    centre = {"gamma": lambda: mp.log(exact[0] / exact[1]), "inv_gamma": lambda: mp.log(exact[1] / exact[0]),
              "chi_square": lambda: mp.log(exact[0]), "exponential": lambda: -mp.log(exact[0]), "weibull": lambda: mp.log(exact[1])}[d.name]()
    span = max(80 / shape, 8) if d.name != "weibull" else 80 / shape
    return mp.quad(g, mp.linspace(centre - span, centre + span, 121))


def rows(number_of_distribution):
    d = DISTRIBUTIONS[number_of_distribution]
    return {"discrete": d.discrete, "integers": list(d.integers), "inverted": d.inverted, "cases": list(cases(d)),
            "quantiles": list(quantiles(d)), "entropies": list(entropies(d))}


def main():
    table = {"source": "test/tables/generate_distributions.py, mpmath " + mp.__version__, "distributions": {}}
    with concurrent.futures.ProcessPoolExecutor() as pool:
        for d, parts in zip(DISTRIBUTIONS, pool.map(rows, range(len(DISTRIBUTIONS)))):
            print(d.name, flush=True)
            table["distributions"][d.name] = parts
    lines = ["{", '"source": ' + json.dumps(table["source"]) + ",", '"distributions": {']
    for i, (name, parts) in enumerate(table["distributions"].items()):
        head = {key: parts[key] for key in ("discrete", "integers", "inverted")}
        lines.append(json.dumps(name) + ": " + json.dumps(head)[:-1])
        for part in ("cases", "quantiles", "entropies"):
            lines.append(f', "{part}": [')
            lines.append(",\n".join(json.dumps(row) for row in parts[part]) + "]")
        lines.append("}" + ("," if i + 1 < len(table["distributions"]) else ""))
    lines.append("}}")
    text = "\n".join(line for line in lines) + "\n"
    json.loads(text)
    pathlib.Path(__file__).with_name("distributions.json").write_text(text)


if __name__ == "__main__":
    main()
