"""Log densities with Jacobian and their gradients for many points at once, in double precision, for optimum.py.

A density takes rows of unconstrained points, columns in the order of `densities.POSTERIORS`, and returns a value and a gradient a row. They are written
apart from densities.py, which checks them. Needs NumPy and SciPy.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_expit

LOG_2PI = np.log(2 * np.pi)


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


class Logistic:
    """Columns: two coefficients, flat. Bernoulli outcomes."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __call__(self, u):
        eta = u[:, :1] + u[:, 1:] * self.x
        residual = self.y - expit(eta)
        value = np.sum(self.y * eta + log_expit(-eta), axis=1)
        return value, np.stack([residual.sum(axis=1), residual @ self.x], axis=1)


class Rats:
    """Columns: mu_alpha, mu_beta, log sigma_y, log sigma_alpha, log sigma_beta, alpha[N], beta[N]."""

    def __init__(self, d):
        self.N = int(d["N"])
        self.rat = d["rat"].astype(int) - 1
        self.member = np.eye(self.N)[self.rat]
        self.x, self.y = d["x"] - d["xbar"], d["y"]

    def __call__(self, u):
        N = self.N
        means, sds, lines = u[:, :2], np.exp(u[:, 2:5]), [u[:, 5:5 + N], u[:, 5 + N:]]
        prior, slope = normal_prior(means, 0, 100)
        value, gradient = prior.sum(axis=1) + u[:, 2:5].sum(axis=1), np.ones_like(u)
        gradient[:, :2] = slope
        residual = (self.y - lines[0][:, self.rat] - lines[1][:, self.rat] * self.x) / sds[:, :1]
        squares = np.sum(residual**2, axis=1)
        value += -0.5 * squares - len(self.y) * (0.5 * LOG_2PI + u[:, 2])
        gradient[:, 2] += squares - len(self.y)
        pull = residual / sds[:, :1]
        by_line = [pull @ self.member, (pull * self.x) @ self.member]
        for k in (0, 1):
            z = (lines[k] - means[:, k:k + 1]) / sds[:, k + 1:k + 2]
            squares = np.sum(z**2, axis=1)
            value += -0.5 * squares - N * (0.5 * LOG_2PI + u[:, 3 + k])
            gradient[:, 3 + k] += squares - N
            gradient[:, k] += np.sum(z, axis=1) / sds[:, k + 1]
            gradient[:, 5 + k * N:5 + (k + 1) * N] = by_line[k] - z / sds[:, k + 1:k + 2]
        return value, gradient


class GaussMix:
    """Columns: mu_1, log(mu_2 - mu_1), log sigma_1, log sigma_2, logit theta."""

    def __init__(self, y):
        self.y = y

    def __call__(self, u):
        gap, sigma, theta = np.exp(u[:, 1]), np.exp(u[:, 2:4]), expit(u[:, 4])
        mu = np.stack([u[:, 0], u[:, 0] + gap], axis=1)
        weights = np.stack([log_expit(u[:, 4]), log_expit(-u[:, 4])], axis=1)
        z = [(self.y - mu[:, k:k + 1]) / sigma[:, k:k + 1] for k in (0, 1)]
        parts = [weights[:, k:k + 1] - 0.5 * LOG_2PI - u[:, 2 + k:3 + k] - 0.5 * z[k] ** 2 for k in (0, 1)]
        total = np.logaddexp(*parts)
        share = [np.exp(part - total) for part in parts]
        prior_mu, slope_mu = normal_prior(mu, 0, 2)
        prior_sigma, slope_sigma = normal_prior(sigma, 0, 2)
        log_beta = np.log(576 / 362880)  # B(5, 5)
        value = (total.sum(axis=1) + prior_mu.sum(axis=1) + prior_sigma.sum(axis=1) - log_beta + 5 * weights.sum(axis=1) + u[:, 1:4].sum(axis=1))
        by_mu = np.stack([np.sum(share[k] * z[k], axis=1) / sigma[:, k] for k in (0, 1)], axis=1) + slope_mu
        gradient = np.empty_like(u)
        gradient[:, 0] = by_mu.sum(axis=1)
        gradient[:, 1] = by_mu[:, 1] * gap + 1
        for k in (0, 1):
            gradient[:, 2 + k] = np.sum(share[k] * (z[k] ** 2 - 1), axis=1) + slope_sigma[:, k] * sigma[:, k] + 1
        first = share[0].sum(axis=1) + 5
        gradient[:, 4] = first - (len(self.y) + 10) * theta
        return value, gradient


