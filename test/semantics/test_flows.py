"""Splines and flows of the library: splines against decimal numbers of 60 digits, flows against masked matrices, their inverses by their draws."""

import decimal
import json
import math
import random
import unittest

from semantics_support import FamilyMeaning, Meaning, flatten, normals, run
from test_nets import mlp

D = decimal.Decimal
decimal.getcontext().prec = 60
ULP = 2.0**-52


def softmax(u):
    e = [v.exp() for v in u]
    return [v / sum(e) for v in e]


def knots(u, lower, upper):
    """The positions as the flow of the paper makes them: shares, the first one halved, cumulated."""
    share = [(w + D("0.01") / len(u)) / D("1.01") for w in softmax(u)]
    share[0] /= 2
    result = [lower]
    for k in range(len(u)):
        result.append(lower + (upper - lower) * sum(share[: k + 1]))
    return [*result, upper]


def slopes(v):
    return [D("0.001") + (1 + (x + (D("0.999").exp() - 1).ln()).exp()).ln() for x in v]


def bent(x, xs, ys, ds, k=None):
    """Gregory and Delbourgo's function as Durkan et al. write it (eqs 4 and 5), in the bin of x or in bin k."""
    if k is None:
        k = max(i for i in range(len(xs) - 1) if x >= xs[i])
    w, h = xs[k + 1] - xs[k], ys[k + 1] - ys[k]
    s, t = h / w, (x - xs[k]) / w
    below = s + (ds[k + 1] + ds[k] - 2 * s) * t * (1 - t)
    y = ys[k] + h * (s * t * t + ds[k] * t * (1 - t)) / below
    slope = s * s * (ds[k + 1] * t * t + 2 * s * t * (1 - t) + ds[k] * (1 - t) ** 2) / below**2
    return y, slope


def unbent(y, xs, ys, ds):
    """By bisection."""
    low, high = xs[0], xs[-1]
    for _ in range(180):
        middle = (low + high) / 2
        low, high = (middle, high) if bent(middle, xs, ys, ds)[0] <= y else (low, middle)
    return low


