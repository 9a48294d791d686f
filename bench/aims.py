"""What the project aims at, and what is known of the limits (limits.json)."""

from __future__ import annotations

import json
from pathlib import Path

LIMITS = json.loads((Path(__file__).resolve().parent / "limits.json").read_text())

COMPILE = 0.25  # seconds of user and system time, the median over all models
COMPILE_MOST = 1.0

GRADIENT = 60  # times Stan Math without sufficient statistics, the geometric mean
GRADIENT_LEAST = 5
GRADIENT_LEAST_OF = {"diamonds": 2}  # a matrix product, in which Stan Math is good: the best code is 5 times as fast

SINGLE = 3  # times stanli
SINGLE_LEAST = 1

STEP = 10  # times NumPyro's step
STEP_OF = {"diamonds": 50}
STEP_PLAIN_OF = {"diamonds": 3}

HAND = 0.4  # of code written by hand


def gradient_least(model):
    return GRADIENT_LEAST_OF.get(model, GRADIENT_LEAST)


def known_ratio(model):
    """How many times faster than Stan Math hand-written code was on the machine of limits.json, or None."""
    known = LIMITS["nanoseconds"].get(model)
    return known["stan"] / known["hand"] if known else None


def reason(model):
    """What stands between a model and the aim, where that has been measured."""
    return LIMITS["reasons"].get(model)
