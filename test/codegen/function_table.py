#!/usr/bin/env python3
"""Writes the reference values of elementary and special functions that math_test.cpp reads (needs mpmath).

`function_table.py [FUNCTION...] > Inputs/function_table.txt`; it takes some minutes. A line: function, argument, value rounded to double (all hexadecimal).
"""
import random
import sys

import mpmath as mp

mp.mp.dps = 60
random.seed(20240229)
inf = float("inf")
nan = float("nan")


def cdf(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def quantile(p):
    if p == 0 or p == 1:
        return -mp.inf if p == 0 else mp.inf
    guess = mp.mpf(0)
    low, high = mp.mpf(-40), mp.mpf(40)
    for _ in range(200):
        guess = (low + high) / 2
        if (cdf(guess) if guess < 0 else 1 - mp.erfc(guess / mp.sqrt(2)) / 2) < p:
            low = guess
        else:
            high = guess
    return (low + high) / 2


def lgamma(x):
    return mp.log(abs(mp.gamma(x))) if abs(x) < 1e5 else mp.loggamma(x).real


def spread(low, high, count):
    """Points whose logarithms are uniform."""
    return [float(mp.exp(random.uniform(float(mp.log(low)), float(mp.log(high))))) for _ in range(count)]


def uniform(low, high, count):
    return [random.uniform(low, high) for _ in range(count)]


def both(values):
    return values + [-v for v in values]


specials = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1e-300, 1e300, -1e300, inf, -inf, nan]
# function, its points, its limits at inf, -inf
functions = {
    "exp": (mp.exp, both(spread(1e-20, 700, 60)) + uniform(-745, -700, 20) + [709.782712893384, 709.8, -745.2, -745.13], inf, 0.0),
    "expm1": (mp.expm1, both(spread(1e-20, 700, 60)) + uniform(-1, 1, 40) + [709.782712893384, -37.5, -40.5], inf, -1.0),
    "log": (mp.log, spread(1e-320, 1e308, 80) + uniform(0.5, 2, 60) + [1 + 2**-52, 1 - 2**-53], inf, nan),
    "log1p": (mp.log1p, both(spread(1e-300, 0.99, 50)) + spread(1e-3, 1e308, 50) + [-1 + 2**-53, 1e16, 9e15, 1.7e308], inf, nan),
    "tanh": (mp.tanh, both(spread(1e-20, 25, 60)), 1.0, -1.0),
    "sin": (mp.sin, both(spread(1e-20, 1e6, 60)), nan, nan),
    "cos": (mp.cos, both(spread(1e-20, 1e6, 60)), nan, nan),
    "tan": (mp.tan, both(spread(1e-20, 1e3, 60)), nan, nan),
    "asin": (mp.asin, both(spread(1e-20, 1, 60)), nan, nan),
    "acos": (mp.acos, both(spread(1e-20, 1, 60)), nan, nan),
    "atan": (mp.atan, both(spread(1e-20, 1e20, 60)), float(mp.pi / 2), float(-mp.pi / 2)),
    "sinh": (mp.sinh, both(spread(1e-20, 700, 60)), inf, -inf),
    "cosh": (mp.cosh, both(spread(1e-20, 700, 60)), inf, inf),
    "asinh": (mp.asinh, both(spread(1e-20, 1e300, 60)), inf, -inf),
    "acosh": (mp.acosh, spread(1.0, 1e300, 60) + uniform(1, 2, 40), inf, nan),
    "atanh": (mp.atanh, both(spread(1e-20, 1, 60)), nan, nan),
    "erf": (mp.erf, both(spread(1e-20, 6, 60)), 1.0, -1.0),
    "erfc": (mp.erfc, both(spread(1e-20, 26, 60)), 0.0, 2.0),
    "inv_logit": (lambda x: 1 / (1 + mp.exp(-x)), both(spread(1e-10, 700, 60)), 1.0, 0.0),
    "log_inv_logit": (lambda x: -mp.log1p(mp.exp(-x)), both(spread(1e-10, 700, 60)), 0.0, -inf),
    "log1p_exp": (lambda x: mp.log1p(mp.exp(x)), both(spread(1e-10, 700, 60)), inf, 0.0),
    "log1m_exp": (lambda x: mp.log(-mp.expm1(x)), [-v for v in spread(1e-10, 700, 100)], nan, 0.0),
    "log_expm1": (lambda x: mp.log(mp.expm1(x)), spread(1e-10, 700, 100), inf, nan),
    "logit": (lambda x: mp.log(x / (1 - x)), spread(1e-300, 0.9, 50) + uniform(0, 1, 50) + uniform(0.49, 0.51, 20), nan, nan),
    "std_normal_cdf": (cdf, both(spread(1e-10, 37, 60)), 1.0, 0.0),
    "log_std_normal_cdf": (lambda x: mp.log(cdf(x)) if x < 0 else mp.log1p(-mp.erfc(x / mp.sqrt(2)) / 2), both(spread(1e-10, 37, 60)) + [-50.0, -1000.0, -1e5], 0.0, -inf),
    "std_normal_quantile": (quantile, spread(1e-300, 0.5, 40) + uniform(0, 1, 60), nan, nan),
    "lgamma": (lgamma, spread(1e-300, 1e300, 40) + uniform(0, 12, 80) + uniform(0.95, 1.05, 20) + uniform(1.95, 2.05, 20) + uniform(-12, 0, 40), inf, inf),
    "digamma": (mp.digamma, spread(1e-300, 1e300, 40) + uniform(0, 12, 80) + uniform(1.4, 1.5, 20) + uniform(-12, 0, 40), inf, nan),
    "trigamma": (lambda x: mp.psi(1, x), spread(1e-150, 1e100, 40) + uniform(0, 12, 80) + uniform(-12, 0, 40), 0.0, nan),
    "tetragamma": (lambda x: mp.psi(2, x), spread(1e-100, 1e100, 40) + uniform(0, 12, 80) + uniform(-12, 0, 40), 0.0, nan),
}
# What mathematics does not say, or says only as a limit.
fixed = {
    ("log", 0.0): -inf, ("log", -0.0): -inf, ("log1p", -1.0): -inf, ("logit", 0.0): -inf, ("logit", -0.0): -inf, ("logit", 1.0): inf,
    ("log1m_exp", 0.0): -inf, ("log1m_exp", -0.0): -inf, ("log_expm1", 0.0): -inf, ("log_expm1", -0.0): -inf,
    ("atanh", 1.0): inf, ("atanh", -1.0): -inf, ("std_normal_quantile", 0.0): -inf, ("std_normal_quantile", 1.0): inf,
    ("lgamma", 0.0): inf, ("lgamma", -0.0): inf, ("lgamma", -1.0): inf, ("lgamma", -1e300): inf,
}


