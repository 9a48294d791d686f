"""The metrics of the SoftCVI paper (section 5.1), from log densities and draws in the space of the data. Python's standard library only."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from statistics import fmean, pstdev

LEVELS = [100 * k / 99 for k in range(100)]  # nominal coverage, in percent


def coverage(log_q_reference, log_q_draws):
    """Share of the reference draws inside the family's highest-density region, at each of LEVELS (Hyndman 1996): a reference draw lies in the
    region that holds those of the family's draws that are at least as dense."""
    ordered = sorted(log_q_draws)
    levels = sorted(100 * (1 - bisect_left(ordered, value) / len(ordered)) for value in log_q_reference)
    return [bisect_right(levels, nominal) / len(levels) for nominal in LEVELS]


def mean_log_q(log_q_reference):
    """The forward KL divergence up to sign and a constant: higher is better."""
    return fmean(log_q_reference)


def mean_accuracy(draws, reference):
    """Minus the distance of the means, in standard deviations of the reference; both are lists of columns."""
    return -math.hypot(*((fmean(ours) - fmean(theirs)) / pstdev(theirs) for ours, theirs in zip(draws, reference, strict=True)))


def coverage_error(curve):
    """Mean absolute difference of a coverage curve from the nominal levels."""
    return fmean(abs(value - nominal / 100) for value, nominal in zip(curve, LEVELS, strict=True))
