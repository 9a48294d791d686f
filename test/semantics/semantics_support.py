"""What the tests of meaning share: small models whose log densities are computed again in Python.

A case is a model, its data, points, and a function that gives the log density at a point (complete with constants)
with the `math` module alone. It passes when

* the compiled density equals it for one lane and for all lanes of the machine,
* the gradients of both agree, and `EXE check` finds no difference from differences of the density,
* the quantities of a few draws equal those computed from the parameters of these draws.
"""

import csv
import json
import math
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from vmodel_testing import BUILD, compile_model, run  # noqa: E402

TOLERANCE = 1e-12
LOG_2PI = math.log(2 * math.pi)


def normal(x, m=0.0, s=1.0):
    return -0.5 * ((x - m) / s) ** 2 - math.log(s) - 0.5 * LOG_2PI


def normals(xs, ms=0.0, ss=1.0):
    """Sum over elements; scalars are repeated."""
    xs = list(xs)
    ms = ms if isinstance(ms, (list, tuple)) else [ms] * len(xs)
    ss = ss if isinstance(ss, (list, tuple)) else [ss] * len(xs)
    return math.fsum(normal(x, m, s) for x, m, s in zip(xs, ms, ss))


def normal_cdf(x, m=0.0, s=1.0):
    return 0.5 * math.erfc(-(x - m) / s / math.sqrt(2))


def cauchy(x, m=0.0, s=1.0):
    return -math.log(math.pi * s) - math.log1p(((x - m) / s) ** 2)


def exponential(x, rate=1.0):
    return math.log(rate) - rate * x


def gamma(x, a, b):
    return a * math.log(b) - math.lgamma(a) + (a - 1) * math.log(x) - b * x


def beta(x, a, b):
    return (a - 1) * math.log(x) + (b - 1) * math.log1p(-x) - math.lgamma(a) - math.lgamma(b) + math.lgamma(a + b)


def lognormal(x, m, s):
    return normal(math.log(x), m, s) - math.log(x)


def poisson(k, rate):
    return k * math.log(rate) - rate - math.lgamma(k + 1)


def dirichlet(x, a):
    return math.fsum((ai - 1) * math.log(xi) - math.lgamma(ai) for xi, ai in zip(x, a)) + math.lgamma(sum(a))


def log_sum_exp(*terms):
    top = max(terms)
    return top if math.isinf(top) else top + math.log(math.fsum(math.exp(t - top) for t in terms))


def inv_logit(x):
    return 1 / (1 + math.exp(-x))


def dot(x, y):
    return math.fsum(a * b for a, b in zip(x, y))


def matmul(x, y):
    """Of nested lists: matrices and vectors."""
    if not isinstance(x[0], (list, tuple)):
        return dot(x, y) if not isinstance(y[0], (list, tuple)) else [dot(x, [row[j] for row in y]) for j in range(len(y[0]))]
    return [matmul(row, y) for row in x]


def multi_normal_cholesky(x, m, L):
    z = []
    for i in range(len(x)):
        z.append((x[i] - m[i] - dot(L[i][:i], z)) / L[i][i])
    return math.fsum(normal(v) for v in z) - math.fsum(math.log(L[i][i]) for i in range(len(x)))


def cholesky(A):
    n = len(A)
    L = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            s = A[i][j] - dot(L[i][:j], L[j][:j])
            L[i][j] = math.sqrt(s) if i == j else s / L[j][j]
    return L


def number(value):
    return math.nan if value is None else float(value)


def flatten(value):
    if isinstance(value, (list, tuple)):
        return [x for v in value for x in flatten(v)]
    return [float(value)]


class Meaning(unittest.TestCase):
    """Base of the tests: `self.same(model, data, points, log_density)`."""

    maxDiff = None

    def setUp(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="vmodel-semantics-"))
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)

    def compiled(self, model, *options):
        """The executable of a model given as text."""
        folder = BUILD / "test" / "semantics"
        folder.mkdir(parents=True, exist_ok=True)
        source = folder / f"{type(self).__name__}_{self._testMethodName}.vmodel"
        if not source.exists() or source.read_text() != model:
            source.write_text(model)
        return compile_model(source, *options)

    def write(self, name, value):
        path = self.scratch / name
        path.write_text(json.dumps(value))
        return path

    def close(self, ours, reference, what, tolerance=TOLERANCE):
        if math.isnan(reference) or math.isinf(reference):
            same = ours == reference or (math.isnan(ours) and math.isnan(reference))
        else:
            same = abs(ours - reference) <= tolerance * max(1.0, abs(reference))
        self.assertTrue(same, f"{what}: {ours!r}, not {reference!r}")

    def densities(self, executable, data, points, lanes):
        command = [executable, "log-density", "--data", data, "--at", points, "--lanes", lanes]
        return json.loads(run(command).stdout)

    def same(self, model, data, points, log_density, quantities=None, tolerance=TOLERANCE, derivatives=True, families=("mean_field",)):
        """See the head of the file. quantities: point -> {name: value}."""
        points = points if isinstance(points, list) else [points]
        executable = self.compiled(model, "--families=" + ",".join(families))
        data_file, points_file = self.write("data.json", data), self.write("points.json", points)
        one = self.densities(executable, data_file, points_file, "1")
        native = self.densities(executable, data_file, points_file, "native")
        for k, point in enumerate(points):
            reference = log_density(data, point)
            self.close(number(one[k]["log_density"]), reference, f"log density at point {k}, one lane", tolerance)
            self.close(number(native[k]["log_density"]), reference, f"log density at point {k}, all lanes", tolerance)
            if math.isinf(reference) or math.isnan(reference):
                continue
            for name in point:
                for i, (a, b) in enumerate(zip(one[k]["gradient_with_jacobian"][name], native[k]["gradient_with_jacobian"][name])):
                    self.assertTrue(math.isfinite(number(a)), f"gradient by {name}[{i}]: {a}")
                    self.close(number(b), number(a), f"gradient by {name}[{i}], lanes", 1e-9)
        if derivatives:
            run([executable, "check", "--data", data_file])
        if quantities:
            self.quantities(executable, data_file, data, points[0], quantities)
        return executable

    def draws(self, executable, data_file, draws=8, steps=3, family="mean_field", seed=1):
        """Rows of parameters and quantities, as {name: number}."""
        folder = self.scratch / "run"
        command = [executable, "fit", "--data", data_file, "--output", folder, "--family", family, "--steps", steps, "--quiet", "--seed", seed]
        done = run(command, status=None)
        self.assertIn(done.returncode, (0, 2), done.stderr)
        run([executable, "sample", "--fit", folder / "fit.json", "--data", data_file, "--draws", draws, "--output", folder / "draws.csv"])
        with open(folder / "draws.csv", newline="") as file:
            return [{k: float(v) if v else math.nan for k, v in row.items()} for row in csv.DictReader(file)]

    def quantities(self, executable, data_file, data, point, compute):
        for row in self.draws(executable, data_file):
            here = {name: shaped(row, name, value) for name, value in point.items()}
            for name, value in compute(data, here).items():
                self.assertIn(name if not isinstance(value, (list, tuple)) else name + "[1]" if not isinstance(value[0], (list, tuple)) else name + "[1,1]", row)
                ours = flatten(shaped(row, name, value))
                for i, (a, b) in enumerate(zip(ours, flatten(value))):
                    self.close(a, b, f"quantity {name}[{i}]", 1e-11)