class Splines(Meaning):
    MODEL = """model S {
  data u: real[4]; data v: real[4]; data d: real[6]; data at: real[40]; data values: real[40];
  param m: real ~ normal(0, 1);
  let xs = spline_knots(u, -2, 3);
  let ys = spline_knots(v, -2, 3);
  let slopes = [spline_slope(d[i]) for i in 1:6];
  var forward: real[40, 2];
  var back: real[40, 2];
  for i in 1:40 {
    let (y, log_slope) = spline_value(at[i] + 0 * m, u, v, d, -2, 3);
    let (x, other) = spline_place(values[i] + 0 * m, u, v, d, -2, 3);
    forward[i, 1] = y;
    forward[i, 2] = log_slope;
    back[i, 1] = x;
    back[i, 2] = other;
  }
  quantity forward;
  quantity back;
  quantity xs;
  quantity ys;
  quantity slopes;
  quantity density = transformed(uniform(-2, 3), inverse(spline(u, v, d, -2, 3))).log_density(at);
}"""

    def test_values_derivatives_and_inverses(self):
        source = random.Random(7)
        executable = self.compiled(self.MODEL, "--families=mean_field")
        worst = 0.0
        for spread in (0.0, 1.0, 4.0):
            u, v = ([source.gauss(0, spread) for _ in range(4)] for _ in range(2))
            d = [source.gauss(0, 2 * spread) for _ in range(6)]
            xs, ys, ds = knots([D(x) for x in u], D(-2), D(3)), knots([D(x) for x in v], D(-2), D(3)), slopes([D(x) for x in d])
            at = [-2.0, 3.0, *[source.uniform(-2, 3) for _ in range(32)], *[float(k) for k in xs]]
            values = [-2.0, 3.0, *[source.uniform(-2, 3) for _ in range(32)], *[float(k) for k in ys]]
            data = self.write("data.json", {"u": u, "v": v, "d": d, "at": at, "values": values})
            row = self.draws(executable, data, draws=1)[0]
            for i in range(40):
                if spread == 0.0:
                    self.close(row[f"forward[{i + 1},1]"], at[i], "the identity", 8 * ULP)
                y, slope = bent(D(at[i]), xs, ys, ds)
                # The numbers that go in have errors of a few units of the last place of the interval's ends.
                self.assertLessEqual(abs(row[f"forward[{i + 1},1]"] - float(y)), 32 * ULP * (3 + 3 * float(slope)), (spread, at[i]))
                self.assertLessEqual(abs(row[f"forward[{i + 1},2]"] - float(slope.ln())), 1e-12 * (1 + self.stiffness(xs, ys, ds)), (spread, at[i]))
                self.close(row[f"density[{i + 1}]"], float(slope.ln()) - math.log(5), "density", 1e-12 * (1 + self.stiffness(xs, ys, ds)))
                x = unbent(D(values[i]), xs, ys, ds)
                slope = float(bent(x, xs, ys, ds)[1])
                error = abs(row[f"back[{i + 1},1]"] - float(x)) / (ULP * (3 + 3 / slope))
                worst = max(worst, error)
                self.assertLessEqual(error, 32, (spread, values[i]))
                self.assertLessEqual(abs(row[f"back[{i + 1},2]"] - math.log(slope)), 1e-12 * (1 + self.stiffness(xs, ys, ds)), (spread, values[i]))
        self.assertGreater(worst, 0.0)

    def test_inverse_to_its_condition(self):
        """Of the numbers that the inverse is given, knots and slopes too: 16 units of the last place times the condition number by all of them."""
        source = random.Random(11)
        executable = self.compiled(self.MODEL, "--families=mean_field")
        largest = 0.0
        for spread in (0.5, 2.0, 5.0):
            u, v = ([source.gauss(0, spread) for _ in range(4)] for _ in range(2))
            d = [source.gauss(0, 2 * spread) for _ in range(6)]
            values = sorted([source.uniform(-2, 3) for _ in range(30)] + [-2 + 10.0 ** -k for k in range(1, 6)] + [3 - 10.0 ** -k for k in range(1, 6)])
            row = self.draws(executable, self.write("data.json", {"u": u, "v": v, "d": d, "at": values, "values": values}), draws=1)[0]
            xs, ys, ds = ([D(row[f"{name}[{k + 1}]"]) for k in range(6)] for name in ("xs", "ys", "slopes"))
            for i, value in enumerate(values):
                x = unbent(D(value), xs, ys, ds)
                k = max(j for j in range(5) if x >= xs[j])
                bin_ = [xs[k], xs[k + 1], ys[k], ys[k + 1], ds[k], ds[k + 1]]
                y, slope = bent(x, bin_[:2], bin_[2:4], bin_[4:])
                # |dx / da| |a|, by the derivatives of the value at x.
                total = abs(y) / slope
                for j, a in enumerate(bin_):
                    h = a * D("1e-25")
                    moved = [b + (j == m) * h for m, b in enumerate(bin_)]
                    total += abs(bent(x, moved[:2], moved[2:4], moved[4:], 0)[0] - y) / D("1e-25") / slope
                error = abs(D(row[f"back[{i + 1},1]"]) - x)
                self.assertLessEqual(error, 16 * D(ULP) * total, (spread, value, float(total)))
                largest = max(largest, float(error / (D(ULP) * total)))
        self.assertGreater(largest, 0.01)

    @staticmethod
    def stiffness(xs, ys, ds):
        """How fast the logarithm of the derivative may change, in an interval of length one."""
        narrow = min(b - a for a, b in zip(xs, xs[1:]))
        flat = min(b - a for a, b in zip(ys, ys[1:]))
        return float(max(*ds, 1) / min(*ds, 1) / min(narrow, flat))


def array(values, *shape):
    if len(shape) == 1:
        return list(values[: shape[0]])
    size = len(values) // shape[0] if shape[0] else 0
    return [array(values[i * size : (i + 1) * size], *shape[1:]) for i in range(shape[0])]


def masked_outputs(f, name, layer, layers, x, hidden, outputs, activation):
    """A masked net as a dense one with masks: units in the order in which ranks are dealt, stored sorted by rank."""
    d = len(x)
    ranks = max(d - 1, 1)
    depth, room = len(hidden), max(hidden)

    def part(key, *shape):
        return array(flatten(f[f"{name}.{key}"]), layers, *shape)[layer]

    rank = lambda h: h % ranks
    place = [{h: k for k, h in enumerate(sorted(range(n), key=lambda h: (rank(h), h)))} for n in hidden]
    # Each output has the rows of the units that it sees.
    seen = [[h for h in range(hidden[-1]) if rank(h) < i] for i in range(d)]
    first = [sum(map(len, seen[:i])) for i in range(d)]
    W1, b = part("W1", d, room), part("b", depth, room)
    W = part("W", depth - 1, room, room) if depth > 1 else None
    V, c = part("V", sum(map(len, seen)), outputs), part("c", d, outputs)
    values = [activation(b[0][place[0][h]] + math.fsum(W1[i][place[0][h]] * x[i] for i in range(d) if i <= rank(h))) for h in range(hidden[0])]
    for l in range(1, depth):
        values = [
            activation(b[l][place[l][h]] + math.fsum(W[l - 1][place[l - 1][g]][place[l][h]] * values[g] for g in range(hidden[l - 1]) if rank(g) <= rank(h)))
            for h in range(hidden[l])
        ]
    return [[c[i][p] + math.fsum(V[first[i] + place[-1][h]][p] * values[h] for h in seen[i]) for p in range(outputs)] for i in range(d)]


