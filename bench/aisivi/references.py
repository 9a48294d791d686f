"""Posteriors of posteriordb with reference draws: the semi-implicit family and its objective with the defaults, beside full rank and a flow."""

from __future__ import annotations

import csv
import json
import re
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import models
import numpy as np
from experiment import METHODS
from peers.vmodel import Model

DRAWS = 20_000
# Inner samples of the density at a reference draw; the record keeps the bias that they leave, half of the variance of log q.
INNER = 8_192


@dataclass(frozen=True)
class Reference:
    """A posterior of test/posteriordb: its model there, and a program of it with the three families and their fits."""

    name: str

    @cached_property
    def case(self):
        return models.cases([self.name])[0]

    @cached_property
    def reference(self):
        """`summary` of all reference draws by column, and the columns `thinned` that are kept."""
        return json.loads(models.read(self.case.draws))

    @cached_property
    def points(self):
        """The reference draws that are kept, as objects from parameter to value."""
        return self.case.points(len(next(iter(self.reference["thinned"].values()))))

    @property
    def program(self):
        model = models.read(self.case.source)
        of = re.search(r"^model (\w+)", model, re.MULTILINE)[1]
        dimension = sum(int(np.prod(p["shape"])) for p in self.case.parameters)
        return model + (
            f"\nfamily Bent for {of} = semi_implicit(mix = {dimension});\n"
            f"family Gaussian for {of} = full_rank();\n"
            f"family Flow for {of} = spline_autoregressive();\n"
            "fit { family = Bent; }\nfit Gaussian { family = Gaussian; }\nfit Flow { family = Flow; }\n"
        )


REFERENCES = {name: Reference(name) for name in ("eight_schools_centered", "low_dim_gauss_mix", "garch11")}
FITS = ("SemiImplicit", "Gaussian", "Flow")


def measure(executable, run):
    """A record of results.json: log q at the reference draws, and how far moments and quantiles of the fit's draws are from the reference's."""
    posterior, method = REFERENCES[run.task], METHODS[run.method]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = Model(executable, posterior.case)
        steps = ("--steps", run.steps) if run.steps else ()
        fitted = model.fit(folder, *method.options(), "--seed", run.seed, "--threads", 1, *steps)
        record = {"key": run.key, "task": run.task, "method": run.method, "seed": run.seed, "steps": run.steps}
        record |= {"seconds": round(fitted.cpu, 3), "status": fitted.status}
        at, table, fit = folder / "points.json", folder / "draws.csv", folder / "fit.json"
        at.write_text(json.dumps(posterior.points))
        answers = json.loads(model.command("log-q", "--fit", fit, "--at", at, *(("--inner", INNER) if method.integral else ())))
        log_q = np.array([-np.inf if a["log_q"] is None else float(a["log_q"]) for a in answers])
        bias = np.mean([float(a.get("standard_error", 0)) ** 2 / 2 for a in answers])
        record |= {"log_q": log_q.round(5).tolist(), "log_q_bias": float(bias)}
        model.command("sample", "--fit", fit, "--output", table, "--draws", DRAWS, "--seed", run.seed, *(("--inner", 2) if method.integral else ()))
        record |= distances(read_columns(table), posterior.reference)
    return record


def distances(draws, reference):
    """In standard deviations of the reference: the largest differences of a mean and of a quantile; the least and greatest ratio of standard deviations."""
    found = []
    for name, exact in reference["summary"].items():
        x, sd = draws[name], exact["sd"]
        quantiles = np.quantile(x, reference["probabilities"]) - exact["quantiles"]
        found.append((abs(x.mean() - exact["mean"]) / sd, x.std() / sd, np.abs(quantiles).max() / sd))
    means, ratios, quantiles = zip(*found)
    return {"means": float(max(means)), "sds": [float(min(ratios)), float(max(ratios))], "quantiles": float(max(quantiles))}


def read_columns(path):
    """Columns of draws.csv by name."""
    with open(path, newline="") as file:
        rows = csv.reader(file)
        names = next(rows)
        columns = np.array([[float(x) if x else np.nan for x in row] for row in rows]).T
    return dict(zip(names, columns, strict=True))
