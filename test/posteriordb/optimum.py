#!/usr/bin/env python3
"""The optimum of the evidence lower bound (ELBO) within a family, computed independently of the compiler and the runtime.

    python3 optimum.py ORIGINALS [--only MODEL]

For each model below and each family, the ELBO with 2^17 scrambled Sobol draws z of a standard normal, u = location + scale z on the unconstrained
scale, is maximised by L-BFGS with exact gradients; entropy is analytic. The reference draws' mean and covariance precondition the search (they do not
move its optimum). A second scrambling of 2^16 draws tells the accuracy. Written to optimum/POSTERIOR-FAMILY.json with the settings. Needs NumPy and SciPy.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import ndtri
from scipy.stats import qmc

from batched_densities import LOG_2PI, density_of
from densities import HERE, POSTERIORS
from generate import read_gold
from support import flat_name

LOG_DRAWS = 17
FEWER_LOG_DRAWS = {"wells_dist": 14, "low_dim_gauss_mix": 15}  # long likelihoods in few dimensions
FAMILIES = ("full_rank", "mean_field")
CHUNK = 4096

# ---- the search ----


def quasi_normal(dimension, log_draws, seed):
    points = qmc.Sobol(dimension, scramble=True, seed=seed).random_base2(log_draws)
    return ndtri(np.clip(points, 1e-12, 1 - 1e-12))


class Family:
    """u = centre + frame (m + L z), L with positive diagonal and `below` the places of its other entries; the frame only preconditions."""

    def __init__(self, kind, centre, covariance):
        self.centre, self.D = centre, len(centre)
        if kind == "full_rank":
            self.below, self.frame = np.tril_indices(self.D, -1), np.linalg.cholesky(covariance)
        else:
            self.below, self.frame = (np.empty(0, int), np.empty(0, int)), np.diag(1 / np.sqrt(np.diag(np.linalg.inv(covariance))))
        if kind == "Structured":  # examples/eight_schools.vmodel: theta linear in mu, the first coordinate; tau, the second, on its own
            self.below = np.arange(2, self.D), np.zeros(self.D - 2, int)

    def start(self):
        return np.zeros(2 * self.D + len(self.below[0]))

    def unpack(self, parameters):
        L = np.diag(np.exp(parameters[self.D:2 * self.D]))
        L[self.below] = parameters[2 * self.D:]
        return parameters[:self.D], L

    def moments(self, parameters):
        m, L = self.unpack(parameters)
        scale = self.frame @ L
        return self.centre + self.frame @ m, np.sqrt(np.sum(scale**2, axis=1)), scale

    def negative_elbo(self, parameters, density, draws):
        m, L = self.unpack(parameters)
        value, by_m, by_L = 0.0, np.zeros(self.D), np.zeros((self.D, self.D))
        for k in range(0, len(draws), CHUNK):
            z = draws[k:k + CHUNK]
            values, gradient = density(self.centre + (m + z @ L.T) @ self.frame.T)
            inner = gradient @ self.frame
            value += values.sum()
            by_m += inner.sum(axis=0)
            by_L += inner.T @ z
        count = len(draws)
        entropy = 0.5 * self.D * (1 + LOG_2PI) + np.sum(parameters[self.D:2 * self.D]) + np.linalg.slogdet(self.frame)[1]
        by_L /= count
        slope = np.concatenate([by_m / count, np.diag(by_L) * np.diag(L) + 1, by_L[self.below]])
        return -(value / count + entropy), -slope

    def optimise(self, start, density, draws):
        done = minimize(self.negative_elbo, start, (density, draws), jac=True, method="L-BFGS-B",
                        options={"maxiter": 500, "maxcor": 30, "ftol": 1e-13, "gtol": 1e-6})
        return done.x, -done.fun, float(np.max(np.abs(done.jac)))


def check_density(posterior, data, density, u):
    """The batched density must equal densities.py at a few rows."""
    values, gradient = density(u)
    for i in range(len(u)):
        by_name, position = {}, 0
        for q in posterior.parameters:
            shape = posterior.unconstrained_shape(q, data)
            size = int(np.prod(shape))
            by_name[q.name] = u[i, position:position + size].reshape(shape).astype(np.longdouble)
            position += size
        expected = float(posterior.log_density_with_jacobian(by_name, data).real)
        slope = np.concatenate([np.asarray(v, float).reshape(-1) for v in posterior.gradient(by_name, data).values()])
        assert abs(values[i] - expected) < 1e-9 * abs(expected), (posterior.name, values[i], expected)
        assert np.all(np.abs(gradient[i] - slope) < 1e-7 * np.max(np.abs(slope))), (posterior.name, gradient[i], slope)


def unconstrained_gold(posterior, data, gold):
    rows = []
    names = [[flat_name(q.name, index) for index in np.ndindex(*posterior.shape(q, data))] for q in posterior.parameters]
    for chain in gold:
        for draw in range(0, len(chain[names[0][0]]), 5):
            values = {q.name: np.array([chain[k][draw] for k in flat]).reshape(posterior.shape(q, data))
                      for q, flat in zip(posterior.parameters, names, strict=True)}
            rows.append(np.concatenate([np.asarray(v, float).reshape(-1) for v in posterior.unconstrain(values, data).values()]))
    return np.array(rows)


def by_name(posterior, data, flat):
    result, position = {}, 0
    for q in posterior.parameters:
        size = int(np.prod(posterior.unconstrained_shape(q, data)))
        result[q.name] = flat[position:position + size].tolist()
        position += size
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("originals", type=Path)
    parser.add_argument("--only")
    arguments = parser.parse_args()
    (HERE / "optimum").mkdir(exist_ok=True)
    for posterior in POSTERIORS:
        data = posterior.data()
        density = density_of(posterior, data)
        if not density or arguments.only not in (None, posterior.model):
            continue
        centre, covariance, some = neighbourhood(posterior, data, density, read_gold(arguments.originals, posterior))
        check_density(posterior, data, density, some)
        for kind in FAMILIES + (("Structured",) if posterior.model == "eight_schools_centered" else ()):
            optimise(posterior, data, density, Family(kind, centre, covariance), kind)


def neighbourhood(posterior, data, density, gold):
    """A centre, a covariance and three points near the posterior: from the reference draws, or from the curvature at a start."""
    if gold:
        draws = unconstrained_gold(posterior, data, gold)
        return draws.mean(axis=0), np.cov(draws.T), draws[:3]
    values = posterior.unconstrain(posterior.start(data), data)
    centre = np.concatenate([np.asarray(v, float).reshape(-1) for v in values.values()])
    steps = 1e-5 * np.eye(len(centre))
    hessian = (density(centre + steps)[1] - density(centre - steps)[1]) / 2e-5
    eigenvalues, vectors = np.linalg.eigh(-(hessian + hessian.T) / 2)
    covariance = (vectors / np.maximum(np.abs(eigenvalues), 1e-6 * np.max(np.abs(eigenvalues)))) @ vectors.T
    return centre, covariance, centre + 0.5 * np.sqrt(np.diag(covariance)) * np.array([[-1], [0], [1]])


def optimise(posterior, data, density, family, kind):
    log_draws = FEWER_LOG_DRAWS.get(posterior.model, LOG_DRAWS)
    x = family.start()
    for stage in (10, 13, log_draws):
        x, elbo, slope = family.optimise(x, density, quasi_normal(family.D, stage, seed=1))
    other, _, _ = family.optimise(x, density, quasi_normal(family.D, log_draws - 1, seed=2))
    mean, sd, _ = family.moments(x)
    other_mean, other_sd, _ = family.moments(other)
    accuracy = float(max(np.max(np.abs(other_mean - mean) / sd), np.max(np.abs(other_sd / sd - 1))))
    result = {
        "posterior": posterior.name, "family": kind,
        "settings": {"draws": 2**log_draws, "sequence": "scrambled Sobol, seed 1", "optimiser": "L-BFGS, SciPy", "largest_slope": slope},
        "accuracy": accuracy,
        "elbo": elbo, "mean": by_name(posterior, data, mean), "sd": by_name(posterior, data, sd),
    }
    (HERE / "optimum" / f"{posterior.name}-{kind}.json").write_text(json.dumps(result, indent=1) + "\n")
    print(f"{posterior.name:<44}{kind:<12}ELBO {elbo:>13.6f}  slope {slope:.1e}  accuracy {accuracy:.1e}", flush=True)


if __name__ == "__main__":
    main()
