"""The maps between unconstrained coordinates and supports, through a model's kernels: values, inverses, log Jacobians and their gradients.

The reference is written in decimal numbers of 80 digits: forward maps from their definitions, Jacobians as determinants of differences. Errors are
measured in units of the last place of what is exact: of the value, or of the coordinate times what the map loses (a lower bound of 2 forgets
exp(-700)).
"""

import decimal
import math
import pathlib
import random
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tools"))

from kernels import Model  # noqa: E402
from vmodel_testing import compile_model  # noqa: E402

import support  # noqa: E402

decimal.getcontext().prec = 80
decimal.getcontext().Emax, decimal.getcontext().Emin = decimal.MAX_EMAX, decimal.MIN_EMIN
D = decimal.Decimal
ULP = 2.0**-52
SHIFT = D(10) ** -30

MODEL = """
model Maps {
  data K: int<lower=1>;
  data low: real;
  param a: real<lower=low> ~ flat();
  param b: real<upper=low> ~ flat();
  param c: real<lower=low, upper=low + 8> ~ flat();
  param s: simplex<K> ~ flat();
  param o: ordered<K> ~ flat();
  param p: positive_ordered<K> ~ flat();
  param L: cov_cholesky<K> ~ flat();
}
"""


def inv_logit(z):
    return 1 / (1 + (-z).exp())


def lower(z, low):
    return [low + z[0].exp()]


def upper(z, low):
    return [low - z[0].exp()]


def interval(z, low):
    return [low + 8 * inv_logit(z[0])]


def simplex(z, _):
    """All but the last share, which is what is left."""
    rest, result = D(1), []
    for k, v in enumerate(z):
        t = v - D(len(z) - k).ln()
        result.append(rest * inv_logit(t))
        rest *= inv_logit(-t)
    return result


def ordered(z, _):
    result = [z[0]]
    for v in z[1:]:
        result.append(result[-1] + v.exp())
    return result


def positive_ordered(z, _):
    return ordered([z[0].exp(), *z[1:]], None)


