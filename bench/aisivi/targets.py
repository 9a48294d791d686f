"""The targets of the semi-implicit benchmarks: data, normalised log densities, exact draws."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "aisivi"
MOMENTS = Path(__file__).resolve().parent / "data" / "moments.npz"
WAVEFORM_LOG_EVIDENCE = -150.385  # importance sampling with 10^6 draws, standard error below 0.001
DIFFUSION_LOG_EVIDENCE = -0.706  # particle filter, 4 x 5 10^5 particles, standard deviation 0.007


def log_normal(x, mean, covariance):
    """Log density of a multivariate normal at the rows of x."""
    factor = np.linalg.cholesky(covariance)
    z = np.linalg.solve(factor, (x - mean).T)
    return -0.5 * np.sum(z**2, axis=0) - np.log(np.diag(factor)).sum() - 0.5 * len(mean) * np.log(2 * np.pi)


@dataclass(frozen=True)
class Mixture:
    """Normals of equal weight in the plane."""

    name: str
    means: np.ndarray
    covariances: np.ndarray
    half_width: float  # the mass outside of the square of this half width is below 1e-12
    parameter = "z"
    data = {}
    log_evidence = 0.0

    def log_density(self, z):
        parts = [log_normal(z, m, c) for m, c in zip(self.means, self.covariances)]
        return np.logaddexp.reduce(parts, axis=0) - np.log(len(parts))

    def draws(self, n, random):
        which = random.integers(len(self.means), size=n)
        z = random.standard_normal((n, 2))
        return self.means[which] + np.einsum("nij,nj->ni", np.linalg.cholesky(self.covariances)[which], z)

    def grid(self, cells=200):
        """Midpoints [cells^2, 2] of the square's cells, and their area."""
        width = 2 * self.half_width / cells
        axis = -self.half_width + width * (np.arange(cells) + 0.5)
        return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2), width**2


@dataclass(frozen=True)
class Banana:
    """(z1, z1^2 + z2 + 1) is normal with variances 1 and this correlation. The grid is straight in these coordinates (the map has determinant 1)."""

    name = "banana"
    correlation = 0.9
    parameter = "z"
    data = {}
    log_evidence = 0.0

    @property
    def covariance(self):
        return np.array([[1, self.correlation], [self.correlation, 1]])

    @staticmethod
    def from_normal(y):
        return np.column_stack([y[:, 0], y[:, 1] - y[:, 0] ** 2 - 1])

    def log_density(self, z):
        return log_normal(np.column_stack([z[:, 0], z[:, 0] ** 2 + z[:, 1] + 1]), np.zeros(2), self.covariance)

    def draws(self, n, random):
        return self.from_normal(random.standard_normal((n, 2)) @ np.linalg.cholesky(self.covariance).T)

    def grid(self, cells=200, half_width=7.0):
        factor, width = np.linalg.cholesky(self.covariance), 2 * half_width / cells
        axis = -half_width + width * (np.arange(cells) + 0.5)
        standard = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
        return self.from_normal(standard @ factor.T), width**2 * np.prod(np.diag(factor))


@dataclass(frozen=True)
class HeavyTailed:
    """Independent Student t with two degrees of freedom. Its forward KL divergence from a family with normal tails is infinite."""

    name = "heavy_tailed"
    parameter = "z"
    data = {}
    log_evidence = 0.0

    def log_density(self, z):
        return np.sum(-1.5 * np.log1p(z**2 / 2) - np.log(2 * np.sqrt(2)), axis=1)

    def draws(self, n, random):
        return random.standard_t(2, size=(n, 2))


@dataclass(frozen=True)
class Posterior:
    """A posterior whose moments are known; exact draws by resampling heavier-tailed ones of these moments."""

    name: str
    parameter: str
    log_evidence: float

    @cached_property
    def data(self):
        return json.loads((EXAMPLES / f"{self.name}.json").read_text())

    @cached_property
    def moments(self):
        with np.load(MOMENTS) as file:
            return file[f"{self.name}_mean"], file[f"{self.name}_covariance"]

    def log_density(self, x):
        return unnormalised(self.name, self.data, x) - self.log_evidence

    def weighted_draws(self, n, random, degrees=8):
        """Draws [n, D] of a normal (degrees None) or a Student t with these moments, and the logarithms of their weights."""
        mean, covariance = self.moments
        size, z = len(mean), random.standard_normal((n, len(mean))) @ np.linalg.cholesky(covariance).T
        if degrees is None:
            x = mean + z
            return x, self.log_density(x) - log_normal(x, mean, covariance)
        scale = (degrees - 2) / degrees
        x = mean + z * np.sqrt(scale * degrees / random.chisquare(degrees, size=n))[:, None]
        distance = np.sum(np.linalg.solve(np.linalg.cholesky(scale * covariance), (x - mean).T) ** 2, axis=0)
        # Constants cancel where weights are normalised.
        return x, self.log_density(x) + 0.5 * (degrees + size) * np.log1p(distance / degrees)

    def draws(self, n, random):
        x, log_weights = self.weighted_draws(4 * n, random, None if self.name == "diffusion" else 8)
        weights = np.exp(log_weights - log_weights.max())
        return x[random.choice(len(x), size=n, replace=False, p=weights / weights.sum())]


def unnormalised(name, data, x):
    """Log of prior times likelihood at the rows of x, constants kept."""
    if name == "waveform":
        design, y = np.array(data["X"]), np.array(data["y"])
        eta = x @ design.T
        return eta @ y - np.logaddexp(0, eta).sum(axis=1) - 0.5 * np.sum(x**2, axis=1) / 100 - 0.5 * x.shape[1] * np.log(2 * np.pi * 100)
    steps, y = data["T"], np.array(data["y"])
    dt, every = 1 / steps, steps // len(y)
    before = np.column_stack([np.zeros(len(x)), x[:, :-1]])
    mean = before + dt * 10 * (before - before**3) / (1 + before**2)
    prior = -0.5 * np.sum((x - mean) ** 2, axis=1) / dt - 0.5 * steps * np.log(2 * np.pi * dt)
    seen = x[:, every - 1 :: every]
    return prior - 0.5 * np.sum((seen - y) ** 2, axis=1) / 0.01 - 0.5 * len(y) * np.log(2 * np.pi * 0.01)


def circle():
    angle = 2 * np.pi * np.arange(1, 9) / 8
    return 4 * np.column_stack([np.cos(angle), np.sin(angle)])


TARGETS = {
    target.name: target
    for target in (
        Banana(),
        Mixture("multimodal", np.array([[-2.0, 0], [2, 0]]), np.stack([np.eye(2)] * 2), 9.5),
        Mixture("x_shaped", np.zeros((2, 2)), np.array([[[2, 1.8], [1.8, 2]], [[2, -1.8], [-1.8, 2]]]), 10.0),
        Mixture("eight_gaussians", circle(), np.stack([0.25 * np.eye(2)] * 8), 7.7),
        HeavyTailed(),
        Posterior("waveform", "beta", WAVEFORM_LOG_EVIDENCE),
        Posterior("diffusion", "u", DIFFUSION_LOG_EVIDENCE),
    )
}
