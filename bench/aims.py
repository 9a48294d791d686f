"""What the project aims at, and what is known of the limits (limits.json)."""

from __future__ import annotations

import json
from pathlib import Path

from ratios import median

LIMITS = json.loads((Path(__file__).resolve().parent / "limits.json").read_text())

COMPILE = 0.25  # seconds of user and system time, the median over all models
COMPILE_MOST = 1.0
COMPILE_OVER_LLVM = 2.5  # or, where that is missed, so many times LLVM's own share

GRADIENT = 60  # times Stan Math without sufficient statistics, the geometric mean
GRADIENT_LEAST = 5
GRADIENT_GOAL = 100  # for each model; the page says what those below it wait for
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


def hand_times(results):
    return {record["model"]: median(record["times"]["hand"]) for record in results["gradients"] if record["times"].get("hand")}


def unit_costs(results):
    """Nanoseconds of a term of each kind, where the hand-written code that consists of such terms was measured."""
    measured = hand_times(results)
    return {kind: measured[unit["model"]] / unit["count"] for kind, unit in LIMITS["units"].items() if unit["model"] in measured}


def by_hand(results):
    """Nanoseconds of code written by hand by model, and whether they were measured: {model: (nanoseconds, True)}.

    Where there is no such code, an estimate: what a model is made of (`terms` of limits.json), each kind of term at what it costs in the
    hand-written code that consists of it (`units`), as measured in this run."""
    measured, costs = hand_times(results), unit_costs(results)
    found = {model: (nanoseconds, True) for model, nanoseconds in measured.items()}
    for model, terms in LIMITS["terms"].items():
        if model not in measured and set(terms) <= set(costs):
            found[model] = (sum(costs[kind] * count for kind, count in terms.items()), False)
    return found


def bound_by(model, results):
    """What the best code for a model waits for, in words, or an empty string.

    As `bounds` of limits.json tells; else what the kinds of its terms wait for, those that take a fifth of the estimate or more, the dearest first."""
    units = LIMITS["units"]
    if model in LIMITS["bounds"]:
        return LIMITS["bounds"][model]
    terms = LIMITS["terms"].get(model) or {kind: unit["count"] for kind, unit in units.items() if unit["model"] == model}
    costs = unit_costs(results)
    if not set(terms) <= set(costs):
        return "; ".join(units[kind]["bound"] for kind in terms)
    spent = {kind: costs[kind] * count for kind, count in terms.items()}
    total = sum(spent.values())
    dear = sorted((kind for kind in spent if spent[kind] >= 0.2 * total), key=spent.get, reverse=True)
    return "; ".join(f"{units[kind]['bound']} ({spent[kind] / total:.0%})" for kind in dear)


def made_of(model):
    """What a model's gradient consists of, in words."""
    return ", ".join(f"{count:,} {kind}" for kind, count in LIMITS["terms"].get(model, {}).items())
