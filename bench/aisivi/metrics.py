"""Distances between a fit and its target. NumPy; all take log densities or draws and return plain numbers."""

from __future__ import annotations

import numpy as np


def forward_kl_on_grid(log_p, log_q, cell):
    """KL(p || q) in two dimensions by the midpoint rule; `log_p` (normalised) and `log_q` at cells of area `cell`."""
    p = np.exp(log_p)
    inside = p > 0
    return float(cell * np.sum(p[inside] * (log_p[inside] - log_q[inside])))


def weighted_mean(values, weights):
    """Self-normalised mean and its standard error (delta method)."""
    w = np.asarray(weights) / np.sum(weights)
    mean = float(w @ values)
    return mean, float(np.sqrt(np.sum((w * (values - mean)) ** 2)))


def sliced_wasserstein(draws, reference, directions=500, seed=0):
    """Mean over random directions of the 2-Wasserstein distance of the projections; as many draws [n, D] as reference draws."""
    d = np.random.default_rng(seed).standard_normal((draws.shape[1], directions))
    d /= np.linalg.norm(d, axis=0)
    return float(np.mean(np.sqrt(np.mean((np.sort(draws @ d, axis=0) - np.sort(reference @ d, axis=0)) ** 2, axis=0))))


def correlation_rmse(draws, covariance):
    """Root mean square error of the correlations of all pairs."""
    scale = np.sqrt(np.diag(covariance))
    pairs = np.triu_indices(len(scale), 1)
    return float(np.sqrt(np.mean((np.corrcoef(draws.T)[pairs] - (covariance / np.outer(scale, scale))[pairs]) ** 2)))


def mode_weights(draws, modes):
    """Share of the draws that are nearest to each of the modes [K, D]."""
    nearest = np.argmin(((draws[:, None, :] - modes[None]) ** 2).sum(axis=2), axis=1)
    return np.bincount(nearest, minlength=len(modes)) / len(draws)


def coordinate_marginals(draws, reference):
    """Mean over reference points of the sum over coordinates of log Gaussian-kernel densities, each fitted to one coordinate of the draws with Scott's
    bandwidth. What the semi-implicit papers call a log marginal likelihood; it does not see dependence."""
    n, total = len(draws), np.zeros(len(reference))
    for x, at in zip(draws.T, reference.T, strict=True):
        width = np.std(x, ddof=1) * n ** (-1 / 5)
        # Kernel sums on a fine grid by binning: spacing a twentieth of the bandwidth.
        low, high = min(x.min(), at.min()) - 6 * width, max(x.max(), at.max()) + 6 * width
        edges = np.arange(low, high + width / 20, width / 20)
        centres = (edges[1:] + edges[:-1]) / 2
        counts = np.histogram(x, edges)[0]
        reach = np.arange(-8 * 20, 8 * 20 + 1) / 20
        density = np.convolve(counts, np.exp(-0.5 * reach**2), mode="same") / (n * width * np.sqrt(2 * np.pi))
        total += np.log(np.maximum(np.interp(at, centres, density), 1e-300))
    return float(total.mean())
