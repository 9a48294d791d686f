"""One fit of the experiment: fit, draws, densities of draws and of the reference, metrics."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import metrics
import numpy as np
from peers.vmodel import Model
from tasks import LOOP, METHODS, TASKS

FAMILY_DRAWS = 5_000


@dataclass(frozen=True)
class Run:
    """A fit to make: names of task and method, a seed, and the steps (the paper's, or fewer for a trial)."""

    task: str
    method: str
    seed: int
    steps: int

    @property
    def key(self):
        return f"{self.task} {self.method} {self.seed} {self.steps}"


def settings(task, method, steps):
    objective, own = METHODS[method]
    values = {**LOOP, **own, "steps": steps, "optimizer.rate": task.rate}
    return ["--family", task.family, "--objective", objective, *(f"--set={name}={value}" for name, value in values.items())]


@dataclass(frozen=True)
class Case:
    """What peers.vmodel.Model needs to know of a problem."""

    data: Path


def model_of(executable, data, folder, core=None):
    """An executable with the data of a problem, which are written into the folder."""
    path = Path(folder) / "data.json"
    path.write_text(json.dumps(data))
    return Model(executable, Case(path), core)


def log_q(model, fit, task, draws):
    at = model.case.data.with_name("points.json")
    at.write_text(json.dumps(task.points(draws)))
    return [float(answer["log_q"]) for answer in json.loads(model.command("log-q", "--fit", fit, "--at", at))]


def measure(executable, run):
    """A record of results.json. `status` is the exit status of the fit: 2 says that it does not trust itself, and counts like any other."""
    task = TASKS[run.task]
    problem = task.problem(run.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = model_of(executable, problem.data, folder)
        begin = time.monotonic()
        fitted = model.fit(folder, "--seed", run.seed, "--threads", 1, *settings(task, run.method, run.steps))
        seconds = time.monotonic() - begin
        fit, table = folder / "fit.json", folder / "draws.csv"
        model.command("sample", "--fit", fit, "--draws", FAMILY_DRAWS, "--seed", run.seed, "--output", table)
        draws = read_columns(table, task.names())
        of_draws = log_q(model, fit, task, draws)
        of_reference = log_q(model, fit, task, problem.reference)
    return {
        "key": run.key,
        "task": run.task,
        "method": run.method,
        "seed": run.seed,
        "steps": run.steps,
        "seconds": round(seconds, 3),
        "status": fitted.status,
        "log_q": metrics.mean_log_q(of_reference),
        "mean_accuracy": metrics.mean_accuracy(draws.T.tolist(), problem.reference.T.tolist()),
        "coverage": metrics.coverage(of_reference, of_draws),
    }


def read_columns(path, names):
    with open(path) as file:
        header = file.readline().strip().split(",")
        return np.loadtxt(file, delimiter=",", usecols=[header.index(name) for name in names], ndmin=2)

