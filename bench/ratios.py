"""Ratios of paired runs, and how they are written."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass


@dataclass
class Ratio:
    """The median of paired ratios, with their spread."""

    median: float
    least: float
    most: float

    def __str__(self):
        return f"{figure(self.median)}x ({figure(self.least)} to {figure(self.most)})"


def ratio(slower, faster):
    """Ratios of two lists of paired times, or None where one of them was not measured."""
    if not slower or not faster or len(slower) != len(faster):
        return None
    found = [a / b for a, b in zip(slower, faster)]
    return Ratio(statistics.median(found), min(found), max(found))


def median(times):
    return statistics.median(times) if times else None


def geometric_mean(ratios):
    """Of the medians; None where there are none."""
    medians = [r.median for r in ratios if r]
    return math.exp(math.fsum(map(math.log, medians)) / len(medians)) if medians else None


def figure(x):
    """Three significant figures without an exponent: 0.123, 1.23, 12.3, 123, 1,230."""
    if x is None:
        return "-"
    if x == 0 or not math.isfinite(x):
        return str(x)
    digits = 2 - math.floor(math.log10(abs(x)))
    return f"{round(x, digits):,.{max(digits, 0)}f}"


def times(x):
    return "-" if x is None else f"{figure(x)}x"
