"""The four tasks of the SoftCVI paper (Ward, Beaumont, Fasiolo 2025, section 5): data and reference draws of a seed, and the paper's settings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
REFERENCES = Path(__file__).resolve().parent / "data" / "references.npz"
PARTICLES = 8
STEPS = 50_000
REFERENCE_DRAWS = 10_000
SLCP_LAYERS = 4  # of the flow

# Name of a method -> objective and its settings.
METHODS = {
    "softcvi(0.75)": ("softcvi", {"alpha": 0.75}),
    "softcvi(1)": ("softcvi", {"alpha": 1}),
    "snis_forward_kl": ("snis_forward_kl", {}),
    "elbo": ("elbo", {"estimator": "pathwise"}),
}
# The paper's loop and nothing else: the last iterate of Adam, clipped to a global norm of 10, from the family's own initial values.
LOOP = {
    "steps": STEPS,
    "particles": PARTICLES,
    "optimizer.schedule": "constant",
    "optimizer.clip": 10,
    "average": 0,
    "settle": 0,
    "start": "plain",
    "precondition": "off",
    "warm_up": "off",
}


@dataclass(frozen=True)
class Problem:
    """What a seed is given: the data of the model, and reference draws [M, latents] in the order of the task's `names`."""

    data: dict
    reference: np.ndarray


@dataclass(frozen=True)
class Task:
    name: str
    family: str
    rate: float
    shapes: dict  # parameter -> shape, in the order of the reference's columns
    problem: Callable[[int], Problem]

    @property
    def source(self):
        return ROOT / "examples" / "softcvi" / f"{self.name}.vmodel"

    def points(self, draws):
        """Draws [M, latents] as the points that `log-q --at` reads."""
        found, start = [{} for _ in draws], 0
        for name, shape in self.shapes.items():
            size = int(np.prod(shape, dtype=int))
            values = draws[:, start : start + size].reshape(len(draws), *shape).tolist()
            for point, value in zip(found, values):
                point[name] = value
            start += size
        return found

    def names(self):
        """The columns of draws.csv, in the order of the reference's."""
        found = []
        for name, shape in self.shapes.items():
            assert len(shape) <= 1
            found += [f"{name}[{k + 1}]" for k in range(shape[0])] if shape else [name]
        return found


def references():
    with np.load(REFERENCES) as file:
        return {name: file[name].astype(float) for name in file.files}


def eight_schools(_):
    data = {"J": 8, "y": [28, 8, -3, 7, -1, 1, 18, 12], "sigma": [15, 10, 16, 11, 9, 11, 10, 18]}
    return Problem(data, references()["eight_schools"])


def linear_regression(seed):
    """New data for every seed. The reference has beta and the intercept from their marginals, independently, as the paper's code draws them."""
    n, d = 200, 50
    random = np.random.default_rng([seed, 1])
    x = random.standard_normal((n, d))
    beta, intercept = random.standard_normal(d), random.standard_normal()
    y = x @ beta + intercept + random.standard_normal(n)
    columns = np.column_stack([x, np.ones(n)])
    covariance = np.linalg.inv(columns.T @ columns + np.eye(d + 1))
    mean = covariance @ columns.T @ y
    reference = np.column_stack(
        [
            random.multivariate_normal(mean[:d], covariance[:d, :d], size=REFERENCE_DRAWS, method="cholesky"),
            random.normal(mean[d], np.sqrt(covariance[d, d]), size=REFERENCE_DRAWS),
        ]
    )
    return Problem({"n": n, "d": d, "x": x.tolist(), "y": y.tolist()}, reference)


def slcp(seed):
    """Five seeds for each of the ten observations; each seed has permutations of its own between the layers of the flow."""
    which, found = seed % 10, references()
    random = np.random.default_rng([seed, 2])
    order = [(random.permutation(5) + 1).tolist() for _ in range(SLCP_LAYERS)]
    return Problem({"x": found["slcp_observations"][which].tolist(), "L": SLCP_LAYERS, "order": order}, found["slcp"][which])


def garch(_):
    data = json.loads((ROOT / "test" / "posteriordb" / "data" / "garch.json").read_text())
    return Problem(data, references()["garch"])


TASKS = {
    task.name: task
    for task in (
        Task("eight_schools", "Guide", 1e-3, {"mu": (), "tau": (), "theta": (8,)}, eight_schools),
        Task("linear_regression", "Guide", 2e-3, {"beta": (50,), "intercept": ()}, linear_regression),
        Task("slcp", "Guide", 1e-4, {"theta": (5,)}, slcp),
        Task("garch", "Guide", 5e-4, {"mu": (), "alpha0": (), "alpha1": (), "beta1": ()}, garch),
    )
}
