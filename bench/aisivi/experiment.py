"""One fit of the experiment: fit, draws, densities, distances to the target."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import metrics
import numpy as np
from peers.vmodel import Model
from targets import EXAMPLES, TARGETS, Posterior, circle

DRAWS = 20_000
# Draws of the fit whose density, an integral, is estimated, and inner samples of each: in the plane, of posteriors.
DRAWS_IN_PLANE, INNER_IN_PLANE = 5_000, 2_048
DRAWS_OF_POSTERIOR, INNER_OF_POSTERIOR = 2_000, 8_192
# Inner samples of a density: so many that the bias of log q, half of the variance of its estimate, is on average below this share of the
# divergence that is measured, or below this; found at some of the points.
INNER = (512, 8_192)
BIAS_SHARE, BIAS = 0.05, 5e-5
PROBES = 200
GRID = 100  # cells of a side: the midpoint rule of such functions converges faster than any power


@dataclass(frozen=True)
class Method:
    """What is fitted how: the fit of the example of that name (`fit --run`), and whether its family's density is an integral."""

    name: str
    title: str
    integral: bool = False

    def options(self):
        return () if self.name == UNNAMED else ("--run", self.name)


UNNAMED = "SemiImplicit"  # the name of the fit that has none
METHODS = {
    method.name: method
    for method in (
        Method(UNNAMED, "semi-implicit, defaults", True),
        Method("LearnedProposal", "the same, its proposal learned alone", True),
        Method("PriorSamples", "the same by bsivi", True),
        Method("Published", "as published", True),
        Method("Gaussian", "full rank"),
        Method("Flow", "flow"),
    )
}


@dataclass(frozen=True)
class Run:
    """A fit to make: target and fit of its example, a seed, and the steps (None: the example's; fewer for a trial)."""

    task: str
    method: str
    seed: int
    steps: int | None = None

    @property
    def key(self):
        return f"{self.task} {self.method} {self.seed} {self.steps}"


@dataclass(frozen=True)
class Case:
    """What peers.vmodel.Model needs to know of a problem."""

    data: Path


def runs_of(target):
    """Names of the fits that the target's file has, in the order of METHODS."""
    source = (EXAMPLES / f"{target}.vmodel").read_text()
    return [name for name in METHODS if name == UNNAMED or f"fit {name} " in source]


def measure(executable, run):
    """A record of results.json. `status` is the exit status of the fit: 2 says that it does not trust itself."""
    target, method = TARGETS[run.task], METHODS[run.method]
    random = np.random.default_rng([run.seed, 7])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        data = folder / "data.json"
        data.write_text(json.dumps(target.data))
        model = Model(executable, Case(data))
        steps = ("--steps", run.steps) if run.steps else ()
        fitted = model.fit(folder, *method.options(), "--seed", run.seed, "--threads", 1, *steps)
        record = {"key": run.key, "task": run.task, "method": run.method, "seed": run.seed, "steps": run.steps}
        # Of the processor: fits beside each other share it.
        record |= {"seconds": round(fitted.cpu, 3), "status": fitted.status}
        begin = time.monotonic()
        density = Density(model, folder, target, method)
        draws, log_q = density.of_draws(run.seed)
        difference = log_q - target.log_density(draws[: len(log_q)])
        record |= {"reverse_kl": float(difference.mean()), "reverse_kl_error": float(difference.std() / np.sqrt(len(difference)))}
        record |= forward(target, density)
        record |= shape(target, draws, random)
        if not isinstance(target, Posterior) and run.seed == 1:
            record["sketch"] = draws[:1000].round(3).tolist()
        record["measuring"] = round(time.monotonic() - begin, 3)
    return record


