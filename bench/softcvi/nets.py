"""The additive nets of the SoftCVI paper (Ward, Beaumont and Fasiolo 2025, the experiment on Bayesian neural networks): data, fits, the paper's three metrics, the table.

The paper keeps the iterate of Adam with the best validation of every hundred; here fits of the same seed end after 12,500, 25,000, 50,000 and 100,000 steps of a constant rate, of which each is the
beginning of the next, and the best of the four is kept. The rate is the one that the paper found best.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from experiment import model_of
from tasks import LOOP, METHODS, ROOT

NAME = "additive_nets"
WIDTHS = (50, 100)
SEEDS = 10
TRAINING, VALIDATION, TEST = 300, 150, 1000
NOISE = 3.0
RATE = 5e-5
LENGTHS = (12_500, 25_000, 50_000, 100_000)
VALIDATION_DRAWS, TEST_DRAWS = 100, 1000
QUANTITIES = ("log_likelihood", "iqr", "iqr_coverage")



@dataclass(frozen=True)
class Case:
    """What the compiler needs to know."""

    name: str
    source: Path


CASE = Case(NAME, ROOT / "examples" / "softcvi" / f"{NAME}.vmodel")

# Means and standard errors of ten runs at the rate with the best validation: log likelihood, width of the interquartile range, its coverage.
PUBLISHED = {
    50: {
        "elbo": ((-2.3919, 0.0047), (0.6482, 0.0839), (0.2615, 0.0418)),
        "snis_forward_kl": ((-2.4222, 0.0071), (0.6951, 0.0110), (0.1864, 0.0081)),
        "softcvi(0.75)": ((-2.4239, 0.0072), (0.7431, 0.0180), (0.2022, 0.0089)),
        "softcvi(1)": ((-2.4215, 0.0070), (0.7009, 0.0122), (0.1897, 0.0088)),
    },
    100: {
        "elbo": ((-2.3917, 0.0052), (0.6415, 0.0653), (0.2640, 0.0306)),
        "snis_forward_kl": ((-2.4215, 0.0053), (0.9381, 0.0105), (0.2558, 0.0075)),
        "softcvi(0.75)": ((-2.4228, 0.0052), (0.9828, 0.0170), (0.2706, 0.0096)),
        "softcvi(1)": ((-2.4230, 0.0051), (0.9432, 0.0118), (0.2597, 0.0087)),
    },
}


@dataclass(frozen=True)
class Run:
    """A width of the nets, the name of a method, a seed, and the steps of the longest fit (the paper's, or fewer for a trial)."""

    width: int
    method: str
    seed: int
    steps: int

    @property
    def key(self):
        return f"{NAME} {self.width} {self.method} {self.seed} {self.steps}"


def truth(x):
    """The mean of y at the rows of x [n, 10]; seven of the inputs are without influence."""
    return 0.1 * x[:, 0] ** 3 + np.abs(x[:, 1]) - x[:, 2]


@dataclass(frozen=True)
class Problem:
    data: dict  # of the model; x_new has the rows of validation and then those of the test
    mean: np.ndarray  # truth at x_new
    y: np.ndarray  # what is observed there


def problem(seed, width):
    random = np.random.default_rng([seed, 3])
    x = random.uniform(-4, 4, (TRAINING + VALIDATION + TEST, 10))
    mean = truth(x)
    y = mean + NOISE * random.standard_normal(len(x))
    data = {"n": TRAINING, "d": 10, "width": width, "x": x[:TRAINING].tolist(), "y": y[:TRAINING].tolist(), "m": VALIDATION + TEST, "x_new": x[TRAINING:].tolist()}
    return Problem(data, mean[TRAINING:], y[TRAINING:])


# ---------------------------------------------------------------- metrics


def log_likelihood(predictions, y, random):
    """The logarithm of the mean density of an observation that is chosen by chance for each draw; predictions [draws, points]."""
    which = random.integers(0, len(y), len(predictions))
    error = (y[which] - predictions[np.arange(len(predictions)), which]) / NOISE
    terms = -0.5 * error**2 - math.log(NOISE) - 0.5 * math.log(2 * math.pi)
    top = terms.max()
    return float(top + np.log(np.mean(np.exp(terms - top))))


def interquartile(predictions, mean):
    """Mean width of the interquartile range, and the share of points whose true mean it holds."""
    low, high = np.quantile(predictions, [0.25, 0.75], axis=0)
    return float(np.mean(high - low)), float(np.mean((low <= mean) & (mean <= high)))


# ---------------------------------------------------------------- a run


def measure(executable, run):
    given = problem(run.seed, run.width)
    random = np.random.default_rng([run.seed, 4])
    objective, own = METHODS[run.method]
    begin = time.monotonic()
    best = None
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = model_of(executable, given.data, folder)
        for length in (max(length * run.steps // LENGTHS[-1], 1) for length in LENGTHS):
            settings = {**LOOP, **own, "steps": length, "optimizer.rate": RATE, "optimizer.clip": 0}
            fitted = model.fit(folder, "--seed", run.seed, "--threads", 1, "--family", "Guide", "--objective", objective, *(f"--set={name}={value}" for name, value in settings.items()))
            validation = log_likelihood(draws(model, folder, VALIDATION_DRAWS, run.seed + 1)[:, :VALIDATION], given.y[:VALIDATION], random)
            if best is None or validation > best["validation"]:
                predictions = draws(model, folder, TEST_DRAWS, run.seed)[:, VALIDATION:]
                width, coverage = interquartile(predictions, given.mean[VALIDATION:])
                score = log_likelihood(predictions, given.y[VALIDATION:], random)
                best = {"validation": validation, "best_length": length, "log_likelihood": score, "iqr": width, "iqr_coverage": coverage, "status": fitted.status}
    return {"key": run.key, "task": NAME, "width": run.width, "method": run.method, "seed": run.seed, "steps": run.steps, "seconds": round(time.monotonic() - begin, 1), **best}


def draws(model, folder, count, seed):
    """Predictions of draws of the fit in the folder, [count, points]."""
    table = folder / "draws.csv"
    model.command("sample", "--fit", folder / "fit.json", "--draws", count, "--seed", seed, "--output", table)
    with open(table) as file:
        next(file)
        return np.array([[float(value) for value in line.split(",")[-(VALIDATION + TEST) :]] for line in file])


# ---------------------------------------------------------------- the table


def page(results):
    """The text of docs/additive_nets.md from results.json."""
    found = {}
    for record in results["fits"].values():
        if record["task"] == NAME:
            found.setdefault((record["width"], record["method"]), []).append(record)
    lengths = " / ".join(f"{length:,}" for length in LENGTHS)
    rows = [
        "# Additive nets",
        "",
        f"`./dev bench softcvi {NAME}` writes this page. The experiment of Ward, Beaumont and Fasiolo (2025) with the weights of nets as parameters (`examples/softcvi/{NAME}.vmodel`): {TRAINING} observations of the sum of functions of ten",
        f"variables with noise of standard deviation {NOISE:g}, each function a net with one hidden layer, Laplace priors, independent normals as the family. K = 8, Adam at a rate of {RATE:g} without clipping; of the iterates after {lengths} steps that with the",
        "best validation (the paper: of every hundred steps). Means (standard errors of the mean) over runs; the published ones have ten.",
        "",
        f"The log likelihood is that of new observations, one for each of {TEST_DRAWS:,} draws; at the truth it would be {-0.5 * math.log(4 * math.pi * NOISE**2):.3f}. The range is the interquartile range of the mean at {TEST:,} new points; ideally it would hold the true mean",
        f"at half of them. All objectives of a run share its new observations, whose noise moves their log likelihoods together (standard error {math.sqrt(0.5 / TEST):.3f} a run). Measured on: {results.get('machine', {}).get('processor', 'unknown')}; a run takes the seconds of all four fits with their draws, on one thread of a machine that did other work beside.",
        "",
        "| weights | objective | runs | log likelihood | published | width of the range | published | coverage | published | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for width in WIDTHS:
        for method in METHODS:
            runs = found.get((width, method), [])
            if not runs:
                continue
            cells = [f"{30 * width:,}", method, str(len(runs))]
            for quantity, (mean, error) in zip(QUANTITIES, PUBLISHED[width][method]):
                values = np.array([record[quantity] for record in runs])
                own_error = f" ({values.std(ddof=1) / math.sqrt(len(values)):.4f})" if len(values) > 1 else ""
                cells += [f"{values.mean():.4f}{own_error}", f"{mean:.4f} ({error:.4f})"]
            cells.append(f"{np.median([record['seconds'] for record in runs]):.0f}")
            rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"
