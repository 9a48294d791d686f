#!/usr/bin/env python3
"""Reference draws for the posteriors that have none in posteriordb: Hamiltonian Monte Carlo, many chains at once.

    python3 reference_draws.py [--only MODEL] [--check ORIGINALS]

Chains start at draws of the full-rank optimum (optimum/), whose sds scale the coordinates; jittered step sizes, Metropolis correction. Written to gold/ in
the form of the others, with their source named. --check does the same for the models that have gold draws and prints how far the two are apart.
Needs NumPy and SciPy.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import support
from batched_densities import density_of
from densities import HERE, POSTERIORS
from generate import read_gold, write_gold

CHAINS = 50
DRAWS = 200  # kept a chain: 10,000 in all
SPACING = 3
WARM_UP = 400
LEAPFROG = 18
SOURCE = "Hamiltonian Monte Carlo run of reference_draws.py"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only")
    parser.add_argument("--check", type=Path, metavar="ORIGINALS")
    arguments = parser.parse_args()
    np.seterr(all="ignore")  # a trajectory that overflows is rejected
    for posterior in POSTERIORS:
        if arguments.only not in (None, posterior.model) or bool(posterior.gold) != bool(arguments.check):
            continue
        data = posterior.data()
        states, rate = sample(density_of(posterior, data), *start_and_scale(posterior))
        chains = constrained_chains(posterior, data, states)
        if arguments.check:
            gold = read_gold(arguments.check, posterior)
            worst = max(standardised_difference(k, chains, gold) for k in gold[0])
            print(f"{posterior.name:<46}accepted {rate:.2f}  worst difference of a mean in standard errors: {worst:.1f}", flush=True)
        else:
            write_gold(posterior.name, chains, SOURCE)
            print(f"{posterior.name:<46}accepted {rate:.2f}", flush=True)


def start_and_scale(posterior):
    optimum = support.read_json(HERE / "optimum" / f"{posterior.name}-full_rank.json")
    mean, scale = (np.concatenate([optimum[key][q.name] for q in posterior.parameters]) for key in ("mean", "sd"))
    frame = np.diag(scale)
    return mean, frame


def sample(density, mean, frame, seed=20240301):
    """States [draw, chain, coordinate] and the rate of acceptance. Steps and frame adapt during the warm-up only."""
    random = np.random.default_rng(seed)
    D = len(mean)

    def evaluate(w):
        value, gradient = density(mean + w @ frame.T)
        return value, gradient @ frame

    w = 0.5 * random.standard_normal((CHAINS, D))
    value, slope = evaluate(w)
    step, recent, kept, accepted, tried = 0.1, [], [], 0, 0
    for iteration in range(WARM_UP + SPACING * DRAWS):
        if iteration in (WARM_UP // 4, WARM_UP // 2):  # a new frame from the last states of all chains
            last, states = recent[-1], np.concatenate(recent)
            mean, frame = states.mean(axis=0), np.linalg.cholesky(np.cov(states.T))
            w = np.linalg.solve(frame, (last - mean).T).T
            value, slope = evaluate(w)
        momentum = random.standard_normal((CHAINS, D))
        size = step * random.uniform(0.6, 1.4, (CHAINS, 1))
        moved, force = w, momentum + 0.5 * size * slope
        for k in range(LEAPFROG):
            moved = moved + size * force
            new_value, new_slope = evaluate(moved)
            force = force + (0.5 if k == LEAPFROG - 1 else 1.0) * size * new_slope
        gain = np.nan_to_num(new_value - value + 0.5 * np.sum(momentum**2 - force**2, axis=1), nan=-np.inf, neginf=-np.inf)
        accept = np.log(random.uniform(size=CHAINS)) < gain
        w = np.where(accept[:, None], moved, w)
        value, slope = np.where(accept, new_value, value), np.where(accept[:, None], new_slope, slope)
        recent = recent[-39:] + [mean + w @ frame.T]
        if iteration < WARM_UP:
            step *= np.exp(0.1 * (np.mean(np.minimum(1, np.exp(np.minimum(gain, 0)))) - 0.85))
        else:
            accepted, tried = accepted + accept.sum(), tried + CHAINS
            if (iteration - WARM_UP + 1) % SPACING == 0:
                kept.append(recent[-1])
    return np.array(kept), accepted / tried


def constrained_chains(posterior, data, states):
    """A list of chains, each a map from flat name to draws."""
    chains = []
    for chain in range(states.shape[1]):
        columns = {}
        for u in states[:, chain]:
            by_name, position = {}, 0
            for q in posterior.parameters:
                shape = posterior.unconstrained_shape(q, data)
                size = int(np.prod(shape))
                by_name[q.name] = u[position:position + size].reshape(shape).astype(np.longdouble)
                position += size
            values, _ = posterior.constrain(by_name)
            for q in posterior.parameters:
                for index in np.ndindex(*posterior.shape(q, data)):
                    columns.setdefault(support.flat_name(q.name, index), []).append(float(values[q.name][index].real))
        chains.append(columns)
    return chains


def standardised_difference(name, ours, theirs):
    a, b = np.array([c[name] for c in ours]), np.array([c[name] for c in theirs])
    errors = [x.std() / np.sqrt(effective) for x, effective in ((a, a.shape[0] * a.shape[1] / 2), (b, b.size))]
    return abs(a.mean() - b.mean()) / np.hypot(*errors)


if __name__ == "__main__":
    main()
