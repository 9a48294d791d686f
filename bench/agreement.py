"""Whether two programs compute the same posterior: checked before anything is timed.

What the comparison can ask for follows from rounding. A component of the gradient of a regression is a sum over the data,
`sum_n x_nk (y_n - sum_j x_nj b_j) / sigma^2`, of which most cancels near the mode. A program that adds it up in double precision
rounds each number of data, product and partial sum by at most u = 2^-53 of its size, so its error is at most a few u times
`sum_n |x_nk| (|y_n| + sum_j |x_nj b_j|) / sigma^2`. For the worst of the models (diamonds, 24 collinear columns) that sum is 1.5e7 times
the component, so u is 1.7e-9 of it: the limit of 1e-8 leaves such programs five roundings a term, all of one sign, and
test/bench holds ours to one.

Sufficient statistics are another formula, `R' (R b - q) / sigma^2` with a triangular factor: its terms are not the data's but the
columns' norms times that of b, and there is no sum over the data in which roundings of both signs cancel. So peers are compared with
VModel's kernels without statistics; those with them are compared with these in turn, and timed only if values and gradients add up to
the same."""

from __future__ import annotations

import math

# Relative error of differences of log densities and of gradients above which a peer's row is refused.
LIMIT = 1e-8
# Other limits, and why.
LIMITS = {
    # The covariance has a condition number of about 1e11: what is computed from its factor is known to 1e11 times 2.2e-16 in the worst case.
    "gp_pois_regr": 2e-5,
    # Where a linear predictor is above 20, Stan Math's bernoulli_logit takes -exp(-20) or less for its derivative, whatever the outcome: off by up
    # to 4e-9 an observation. Components of the gradient are 1e-2 and multiplied by columns of up to 10 and coefficients' scales of up to 5.
    "logistic_regression_rhs": 2e-5,
}


def limit(model):
    """The limit of a model's peers."""
    return LIMITS.get(model, LIMIT)


def density_error(reference, computed):
    """The worst relative error of the differences between the first point's log density and the others'; constants cancel.

    `reference` and `computed` are lists of (log density, gradient). Relative to the difference and 2e-6 of the log densities
    themselves: with the limit of 1e-8 this leaves 2e-14 of them to rounding, since differences of neighbouring draws are small."""
    worst = 0.0
    for (expected, _), (found, _) in zip(reference[1:], computed[1:], strict=True):
        difference = expected - reference[0][0]
        size = abs(difference) + 2e-6 * (abs(expected) + abs(reference[0][0]))
        worst = worse(worst, abs(found - computed[0][0] - difference) / max(size, 1e-300))
    return worst


def gradient_error(reference, computed):
    """The worst error of a component, relative to it or to a thousandth of the gradient's largest component."""
    worst = 0.0
    for (_, expected), (_, found) in zip(reference, computed, strict=True):
        if len(expected) != len(found):
            return math.inf
        largest = max(map(abs, expected))
        for e, f in zip(expected, found):
            worst = worse(worst, abs(f - e) / max(abs(e), 1e-3 * largest, 1e-300))
    return worst


def worse(a, b):
    """The maximum, where NaN is the worst of all."""
    return math.inf if math.isnan(b) else max(a, b)


def compare(reference, computed, limit=LIMIT):
    """A record for results.json: both errors, and whether the peer may be timed."""
    density, gradient = density_error(reference, computed), gradient_error(reference, computed)
    return {"density": json_number(density), "gradient": json_number(gradient), "agrees": density <= limit and gradient <= limit}


def json_number(x):
    return x if math.isfinite(x) else str(x)


def checksum(densities, particles):
    """What the command `benchmark` adds up: values and gradients of all particles, the points in turn."""
    terms = [x for k in range(particles) for x in (densities[k % len(densities)][0], *densities[k % len(densities)][1])]
    return math.fsum(terms), math.fsum(map(abs, terms))