def shaped(row, name, like, indices=()):
    """The value of a draw in the shape of `like`."""
    if isinstance(like, (list, tuple)):
        return [shaped(row, name, item, indices + (i + 1,)) for i, item in enumerate(like)]
    return row[name + (f"[{','.join(map(str, indices))}]" if indices else "")]


FAMILY_MODEL = """model M { data y: real[3]; param a: real ~ normal(0, 1); param s: real<lower=0> ~ exponential(1); param p: real<lower=0, upper=1> ~ uniform();
  param v: real[3] ~ normal(a, s); noncentered param w: real[2] ~ normal(a, s); param x: simplex<3> ~ dirichlet([2, 2, 2]); observe y ~ normal(v * p + w[1] + x[2], 1); factor -w[2]^2; }
"""
FAMILY_DATA = {"y": [0.3, -0.5, 1.1]}
FAMILY_POINT = {"a": 0.3, "s": 0.8, "p": 0.4, "v": [0.1, -0.4, 0.9], "w": [0.2, -0.1], "x": [0.2, 0.5, 0.3]}
REST = " x ~ dirichlet([3, 4, 5]);"


def rest():
    x = FAMILY_POINT["x"]
    return sum((k - 1) * math.log(v) - math.lgamma(k) for k, v in zip((3, 4, 5), x)) + math.lgamma(12)


class FamilyMeaning(Meaning):
    """Base of the tests of families: `self.family(statements, log_q)`, of a model M with its data at a point."""

    MODEL, DATA, POINT = FAMILY_MODEL, FAMILY_DATA, FAMILY_POINT

    def family(self, body, log_q, before=""):
        """The density of the family at the point after a few steps, by the point and the learned values, and that of its draws."""
        executable = self.compiled(before + self.MODEL + "family F for M { " + body + " }", "--families=F")
        data, points = self.write("data.json", self.DATA), self.write("points.json", [self.POINT])
        folder = self.scratch / "fit"
        done = run([executable, "fit", "--data", data, "--output", folder, "--family", "F", "--steps", 300, "--quiet", "--set", "start=plain", "--set", "precondition=off", "--set", "warm_up=off"], status=None)
        self.assertIn(done.returncode, (0, 2), done.stderr)
        learned = json.loads((folder / "fit.json").read_text())
        values = self.learnables(learned)
        ours = json.loads(run([executable, "log-q", "--fit", folder / "fit.json", "--data", data, "--at", points]).stdout)
        ours = ours[0] if isinstance(ours, list) else ours
        self.close(number(ours["log_q"]), log_q(values, self.POINT), "log q", 1e-11)
        run([executable, "sample", "--fit", folder / "fit.json", "--data", data, "--draws", 20, "--output", folder / "draws.csv"])
        self.consistent(executable, folder, data)
        return executable

    def consistent(self, executable, folder, data):
        """log q of the draws equals the density of the family at these points."""
        with open(folder / "draws.csv", newline="") as file:
            rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
        points = [{name: shaped(row, name, value) for name, value in self.POINT.items()} for row in rows]
        found = json.loads(run([executable, "log-q", "--fit", folder / "fit.json", "--data", data, "--at", self.write("draws.json", points), "--scale", "unconstrained"]).stdout)
        for row, point in zip(rows, found):
            self.close(number(point["log_q"]), row["log_q__"], "log q of a draw", 1e-8)

    @staticmethod
    def learnables(fit):
        entries = fit["learnables"]
        if isinstance(entries, dict):
            return {k: v["value"] if isinstance(v, dict) and "value" in v else v for k, v in entries.items()}
        return {e["name"]: e.get("value", e.get("values")) for e in entries}
