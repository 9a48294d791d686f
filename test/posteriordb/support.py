"""Shared by the tests of this folder: the references, fits and their draws, comparisons. Standard library only; models are compiled by
test/tools/vmodel_testing.py.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "tools"))

from vmodel_testing import compile_model, run  # noqa: E402


# ---- references ----


def posteriors():
    return read_json(HERE / "index.json")


def posterior_of(model):
    return next(p for p in posteriors() if p["model"] == model)


def executable_of(posterior):
    return compile_model(HERE / f"{posterior['model']}.vmodel")


def define_classes(module, base, chosen):
    """Gives a test module a class for each posterior with the cases of `base`."""
    for posterior in chosen:
        define_class(module, base, posterior["posterior"], posterior=posterior)


def define_class(module, base, name, **members):
    """Gives a test module a class named after a posterior or model; each class runs in a process of its own."""
    name = "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", name))
    setattr(sys.modules[module], name, type(name, (base,), {"__module__": module, **members}))


def read_json(path):
    return json.loads(Path(path).read_text())


def flat_name(name, index):
    """The column of an element: theta, theta[1], b[2,1] (0-based `index` in, 1-based out)."""
    return f"{name}[{','.join(str(i + 1) for i in index)}]" if index else name


def indices(shape):
    return list(itertools.product(*(range(n) for n in shape)))


# ---- running ----


def log_density(executable, data, points, *options):
    """`EXE log-density` at constrained points."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as at:
        json.dump(points, at)
        at.flush()
        return json.loads(run([executable, "log-density", "--data", data, "--at", at.name, *options]).stdout)


@dataclass
class Fitted:
    status: int  # exit status of `fit`: 0, or 2 where it says that the fit is not to be trusted
    words: str  # the last line of what `fit` wrote to standard error
    draws: dict | None  # columns of draws.csv by name; None where there is no fit to sample


def fit_and_sample(executable, data, family, draws, seed=1, options=()):
    """Fits with the compiler's defaults and samples from the result."""
    with tempfile.TemporaryDirectory() as folder:
        done = run([executable, "fit", "--data", data, "--output", folder, "--family", family, "--seed", seed, *options], status=None)
        lines = done.stderr.strip().splitlines() or [""]
        fit, path = Path(folder) / "fit.json", Path(folder) / "draws.csv"
        if done.returncode not in (0, 2) or not fit.exists():
            return Fitted(done.returncode, lines[-1], None)
        run([executable, "sample", "--fit", fit, "--draws", draws, "--output", path, "--seed", seed])
        return Fitted(done.returncode, lines[-1], read_draws(path))


def read_draws(path):
    with open(path, newline="") as file:
        rows = csv.reader(file)
        names = next(rows)
        columns = zip(*([float(x) if x else math.nan for x in row] for row in rows), strict=True)
        return dict(zip(names, map(list, columns), strict=True))


# ---- draws ----


def unconstrained_columns(posterior, draws):
    """The draws' unconstrained coordinates by parameter name: a list of columns each, row-major. Maps as in index.json."""
    result = {}
    for parameter in posterior["parameters"]:
        columns = [draws[flat_name(parameter["name"], index)] for index in indices(parameter["shape"])]
        map_ = parameter["map"]
        if map_["kind"] in VECTOR_MAPS:
            result[parameter["name"]] = [list(c) for c in zip(*map(VECTOR_MAPS[map_["kind"]], zip(*columns)))]
        else:
            result[parameter["name"]] = [unconstrained_column(map_, draws, column) for column in columns]
    return result


def unconstrained_column(map_, draws, column):
    kind = map_["kind"]
    if kind == "identity":
        return column
    if kind == "log":
        return [math.log(x) for x in column]
    if kind == "logit":  # between 0 and 1 - below_one_minus, a parameter, where that is given
        upper = [1 - v for v in draws[map_["below_one_minus"]]] if "below_one_minus" in map_ else itertools.repeat(1.0)
        return [math.log(x / (u - x)) for x, u in zip(column, upper)]
    if kind == "noncentered":
        return [(x - m) / s for x, m, s in zip(column, draws[map_["location"]], draws[map_["scale"]], strict=True)]
    raise AssertionError(f"no unconstrained columns for the map {kind}")


def unconstrained_ordered(x):
    return [x[0]] + [math.log(b - a) for a, b in zip(x, x[1:])]


def unconstrained_positive_ordered(x):
    return [math.log(x[0])] + unconstrained_ordered(x)[1:]


def unconstrained_simplex(x):
    left, result = 1.0, []
    for k, v in enumerate(x[:-1]):
        result.append(math.log(v / (left - v)) + math.log(len(x) - 1 - k))
        left -= v
    return result


VECTOR_MAPS = {"ordered": unconstrained_ordered, "positive_ordered": unconstrained_positive_ordered, "simplex": unconstrained_simplex}


def optimum_of(posterior, family):
    """The family's own optimum, or None where it has not been computed."""
    path = HERE / "optimum" / f"{posterior['posterior']}-{family}.json"
    return read_json(path) if path.exists() else None


def mean_and_sd(column):
    mean = math.fsum(column) / len(column)
    return mean, math.sqrt(math.fsum((x - mean) ** 2 for x in column) / (len(column) - 1))


def quantiles(column, probabilities):
    """Linear interpolation between order statistics."""
    ordered = sorted(column)
    result = []
    for p in probabilities:
        position = p * (len(ordered) - 1)
        k = min(int(position), len(ordered) - 2)
        result.append(ordered[k] + (position - k) * (ordered[k + 1] - ordered[k]))
    return result


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
