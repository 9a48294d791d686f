"""One fit of the experiment: fit, draws, densities of draws and of the reference, metrics."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import metrics
import numpy as np
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


def call(*command, statuses=(0,)):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode not in statuses:
        raise RuntimeError(f"$ {' '.join(map(str, command))}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done


def log_q(executable, fit, task, draws, folder):
    at = folder / "points.json"
    at.write_text(json.dumps(task.points(draws)))
    answers = json.loads(call(executable, "log-q", "--fit", fit, "--at", at).stdout)
    return [float(answer["log_q"]) for answer in answers]


def measure(executable, run):
    """A record of results.json. `status` is the exit status of the fit: 2 says that it does not trust itself, and counts like any other."""
    task = TASKS[run.task]
    problem = task.problem(run.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        data = folder / "data.json"
        data.write_text(json.dumps(problem.data))
        begin = time.monotonic()
        fitted = call(
            *(executable, "fit", "--data", data, "--output", folder, "--seed", run.seed, "--threads", 1),
            *settings(task, run.method, run.steps),
            statuses=(0, 2),
        )
        seconds = time.monotonic() - begin
        fit, table = folder / "fit.json", folder / "draws.csv"
        call(executable, "sample", "--fit", fit, "--draws", FAMILY_DRAWS, "--seed", run.seed, "--data", data, "--output", table)
        draws = read_columns(table, task.names())
        of_draws = log_q(executable, fit, task, draws, folder)
        of_reference = log_q(executable, fit, task, problem.reference, folder)
    return {
        "key": run.key,
        "task": run.task,
        "method": run.method,
        "seed": run.seed,
        "steps": run.steps,
        "seconds": round(seconds, 3),
        "status": fitted.returncode,
        "log_q": metrics.mean_log_q(of_reference),
        "mean_accuracy": metrics.mean_accuracy(draws.T.tolist(), problem.reference.T.tolist()),
        "coverage": metrics.coverage(of_reference, of_draws),
    }


def read_columns(path, names):
    with open(path) as file:
        header = file.readline().strip().split(",")
        return np.loadtxt(file, delimiter=",", usecols=[header.index(name) for name in names], ndmin=2)

