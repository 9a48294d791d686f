#!/usr/bin/env python3
"""Computes the coefficients of expand_normal.inc, expand_gamma.inc and expand_logit.inc (needs mpmath): `expand_coefficients.py normal|gamma|logit`.

Interpolation at Chebyshev points, which is within a small factor of the best polynomial, in 60 digits.
"""
import sys

import mpmath as mp

mp.mp.dps = 80


def fit(function, low, high, degree, centre=None):
    """Coefficients of (x - centre)^k for interpolation of `function` on [low, high]; the largest error seen."""
    centre = (low + high) / 2 if centre is None else centre
    n = degree + 1
    points = [(low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * n)) for i in range(n)]
    matrix = mp.matrix(n, n)
    right = mp.matrix(n, 1)
    for i, x in enumerate(points):
        for k in range(n):
            matrix[i, k] = (x - centre) ** k
        right[i] = function(x)
    c = list(mp.lu_solve(matrix, right))
    grid = [low + (high - low) * i / mp.mpf(500) for i in range(501)]
    error = max(abs(mp.polyval(c[::-1], x - centre) / function(x) - 1) for x in grid)
    return c, error


def show(name, comment, c, error):
    print(f"// {comment}; relative error {mp.nstr(error, 2)}")
    print(f"constexpr double {name}[] = {{")
    for value in c:
        print(f"    {float(value)!r},")
    print("};")


def normal():
    k = mp.mpf("5.3")
    print(f"constexpr double tail_centre = {float(k)!r};")
    k = mp.mpf(float(k))

    def scaled(t):
        if t >= 1:
            return mp.sqrt(2) / mp.sqrt(2 * mp.pi)
        a = k * (1 + t) / (1 - t)
        if a > 200:
            # Asymptotic series of Mills' ratio.
            total, term = mp.mpf(0), mp.mpf(1)
            for i in range(40):
                total += term
                term *= -(2 * i + 1) / a**2
            return (1 + mp.sqrt(2) * a) * total / (a * mp.sqrt(2 * mp.pi))
        return (1 + mp.sqrt(2) * a) * mp.exp(a * a / 2) * mp.erfc(a / mp.sqrt(2)) / 2

    c, e = fit(scaled, mp.mpf(-1), mp.mpf(1), 23, mp.mpf(0))
    show("normal_tail", "(1 + sqrt(2) a) exp(a^2/2) P(X > a) in t = (a - K) / (a + K)", c, e)


def gamma():
    c, e = fit(lambda x: mp.loggamma(x) / (x - 2) if x != 2 else mp.digamma(2), mp.mpf("1.5"), mp.mpf("2.5"), 20, mp.mpf(2))
    show("lgamma_near_two", "lgamma(2 + f) / f, |f| <= 1/2", c, e)
    root = mp.findroot(mp.digamma, mp.mpf("1.4616321449683623"))
    high = mp.mpf(float(root))
    print(f"constexpr double digamma_root = {float(high)!r};")
    print(f"constexpr double digamma_root_rest = {float(root - high)!r};")
    c, e = fit(lambda x: mp.digamma(x) / (x - root), mp.mpf(1), mp.mpf(2), 23, mp.mpf("1.5"))
    show("digamma_near_root", "digamma(1.5 + f) / (1.5 + f - root), |f| <= 1/2", c, e)


def logit():
    def rest(t):
        s = mp.sqrt(t)
        return (mp.atanh(s) / s - 1) / t

    c, e = fit(rest, mp.mpf(1) / 10**12, mp.mpf(1) / 9, 9, mp.mpf(0))
    show("atanh_rest", "(atanh(s) / s - 1) / s^2 in s^2, s in [0, 1/3]", c, e)


{"normal": normal, "gamma": gamma, "logit": logit}[sys.argv[1]]()