class Hmm:
    """Columns: logit theta1_1, logit theta2_1, log mu_1, log(mu_2 - mu_1). Gradients from the expected counts of forward and backward recursions."""

    def __init__(self, y):
        self.y = y

    def __call__(self, u):
        n, T = len(u), len(self.y)
        step = np.exp(u[:, 2:])
        mu = np.cumsum(step, axis=1)
        move = np.stack([log_expit(u[:, :2]), log_expit(-u[:, :2])], axis=2)  # from, to
        emission = -0.5 * LOG_2PI - 0.5 * (self.y[:, None, None] - mu) ** 2  # time, row, state
        forward, backward = np.empty((T, n, 2)), np.zeros((T, n, 2))
        forward[0] = emission[0]
        for t in range(1, T):
            forward[t] = np.logaddexp(forward[t - 1, :, :1] + move[:, 0], forward[t - 1, :, 1:] + move[:, 1]) + emission[t]
        for t in range(T - 2, -1, -1):
            after = (emission[t + 1] + backward[t + 1])[:, None, :] + move
            backward[t] = np.logaddexp(after[:, :, 0], after[:, :, 1])
        total = np.logaddexp(forward[-1, :, 0], forward[-1, :, 1])
        occupied = np.exp(forward + backward - total[:, None])
        prior, slope = normal_prior(mu, np.array([3.0, 10.0]), 1)
        by_mu = np.sum(occupied * (self.y[:, None, None] - mu), axis=0) + slope
        gradient = np.empty_like(u)
        for j in (0, 1):
            moved = [np.exp(forward[:-1, :, j] + move[:, j, k] + emission[1:, :, k] + backward[1:, :, k] - total).sum(axis=0) for k in (0, 1)]
            p = expit(u[:, j])
            gradient[:, j] = moved[0] * (1 - p) - moved[1] * p + 1 - 2 * p
        gradient[:, 2] = step[:, 0] * by_mu.sum(axis=1) + 1
        gradient[:, 3] = step[:, 1] * by_mu[:, 1] + 1
        return total + prior.sum(axis=1) + move[:, :, :].sum(axis=(1, 2)) + u[:, 2:].sum(axis=1), gradient


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


def radon(d):
    return Regression(with_intercept(d["floor_measure"]), d["log_radon"], lambda b: normal_prior(b, 0, 10), lambda s: normal_prior(s, 0, 1))


DENSITIES = {
    "eight_schools_noncentered": lambda d: EightSchools(d, centred=False),
    "eight_schools_centered": lambda d: EightSchools(d, centred=True),
    "kidscore_momiq": kidscore_momiq,
    "kilpisjarvi": kilpisjarvi,
    "blr": lambda d: Regression(d["X"], d["y"], lambda b: normal_prior(b, 0, 10), lambda s: normal_prior(s, 0, 10)),
    "arK": lambda d: Regression(*lagged_columns(d), lambda b: normal_prior(b, 0, 10), lambda s: half_cauchy(s, 2.5)),
    "arma11": Arma11,
    "garch11": Garch11,
    "wells_dist": lambda d: Logistic(d["dist"], d["switched"]),
    "radon_pooled": radon,
    "rats_model": Rats,
    "low_dim_gauss_mix": lambda d: GaussMix(d["y"]),
    "hmm_example": lambda d: Hmm(d["y"]),
}
"""By model; flat-prior regressions are made from their design."""


def density_of(posterior, data):
    """The density of a posterior of densities.py, or None where there is none here."""
    if posterior.design:
        outcome, columns = posterior.design(data)
        return Regression(np.column_stack([column + 0 * outcome for column in columns]).astype(float), outcome.astype(float))
    make = DENSITIES.get(posterior.model)
    return make({k: v.astype(float) for k, v in data.items()}) if make else None
