#!/usr/bin/env python3
"""The optimum of the evidence lower bound (ELBO) within a family, computed independently of the compiler and the runtime.

    python3 optimum.py ORIGINALS [--only MODEL]

For each model below and each family, the ELBO with 2^17 scrambled Sobol draws z of a standard normal, u = location + scale z on the unconstrained
scale, is maximised by L-BFGS with exact gradients; entropy is analytic. The reference draws' mean and covariance precondition the search (they do not
move its optimum). A second scrambling of 2^16 draws tells the accuracy. Written to optimum/MODEL-FAMILY.json with the settings. Needs NumPy and SciPy.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit, ndtri
from scipy.stats import qmc

from densities import HERE, POSTERIORS
from generate import read_gold
from support import flat_name

LOG_2PI = np.log(2 * np.pi)
LOG_DRAWS = 17
FAMILIES = ("full_rank", "mean_field")
CHUNK = 4096

# ---- log densities with Jacobian and their gradients for rows of unconstrained points, columns in the order of POSTERIORS ----


def normal_prior(x, mean, sd):
    """Value and derivative, elementwise."""
    z = (x - mean) / sd
    return -0.5 * LOG_2PI - np.log(sd) - 0.5 * z * z, -z / sd


def half_cauchy(x, scale):
    """Not renormalised for the half, as in densities.py."""
    r = x / scale
    return -np.log(np.pi * scale) - np.log1p(r * r), -2 * r / (scale * (1 + r * r))


class Regression:
    """Columns: coefficients, log sigma. The likelihood reads the data through the least-squares fit, the residual sum of squares and X'X."""

    def __init__(self, X, y, coefficient_prior=None, sigma_prior=None):
        self.n = len(y)
        q, self.r = np.linalg.qr(X)
        self.b = np.linalg.solve(self.r, q.T @ y)
        self.residual = np.sum((y - X @ self.b) ** 2)
        self.coefficient_prior, self.sigma_prior = coefficient_prior, sigma_prior

    def __call__(self, u):
        beta, sigma = u[:, :-1], np.exp(u[:, -1])
        shift = (beta - self.b) @ self.r.T
        total = self.residual + np.sum(shift * shift, axis=1)
        value = -0.5 * self.n * LOG_2PI - self.n * u[:, -1] - 0.5 * total / sigma**2 + u[:, -1]
        gradient = np.empty_like(u)
        gradient[:, :-1] = -(shift @ self.r) / sigma[:, None] ** 2
        gradient[:, -1] = 1 - self.n + total / sigma**2
        if self.coefficient_prior:
            prior, slope = self.coefficient_prior(beta)
            value += prior.sum(axis=1)
            gradient[:, :-1] += slope
        if self.sigma_prior:
            prior, slope = self.sigma_prior(sigma)
            value += prior
            gradient[:, -1] += slope * sigma
        return value, gradient


class EightSchools:
    """Columns: mu, log tau, theta or (theta - mu) / tau."""

    def __init__(self, data, centred):
        self.y, self.sd, self.centred = data["y"], data["sigma"], centred

    def __call__(self, u):
        mu, tau, last = u[:, 0], np.exp(u[:, 1]), u[:, 2:]
        gradient = np.empty_like(u)
        prior_mu, slope_mu = normal_prior(mu, 0, 5)
        prior_tau, slope_tau = half_cauchy(tau, 5)
        z = (last - mu[:, None]) / tau[:, None] if self.centred else last
        theta = last if self.centred else mu[:, None] + tau[:, None] * last
        likelihood, slope = normal_prior(theta, self.y, self.sd)
        value = prior_mu + prior_tau + u[:, 1] + likelihood.sum(axis=1) + np.sum(-0.5 * LOG_2PI - 0.5 * z * z, axis=1)
        gradient[:, 0], gradient[:, 1] = slope_mu, slope_tau * tau + 1
        if self.centred:
            value -= len(self.y) * u[:, 1]
            gradient[:, 0] += np.sum(z, axis=1) / tau
            gradient[:, 1] += np.sum(z * z, axis=1) - len(self.y)
            gradient[:, 2:] = slope - z / tau[:, None]
        else:
            gradient[:, 0] += slope.sum(axis=1)
            gradient[:, 1] += np.sum(slope * z, axis=1) * tau
            gradient[:, 2:] = slope * tau[:, None] - z
        return value, gradient


class Arma11:
    """Columns: mu, phi, theta, log sigma. Derivatives of the shocks run forward with them."""

    def __init__(self, data):
        self.y = data["y"]

    def __call__(self, u):
        mu, phi, theta, sigma = u[:, 0], u[:, 1], u[:, 2], np.exp(u[:, 3])
        y, n = self.y, len(self.y)
        shock = y[0] - mu - phi * mu
        d = np.array([-1 - phi, -mu, np.zeros_like(mu)])
        squares, slope = shock * shock, shock * d
        for t in range(1, n):
            previous = shock
            shock = y[t] - mu - phi * y[t - 1] - theta * previous
            d = -theta * d
            d[0] -= 1
            d[1] -= y[t - 1]
            d[2] -= previous
            squares = squares + shock * shock
            slope = slope + shock * d
        gradient = np.empty_like(u)
        gradient[:, :3] = (-slope / sigma**2).T
        gradient[:, 3] = 1 - n + squares / sigma**2
        value = -0.5 * n * LOG_2PI - n * u[:, 3] - 0.5 * squares / sigma**2 + u[:, 3]
        prior, prior_slope = normal_prior(u[:, :3], 0, np.array([10, 2, 2]))
        value += prior.sum(axis=1)
        gradient[:, :3] += prior_slope
        prior, prior_slope = half_cauchy(sigma, 2.5)
        gradient[:, 3] += prior_slope * sigma
        return value + prior, gradient