def cholesky(z, _):
    """The lower triangle row by row: the last of each row is on the diagonal."""
    ends = {i * (i + 3) // 2 for i in range(len(z))}
    return [v.exp() if i in ends else v for i, v in enumerate(z)]


MAPS = {"a": lower, "b": upper, "c": interval, "s": simplex, "o": ordered, "p": positive_ordered, "L": cholesky}


def dimension(name, k):
    return {"s": k - 1, "o": k, "p": k, "L": k * (k + 1) // 2}.get(name, 1)


def free(name, x, k):
    """The free coordinates among the reported values."""
    if name == "L":
        return [x[i * k + j] for i in range(k) for j in range(i + 1)]
    return x[:dimension(name, k)]


def log_jacobian(name, z, low):
    """log |det| of differences, by elimination."""
    f = MAPS[name]
    if not z:
        return D(0)
    here = f(z, low)
    columns = [[(a - b) / SHIFT for a, b in zip(f([v + (SHIFT if i == j else 0) for i, v in enumerate(z)], low), here)] for j in range(len(z))]
    result = D(0)
    for i in range(len(z)):
        pivot = max(range(i, len(z)), key=lambda c: abs(columns[c][i]))
        columns[i], columns[pivot] = columns[pivot], columns[i]
        result += abs(columns[i][i]).ln()
        for c in range(i + 1, len(z)):
            if columns[c][i]:
                factor = columns[c][i] / columns[i][i]
                columns[c] = [a - factor * b for a, b in zip(columns[c], columns[i])]
    return result


class Bijectors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        source = support.scratch() / "maps.vmodel"
        source.write_text(MODEL)
        cls.executable = compile_model(source)

    def model(self, k, low):
        return Model(self.executable, {"K": k, "low": low})

    def split(self, model, flat, kind):
        """A flat vector of coordinates or of values, by parameter."""
        result = {}
        for p in model.metadata["parameters"]:
            start, size = (model.size(p["unconstrained_offset"]), model.size(p["unconstrained_size"])) if kind == "z" else (
                model.size(p["offset"]), model.size(p["size"]))
            result[p["name"]] = flat[start:start + size]
        return result

    def points(self, k, number, spread, seed=1):
        source = random.Random(seed)
        count = sum(dimension(name, k) for name in MAPS)
        return [[source.gauss(0, spread) for _ in range(count)] for _ in range(number)]

    def check_values(self, k, low, points):
        model = self.model(k, low)
        xs = model.call("constrain", z=points)["x"]
        back = model.call("unconstrain", x=xs)["z"]
        for z, x, again in zip(points, xs, back):
            parts, values, found = self.split(model, z, "z"), self.split(model, x, "x"), self.split(model, again, "z")
            for name, f in MAPS.items():
                exact = f([D(v) for v in parts[name]], D(low))
                got = free(name, values[name], k)
                self.assertEqual(len(got), len(exact))
                # What rounding an exponent v (and sums of k of them) does to exp(v) is |v| units; sums have the error of their largest term.
                exponent = 2 + max([abs(v) for v in parts[name]], default=0.0) + (k * math.log(k + 1) if name == "s" else 0)
                for number, (e, g) in enumerate(zip(exact, got)):
                    size = abs(e) + (abs(D(low)) if name in "abc" else max(abs(v) for v in exact[:number + 1]) if name in "op" else 0)
                    units = 4 * exponent * (k if name == "s" else 1) if name != "L" else 4
                    self.assertLessEqual(abs(D(g) - e), D(units * ULP) * size + D(1e-320), f"{name} of {parts[name]}: {g!r}, not {e}")
                if name == "s":
                    self.assertAlmostEqual(math.fsum(values["s"]), 1, delta=4 * k * ULP)
                for position, (v, g) in enumerate(zip(parts[name], found[name])):
                    slack = self.lost(name, position, parts[name], [float(e) for e in exact], low, k)
                    if slack < 0.5:
                        self.assertLessEqual(abs(g - v), slack, f"{name}: coordinate {position} of {parts[name]} comes back as {g!r}")

    def lost(self, name, position, z, x, low, k):
        """What may be lost of a coordinate that goes through the values in double precision."""
        v = z[position]
        units = 8 * ULP * (1 + abs(v))
        if name in "ab":
            return units + 8 * ULP * abs(low) / math.exp(min(v, 700))
        if name == "c":
            return units + 8 * ULP * (abs(low) + 8) * (1 / 8) * (2 + math.exp(min(abs(v), 700)))
        if name == "s":
            exponent = 2 + max(abs(e) for e in z) + k * math.log(k + 1)
            return 16 * k * exponent * ULP if min(x) > 1e-300 and 1 - math.fsum(x) > 1e-3 else math.inf
        if name in "op" and not (name == "o" and position == 0):
            before = abs(x[position - 1]) if position else 0.0
            size = max(abs(e) for e in x[:position + 1])
            return units + 8 * ULP * (size + before + (max(abs(e) for e in z) * size)) / math.exp(min(v, 700))
        return units

    def test_values_and_inverses(self):
        for k, low in ((1, 0.0), (1, -1e6), (2, 2.0), (3, 0.0), (9, 2.0)):
            with self.subTest(k=k, low=low):
                self.check_values(k, low, self.points(k, 8, 1.5) + self.points(k, 4, 6.0))

    def test_many_elements(self):
        self.check_values(40, 0.0, self.points(40, 2, 1.0))

    def test_far_out(self):
        for k in (1, 3):
            count = sum(dimension(name, k) for name in MAPS)
            self.check_values(k, 0.0, [[v] * count for v in (-700.0, -40.0, 40.0, 700.0)])

    def test_log_jacobians_and_gradients(self):
        for k, low, number in ((1, 2.0, 6), (2, 0.0, 6), (3, -3.0, 3)):
            model = self.model(k, low)
            # Far out one coordinate at a time, as differences of 80 digits see it.
            points = self.points(k, number, 1.5)
            points += [[value if i == j else 0.3 for j in range(len(points[0]))] for i in range(len(points[0])) for value in (-40.0, 40.0)]
            results = model.call("log_density_gradient", z=points)
            scalar = model.call("log_density", lanes=1, z=points)
            for row, (z, jacobian, again, gradient) in enumerate(zip(points, results["jacobian"], scalar["jacobian"], results["gradient"])):
                parts, slopes = self.split(model, z, "z"), self.split(model, gradient, "z")
                exact = {name: log_jacobian(name, [D(v) for v in parts[name]], D(low)) for name in MAPS}
                size = sum(abs(v) for v in z) + 8 * len(z)
                self.assertAlmostEqual(jacobian, float(sum(exact.values())), delta=4 * ULP * size, msg=str(z))
                self.assertAlmostEqual(again, jacobian, delta=4 * ULP * size)
                if row >= number:
                    continue
                for name in MAPS:
                    for i in range(len(parts[name])):
                        moved = [D(v) + (D("1e-20") if i == j else 0) for j, v in enumerate(parts[name])]
                        slope = float((log_jacobian(name, moved, D(low)) - exact[name]) / D("1e-20"))
                        self.assertAlmostEqual(slopes[name][i], slope, delta=1e-9 * max(abs(slope), 1),
                                               msg=f"{name}: d log Jacobian / d z[{i}] at {parts[name]}")

    def test_extreme_jacobians(self):
        """At +-700 by their formulas: the differences have no digits there."""
        model = self.model(1, 0.0)
        count = sum(dimension(name, 1) for name in MAPS)
        for value in (-700.0, 700.0):
            result = model.call("log_density_gradient", z=[[value] * count])
            parts = self.split(model, result["gradient"][0], "z")
            # log 8 + log of inv_logit'; lower, upper, positive_ordered and cov_cholesky give the coordinate.
            wanted = 4 * value + math.log(8) - 700.0
            self.assertAlmostEqual(result["jacobian"][0], wanted, delta=8 * ULP * 4000)
            self.assertEqual([parts[n] for n in "abpL"], [[1.0]] * 4)
            self.assertEqual(parts["o"], [0.0])
            self.assertAlmostEqual(parts["c"][0], -math.copysign(1, value), delta=4 * ULP)

    def test_softplus_of_learnables(self):
        model = self.model(2, 0.0)
        family = next(f for f in model.metadata["families"] if f["name"] == "mean_field")
        scale = next(l for l in family["learnables"] if l["name"] == "s")
        start, count = model.size(scale["phi_offset"]), model.size(scale["phi_size"])
        at, size = model.size(scale["offset"]), model.size(scale["size"])
        total, values = model.size(family["phi"]), model.size(family["values"])
        initial = model.call("mean_field.initial")["phi"]
        for v, name in ((math.log(math.e - 1), "initial"), *((v, "given") for v in (-700.0, -36.0, -1.0, 0.0, 1e-9, 3.0, 36.5, 700.0))):
            phi = initial if name == "initial" else [v if start <= i < start + count else 0.0 for i in range(total)]
            got = model.call("mean_field.learned", phi=phi, sizes={"values": values})["values"][at:at + size]
            with decimal.localcontext() as context:
                context.prec = 700
                exact = (1 + D(phi[start]).exp()).ln()
            for g in got:
                self.assertLessEqual(abs(D(g) - exact), D(4 * ULP) * exact, f"softplus({phi[start]!r})")
            if name == "initial":
                self.assertAlmostEqual(got[0], 1, delta=4 * ULP)


if __name__ == "__main__":
    unittest.main()