def value_of(name, x):
    function, _, at_inf, at_minus_inf = functions[name]
    if x != x:
        return nan
    if x in (inf, -inf):
        return at_inf if x > 0 else at_minus_inf
    if (name, x) in fixed:
        return fixed[(name, x)]
    if name in ("digamma", "trigamma", "tetragamma") and x <= 0 and x == int(x):
        return nan
    if name in ("log_std_normal_cdf",) and x < -1e10:
        return float(-mp.mpf(x) ** 2 / 2)
    if name in ("exp", "expm1", "sinh", "cosh", "log1p_exp", "log_expm1", "tanh", "std_normal_cdf", "erfc", "erf", "inv_logit", "log_inv_logit", "log1m_exp", "log_std_normal_cdf") and abs(x) > 1e10:
        return {"exp": (inf, 0.0), "expm1": (inf, -1.0), "sinh": (inf, -inf), "cosh": (inf, inf), "log1p_exp": (x, 0.0), "log_expm1": (x, nan),
                "tanh": (1.0, -1.0), "std_normal_cdf": (1.0, 0.0), "erfc": (0.0, 2.0), "erf": (1.0, -1.0), "inv_logit": (1.0, 0.0),
                "log_inv_logit": (0.0, x), "log1m_exp": (nan, 0.0), "log_std_normal_cdf": (0.0, nan)}[name][0 if x > 0 else 1]
    with mp.workdps(400 if name in ("log1m_exp", "log_expm1") else 60 if abs(x) < 1e30 and (x == 0 or abs(x) > 1e-30) else 700 if name not in ("lgamma", "digamma", "trigamma", "tetragamma") else 60):
        try:
            result = function(mp.mpf(x))
        except (ValueError, ZeroDivisionError):
            return nan
        if isinstance(result, mp.mpc):
            return nan
        return float(result)


for name, (_, points, _, _) in functions.items():
    if len(sys.argv) > 1 and name not in sys.argv[1:]:
        continue
    for x in specials + points:
        if name == "trigamma" and 0 < abs(x) < 1e-150 or name == "tetragamma" and 0 < abs(x) < 1e-100:
            continue
        if name in ("sin", "cos", "tan") and abs(x) == 1e300:
            continue
        if name in ("digamma", "trigamma", "tetragamma") and x < -1e10 and x != -inf:
            continue
        y = value_of(name, float(x))
        print(name, float(x).hex(), float(y).hex())