class Garch11:
    """Columns: mu, log alpha0, logit alpha1, logit(beta1 / (1 - alpha1)). Derivatives of the variances run forward with them."""

    def __init__(self, data):
        self.y, self.sigma1 = data["y"], data["sigma1"]

    def __call__(self, u):
        mu, alpha0, alpha1, share = u[:, 0], np.exp(u[:, 1]), expit(u[:, 2]), expit(u[:, 3])
        beta1 = (1 - alpha1) * share
        y = self.y
        variance = np.full_like(mu, self.sigma1**2)
        d = np.zeros((4, len(mu)))  # by mu, alpha0, alpha1, beta1
        residual = y[0] - mu
        value = -0.5 * LOG_2PI - 0.5 * np.log(variance) - 0.5 * residual**2 / variance
        by_mu, slope = residual / variance, np.zeros_like(d)
        for t in range(1, len(y)):
            previous = variance
            variance = alpha0 + alpha1 * residual**2 + beta1 * previous
            d = beta1 * d
            d[0] -= 2 * alpha1 * residual
            d[1] += 1
            d[2] += residual**2
            d[3] += previous
            residual = y[t] - mu
            value = value - 0.5 * LOG_2PI - 0.5 * np.log(variance) - 0.5 * residual**2 / variance
            by_mu = by_mu + residual / variance
            slope = slope + (-0.5 / variance + 0.5 * residual**2 / variance**2) * d
        gradient = np.empty_like(u)
        gradient[:, 0] = by_mu + slope[0]
        gradient[:, 1] = slope[1] * alpha0 + 1
        gradient[:, 2] = (slope[2] - slope[3] * share) * alpha1 * (1 - alpha1) + 1 - 3 * alpha1
        gradient[:, 3] = slope[3] * (1 - alpha1) * share * (1 - share) + 1 - 2 * share
        log_jacobian = u[:, 1] + log_expit(u[:, 2]) + 2 * log_expit(-u[:, 2]) + log_expit(u[:, 3]) + log_expit(-u[:, 3])
        return value + log_jacobian, gradient


def lagged_columns(d):
    K, T, y = int(d["K"]), int(d["T"]), d["y"]
    return np.column_stack([np.ones(T - K)] + [y[K - 1 - k:T - 1 - k] for k in range(K)]), y[K:]


def with_intercept(x):
    return np.column_stack([np.ones(len(x)), x])


def kidscore_momiq(d):
    return Regression(with_intercept(d["mom_iq"]), d["kid_score"], sigma_prior=lambda s: half_cauchy(s, 2.5))


def kilpisjarvi(d):
    means, sds = np.array([d["pmualpha"], d["pmubeta"]]), np.array([d["psalpha"], d["psbeta"]])
    return Regression(with_intercept(d["x"]), d["y"], lambda b: normal_prior(b, means, sds))


DENSITIES = {
    "eight_schools_noncentered": lambda d: EightSchools(d, centred=False),
    "eight_schools_centered": lambda d: EightSchools(d, centred=True),
    "kidscore_momiq": kidscore_momiq,
    "kilpisjarvi": kilpisjarvi,
    "blr": lambda d: Regression(d["X"], d["y"], lambda b: normal_prior(b, 0, 10), lambda s: normal_prior(s, 0, 10)),
    "arK": lambda d: Regression(*lagged_columns(d), lambda b: normal_prior(b, 0, 10), lambda s: half_cauchy(s, 2.5)),
    "arma11": Arma11,
    "garch11": Garch11,
}

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
            shape = posterior.shape(q, data)
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
        size = int(np.prod(posterior.shape(q, data)))
        result[q.name] = flat[position:position + size].tolist()
        position += size
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("originals", type=Path)
    parser.add_argument("--only")
    arguments = parser.parse_args()
    (HERE / "optimum").mkdir(exist_ok=True)
    for model, make in DENSITIES.items():
        if arguments.only not in (None, model):
            continue
        posterior = next(p for p in POSTERIORS if p.model == model)
        data = posterior.data()
        density = make({k: v.astype(float) for k, v in data.items()})
        gold = unconstrained_gold(posterior, data, read_gold(arguments.originals, posterior))
        check_density(posterior, data, density, gold[:3])
        for kind in FAMILIES + (("Structured",) if model == "eight_schools_centered" else ()):
            family = Family(kind, gold.mean(axis=0), np.cov(gold.T))
            x = family.start()
            for log_draws in (10, 13, LOG_DRAWS):
                x, elbo, slope = family.optimise(x, density, quasi_normal(family.D, log_draws, seed=1))
            other, _, _ = family.optimise(x, density, quasi_normal(family.D, LOG_DRAWS - 1, seed=2))
            mean, sd, scale = family.moments(x)
            other_mean, other_sd, _ = family.moments(other)
            accuracy = float(max(np.max(np.abs(other_mean - mean) / sd), np.max(np.abs(other_sd / sd - 1))))
            result = {
                "posterior": posterior.name, "family": kind,
                "settings": {"draws": 2**LOG_DRAWS, "sequence": "scrambled Sobol, seed 1", "optimiser": "L-BFGS, SciPy", "largest_slope": slope},
                "accuracy": accuracy,
                "elbo": elbo, "mean": by_name(posterior, data, mean), "sd": by_name(posterior, data, sd),
            }
            (HERE / "optimum" / f"{model}-{kind}.json").write_text(json.dumps(result, indent=1) + "\n")
            print(f"{model:<28}{kind:<12}ELBO {elbo:>12.6f}  slope {slope:.1e}  accuracy {accuracy:.1e}", flush=True)


if __name__ == "__main__":
    main()