class Density:
    """log q of a fit: closed, or estimated with as many inner samples as its points ask for."""

    def __init__(self, model, folder, target, method):
        self.model, self.folder, self.target, self.integral = model, folder, target, method.integral
        self.fit = folder / "fit.json"

    def of_draws(self, seed):
        """DRAWS draws, and log q of the first of them."""
        table = self.folder / "draws.csv"
        common = ("--fit", self.fit, "--output", table)
        count, inner = DRAWS, ()
        if self.integral:
            posterior = isinstance(self.target, Posterior)
            count = DRAWS_OF_POSTERIOR if posterior else DRAWS_IN_PLANE
            inner = ("--inner", INNER_OF_POSTERIOR if posterior else INNER_IN_PLANE)  # reverse divergences are biased downwards by few
        self.model.command("sample", *common, "--draws", count, "--seed", seed, *inner)
        draws, log_q = read_columns(table, self.target.parameter)
        if self.integral:
            self.model.command("sample", *common, "--draws", DRAWS - count, "--seed", seed + 1_000, "--inner", 2)
            draws = np.concatenate([draws, read_columns(table, self.target.parameter)[0]])
        return draws, log_q

    def at(self, points, inner):
        """log q and its standard errors."""
        at = self.folder / "points.json"
        at.write_text(json.dumps([{self.target.parameter: point} for point in points.tolist()]))
        options = ("--inner", inner) if self.integral else ()
        answers = json.loads(self.model.command("log-q", "--fit", self.fit, "--at", at, *options))
        return np.array([float(a["log_q"]) for a in answers]), np.array([float(a.get("standard_error", 0)) for a in answers])

    def resolved(self, points, log_p, weights):
        """log q at all points and its standard errors with the number of inner samples that some of them ask for, and this number."""
        w = weights / weights.sum()
        inner = INNER[0]
        probes = np.random.default_rng(0).choice(len(points), size=min(PROBES, len(points)), p=w)
        while self.integral and inner < INNER[1]:
            log_q, error = self.at(points[probes], inner)
            if np.mean(error**2) / 2 <= max(BIAS, BIAS_SHARE * np.mean(log_p[probes] - log_q)):
                break
            inner *= 2
        return *self.at(points, inner), inner


def read_columns(path, parameter):
    """Draws [n, D] of an array and log q of each."""
    with open(path) as file:
        header = file.readline().strip().split(",")
        columns = [k for k, name in enumerate(header) if name.startswith(parameter + "[")] + [header.index("log_q__")]
        values = np.loadtxt(file, delimiter=",", usecols=columns, ndmin=2)
    return values[:, :-1], values[:, -1]


def forward(target, density):
    """KL(p || q): by quadrature in the plane, by exact draws of a posterior; infinite for a family with normal tails where the target's are heavy."""
    if hasattr(target, "grid"):
        points, cell = target.grid(GRID)
        log_p = target.log_density(points)
        # Cells without mass: together below 1e-9 of it.
        kept = log_p > log_p.max() - 28
        points, log_p = points[kept], log_p[kept]
        log_q, error, inner = density.resolved(points, log_p, np.exp(log_p))
        # Errors of log q at different cells are independent.
        return {"forward_kl": metrics.forward_kl_on_grid(log_p, log_q, cell), "forward_kl_error": float(cell * np.linalg.norm(np.exp(log_p) * error)), "inner": inner}
    if isinstance(target, Posterior):
        x, log_weights = target.weighted_draws(DRAWS, np.random.default_rng(20_000), None if target.name == "diffusion" else 8)
        weights, log_p = np.exp(log_weights - log_weights.max()), target.log_density(x)
        log_q, _, inner = density.resolved(x, log_p, weights)
        mean, error = metrics.weighted_mean(log_p - log_q, weights)
        return {"forward_kl": mean, "forward_kl_error": error, "inner": inner}
    return {}


def shape(target, draws, random):
    reference = target.draws(10_000, random)
    found = {}
    if target.name != "heavy_tailed":  # whose second moment is infinite
        found["sliced_wasserstein"] = metrics.sliced_wasserstein(draws[: len(reference)], reference)
    if isinstance(target, Posterior):
        found["correlation_rmse"] = metrics.correlation_rmse(draws, target.moments[1])
    if target.name == "eight_gaussians":
        found["mode_weights"] = metrics.mode_weights(draws, circle()).tolist()
    if target.name == "diffusion":
        at = target.draws(1_000, np.random.default_rng(1_000))
        exact = metrics.coordinate_marginals(target.draws(DRAWS, np.random.default_rng(1_001)), at)
        found |= {"coordinate_marginals": metrics.coordinate_marginals(draws, at), "coordinate_marginals_exact": exact}
    return found