def line_spline(x, p, bound):
    if not -bound < x < bound:
        return x, 0.0
    k = len(p) // 3
    p = [D(v) for v in p]
    y, slope = bent(D(x), knots(p[:k], D(-bound), D(bound)), knots(p[k : 2 * k], D(-bound), D(bound)), [D(1), *slopes(p[2 * k :]), D(1)])
    return float(y), float(slope.ln())


def affine(x, p, _):
    return p[1] + math.exp(p[0]) * x, p[0]


class Flows(FamilyMeaning):
    @staticmethod
    def coordinates(p):
        """All of them, and the logarithm of the determinant that takes densities of them to those of the parameters."""
        x = p["x"]
        u = [p["a"], math.log(p["s"]), math.log(p["p"] / (1 - p["p"])), *p["v"], *[(w - p["a"]) / p["s"] for w in p["w"]], math.log(x[0] / (1 - x[0])) + math.log(2), math.log(x[1] / x[2])]
        return u, -3 * math.log(p["s"]) - math.log(p["p"] * (1 - p["p"])) - math.log(x[0]) - math.log(x[1]) - math.log(x[2])

    def autoregressive(self, hidden, outputs, transform, activation, layers=2, bound=5):
        def log_q(f, p):
            u, total = self.coordinates(p)
            f = {k[k.index("layer.") :] if "layer." in k else k.rsplit(".", 1)[-1]: v for k, v in f.items()}
            m, s = flatten(f["m"]), flatten(f["s"])
            z = [(a - b) / c for a, b, c in zip(u, m, s)]
            total -= sum(math.log(c) for c in s)
            for layer in range(layers):
                z = list(reversed(z))
                mapped = [transform(v, q, bound) for v, q in zip(z, masked_outputs(f, "layer", layer, layers, z, hidden, outputs, activation))]
                z = [v for v, _ in mapped]
                total += sum(g for _, g in mapped)
            return total + normals(z)

        return log_q

    def test_spline_autoregressive(self):
        self.family("rest ~ spline_autoregressive(layers = 2, hidden = [11], knots = 3);", self.autoregressive([11], 9, line_spline, lambda v: max(v, 0.0)))

    def test_two_hidden_layers(self):
        self.family("rest ~ affine_autoregressive(layers = 2, hidden = [11, 9], activation = tanh);", self.autoregressive([11, 9], 2, affine, math.tanh))

    def coupling(self, outputs, transform, layers=2, bound=5):
        def log_q(f, p):
            u, total = self.coordinates(p)
            f = {k[k.index("layer.") :] if "layer." in k else k.rsplit(".", 1)[-1]: v for k, v in f.items()}
            one = lambda layer: {k: flatten(v)[layer * len(flatten(v)) // layers : (layer + 1) * len(flatten(v)) // layers] for k, v in f.items() if k.startswith("layer.")}
            m, s = flatten(f["m"]), flatten(f["s"])
            z = [(a - b) / c for a, b, c in zip(u, m, s)]
            total -= sum(math.log(c) for c in s)
            keep = len(z) // 2
            for layer in reversed(range(layers)):
                z = list(reversed(z))
                q = mlp(one(layer), "layer.net", z[:keep], 1, lambda v: max(v, 0.0))
                for i in range(len(z) - keep):
                    numbers = q[i * outputs : (i + 1) * outputs]
                    z[keep + i], log_slope = transform(z[keep + i], numbers, bound)
                    total -= log_slope
            return total + normals(z)

        return log_q

    def test_affine_coupling(self):
        self.family("rest ~ affine_coupling(layers = 2, hidden = [6]);", self.coupling(2, lambda y, p, _: ((y - p[1]) * math.exp(-p[0]), p[0])))

    def test_spline_coupling(self):
        def back(y, p, bound):
            if not -bound < y < bound:
                return y, 0.0
            k = len(p) // 3
            p = [D(v) for v in p]
            xs, ys, ds = knots(p[:k], D(-bound), D(bound)), knots(p[k : 2 * k], D(-bound), D(bound)), [D(1), *slopes(p[2 * k :]), D(1)]
            x = unbent(D(y), xs, ys, ds)
            return float(x), float(bent(x, xs, ys, ds)[1].ln())

        self.family("rest ~ spline_coupling(layers = 2, hidden = [6], knots = 4);", self.coupling(12, back))

    def test_other_families(self):
        def student(f, p):
            u, total = self.coordinates(p)
            f = {k.rsplit(".", 1)[-1]: flatten(v) for k, v in f.items()}
            for x, n, m, s in zip(u, f["df"], f["m"], f["s"]):
                total += math.lgamma((n + 1) / 2) - math.lgamma(n / 2) - 0.5 * math.log(n * math.pi) - math.log(s) - (n + 1) / 2 * math.log1p(((x - m) / s) ** 2 / n)
            return total

        self.family("rest ~ student_mean_field(nu = 4, scale = 0.5);", student)


if __name__ == "__main__":
    unittest.main()
