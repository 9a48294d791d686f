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
INNER = 8_192  # inner samples of a density that is an integral, where it decides a figure
INNER_ON_GRID = 1_024  # of one of some thousand densities that are averaged
GRID = 120  # cells of a side: the midpoint rule of such functions converges faster than any power


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
        begin = time.monotonic()
        steps = ("--steps", run.steps) if run.steps else ()
        fitted = model.fit(folder, *method.options(), "--seed", run.seed, "--threads", 1, *steps)
        record = {"key": run.key, "task": run.task, "method": run.method, "seed": run.seed, "steps": run.steps}
        record |= {"seconds": round(time.monotonic() - begin, 3), "status": fitted.status}
        begin = time.monotonic()
        fit, table = folder / "fit.json", folder / "draws.csv"
        inner = ("--inner", INNER) if method.integral else ()
        model.command("sample", "--fit", fit, "--draws", DRAWS, "--seed", run.seed, "--output", table, *inner)
        draws, log_q_draws = read_columns(table, target.parameter)

        def log_q(points, samples):
            at = folder / "points.json"
            at.write_text(json.dumps([{target.parameter: point} for point in points.tolist()]))
            inner = ("--inner", samples) if method.integral else ()
            return np.array([float(answer["log_q"]) for answer in json.loads(model.command("log-q", "--fit", fit, "--at", at, *inner))])

        difference = log_q_draws - target.log_density(draws)
        record |= {"reverse_kl": float(difference.mean()), "reverse_kl_error": float(difference.std() / np.sqrt(len(difference)))}
        record |= forward(target, log_q)
        record |= shape(target, draws, random)
        if not isinstance(target, Posterior) and run.seed == 1:
            record["sketch"] = draws[:1000].round(3).tolist()
        record["measuring"] = round(time.monotonic() - begin, 3)
    return record


def read_columns(path, parameter):
    """Draws [n, D] of an array and log q of each."""
    with open(path) as file:
        header = file.readline().strip().split(",")
        columns = [k for k, name in enumerate(header) if name.startswith(parameter + "[")] + [header.index("log_q__")]
        values = np.loadtxt(file, delimiter=",", usecols=columns, ndmin=2)
    return values[:, :-1], values[:, -1]


def forward(target, log_q):
    """KL(p || q): by quadrature in the plane, by exact draws of a posterior; infinite for a family with normal tails where the target's are heavy."""
    if hasattr(target, "grid"):
        points, cell = target.grid(GRID)
        log_p = target.log_density(points)
        # Cells without mass: together below 1e-9 of it.
        kept = log_p > log_p.max() - 35
        return {"forward_kl": metrics.forward_kl_on_grid(log_p[kept], log_q(points[kept], INNER_ON_GRID), cell)}
    if isinstance(target, Posterior):
        x, log_weights = target.weighted_draws(DRAWS, np.random.default_rng(20_000), None if target.name == "diffusion" else 8)
        weights = np.exp(log_weights - log_weights.max())
        mean, error = metrics.weighted_mean(target.log_density(x) - log_q(x, INNER), weights)
        return {"forward_kl": mean, "forward_kl_error": error}
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
