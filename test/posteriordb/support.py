"""Shared by the tests of this folder: where the references are, how a model is compiled and run, how results are compared. Standard library only.

Environment: VMODELC, the compiler (otherwise build/bin/vmodelc of the project); VMODEL_TEST_BUILD, where compiled models are kept (otherwise
build/test/posteriordb of the project). A model is compiled again when it or the compiler is newer than the executable.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
import os
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent


# ---- references ----


def posteriors():
    return read_json(HERE / "index.json")


def read_json(path):
    return json.loads(Path(path).read_text())


def flat_name(name, index):
    """The column of an element: theta, theta[1], b[2,1] (0-based `index` in, 1-based out)."""
    return f"{name}[{','.join(str(i + 1) for i in index)}]" if index else name


def indices(shape):
    return list(itertools.product(*(range(n) for n in shape)))


# ---- compiling and running ----


def compiler():
    return Path(os.environ.get("VMODELC", PROJECT / "build" / "bin" / "vmodelc"))


def build_folder():
    folder = Path(os.environ.get("VMODEL_TEST_BUILD", PROJECT / "build" / "test" / "posteriordb"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def compile_model(source):
    """The executable of a .vmodel file; AssertionError with the compiler's words where there is none."""
    executable = build_folder() / Path(source).stem
    newest = max(Path(source).stat().st_mtime, compiler().stat().st_mtime)
    if not executable.exists() or executable.stat().st_mtime < newest:
        unfinished = executable.with_name(f"{executable.name}.{os.getpid()}")
        run([compiler(), source, "-o", unfinished])
        unfinished.replace(executable)
    return executable


def run(command, allowed=(0,)):
    """Runs a command; its standard output. AssertionError with what it wrote where its exit status is not among the allowed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode not in allowed:
        raise AssertionError(f"exit status {done.returncode}: {' '.join(str(part) for part in command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def log_density(executable, data, points, *options):
    """`EXE log-density` at constrained points."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as at:
        json.dump(points, at)
        at.flush()
        return json.loads(run([executable, "log-density", "--data", data, "--at", at.name, *options]))


def fit_and_sample(executable, data, family, draws, seed=1, options=()):
    """Fits, samples, and returns (exit status 2 noted or not, draws as columns by name)."""
    with tempfile.TemporaryDirectory() as folder:
        command = [executable, "fit", "--data", data, "--output", folder, "--family", family, "--seed", seed, *options]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        if done.returncode not in (0, 2):
            raise AssertionError(f"exit status {done.returncode}: {' '.join(str(part) for part in command)}\n{done.stderr[-4000:]}")
        path = Path(folder) / "draws.csv"
        run([executable, "sample", "--fit", Path(folder) / "fit.json", "--draws", draws, "--output", path, "--data", data])
        return done.returncode == 2, read_draws(path)


def read_draws(path):
    with open(path, newline="") as file:
        rows = csv.reader(file)
        names = next(rows)
        return dict(zip(names, map(list, zip(*([float(x) if x else math.nan for x in row] for row in rows))), strict=True))


# ---- comparing ----


def number(value):
    """Numbers as they stand in results: non-finite ones are strings."""
    return float(value)


def compare_pairs(reference, computed, keys=("log_density", "log_density_with_jacobian")):
    """Differences between every pair of points, which do not see additive constants. Returns the number of pairs and the worst error in units of
    the tolerance 1e-9 |difference| + 2e-14 (|lp_i| + |lp_j|)."""
    pairs, worst = 0, 0.0
    for key in keys:
        known = [(number(r[key]), number(c[key])) for r, c in zip(reference, computed, strict=True) if key in r]
        for (ri, ci), (rj, cj) in itertools.combinations(known, 2):
            tolerance = 1e-9 * abs(ri - rj) + 2e-14 * (abs(ri) + abs(rj))
            pairs, worst = pairs + 1, worse(worst, abs((ci - cj) - (ri - rj)) / tolerance)
    return pairs, worst


def compare_gradients(reference, computed, key="gradient_with_jacobian"):
    """Every gradient component in units of the tolerance 1e-9 max(|g|, 1e-3 max |g|)."""
    count, worst = 0, 0.0
    for r, c in zip(reference, computed, strict=True):
        if key not in r:
            continue
        largest = max(abs(g) for values in r[key].values() for g in values)
        for name, values in r[key].items():
            if len(values) != len(c[key][name]):
                raise AssertionError(f"{key} of {name} has {len(c[key][name])} entries, not {len(values)}")
            for expected, got in zip(values, c[key][name]):
                count, worst = count + 1, worse(worst, abs(number(got) - expected) / (1e-9 * max(abs(expected), 1e-3 * largest)))
    return count, worst


def worse(a, b):
    """The maximum, where NaN is the worst of all."""
    return math.inf if math.isnan(b) else max(a, b)
