"""Densities integrate to one and probabilities sum to one, for every distribution of the table at its arguments, in the machine's lanes.

Adaptive quadrature (Gauss and Kronrod, 7 and 15 nodes; every round evaluates all intervals at once) over a part of the support, in a coordinate
that spreads it; what lies outside is added from the distribution function, which the tables check.
"""

import json
import math
import pathlib
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tools"))

import kernels  # noqa: E402
import support  # noqa: E402

TABLE = json.loads((support.TABLES / "distributions.json").read_text())["distributions"]
NODES = [0.991455371120812639206854697526329, 0.949107912342758524526189684047851, 0.864864423359769072789712788640926, 0.741531185599394439863864773280788,
         0.586087235467691130294144691693, 0.405845151377397166906606412076961, 0.207784955007898467600689403773245, 0.0]
KRONROD = [0.022935322010529224963732008058970, 0.063092092629978553290700663189204, 0.104790010322250183839876322541518, 0.140653259715525918745189590510238,
           0.169004726639267902826583426598550, 0.190350578064785409913256402421014, 0.204432940075298892414161999234649, 0.209482141084727828012999174891714]
GAUSS = [0.129484966168869693270611432679082, 0.279705391489276667901467771423780, 0.381830050505118944950369775488975, 0.417959183673469387755102040816327]
POINTS = [-n for n in NODES] + NODES[-2::-1]
WEIGHTS = KRONROD + KRONROD[-2::-1]
INNER = GAUSS + GAUSS[-2::-1]


def integral(f, pieces, tolerance):
    """Of f, which takes a list of points; the pieces are divided until their two rules agree."""
    done, rounds = [], 0
    while pieces:
        points = [(a + b) / 2 + (b - a) / 2 * t for a, b in pieces for t in POINTS]
        values, again = f(points), []
        for k, (a, b) in enumerate(pieces):
            v = values[15 * k:15 * k + 15]
            outer = (b - a) / 2 * math.fsum(w * y for w, y in zip(WEIGHTS, v))
            inner = (b - a) / 2 * math.fsum(w * y for w, y in zip(INNER, v[1::2]))
            if abs(outer - inner) <= tolerance * max(abs(outer), 1e-3) or rounds == 12:
                done.append(outer)
            else:
                again += [(a, (a + b) / 2), ((a + b) / 2, b)]
        pieces, rounds = again, rounds + 1
    return math.fsum(done)


def coordinate(name, arguments):
    """(x of u, u of x, dx / du of u, from, to): a coordinate in which the density is spread out."""
    from_, to = support_of(name, arguments)
    if from_ == -math.inf:
        centre, scale = (arguments[-2], arguments[-1]) if name not in ("std_normal", "log_gamma", "skew_normal") else (0.0, 1.0)
        if name == "skew_normal":
            centre, scale = arguments[0], arguments[1]
        return lambda u: centre + scale * math.sinh(u), lambda x: math.asinh((x - centre) / scale), lambda u: scale * math.cosh(u), -34.0, 34.0
    if to == math.inf:
        return lambda u: from_ + math.exp(u), lambda x: math.log(x - from_), math.exp, -600.0, 600.0
    if name == "beta" or name == "beta_proportion":
        return (lambda u: 1 / (1 + math.exp(-u)) if u < 0 else 1 - math.exp(-u) / (1 + math.exp(-u))), (lambda x: math.log(x / (1 - x))), (
            # Next to 1 numbers are too far apart for a density that grows there.
            lambda u: math.exp(-abs(u)) / (1 + math.exp(-abs(u))) ** 2), -300.0, 12.0
    return lambda u: from_ + (to - from_) * u, lambda x: (x - from_) / (to - from_), lambda u: to - from_, 0.0, 1.0


def support_of(name, arguments):
    if name == "uniform":
        return arguments[0], arguments[1]
    if name == "pareto":
        return arguments[0], math.inf
    if name in ("beta", "beta_proportion"):
        return 0.0, 1.0
    if name == "von_mises":
        return -math.pi, math.pi
    outside = [c["x"] for c in TABLE[name]["cases"] if c["log_density"] == "-inf" and c["x"] < 0]
    return (0.0, math.inf) if outside else (-math.inf, math.inf)


class Integrals(unittest.TestCase):
    """A model with the density and the tails of every distribution as quantities."""

    @classmethod
    def setUpClass(cls):
        lines = ["model Integrals {", "  param x: real ~ flat();"] + [f"  param a{k}: real ~ flat();\n  data n{k}: int;" for k in range(3)]
        lines.append("  data d: int;")
        cls.numbers = {}
        for name, table in TABLE.items():
            count = len(table["cases"][0]["arguments"])
            arguments = ", ".join(f"n{k}" if k in table["integers"] else f"a{k}" for k in range(count))
            value = "to_int(x)" if table["discrete"] else "x"
            lines.append(f"  if d == {len(lines)} {{ factor {name}({arguments}).log_density({value}); }}")
            cls.numbers[name] = len(lines) - 1
            if name in ("beta_binomial", "hypergeometric"):
                # Their distribution functions are sums over the first argument, and a call computes all quantities.
                arguments = arguments.replace("n0", "min(n0, 1000)")
            for member in ("cdf", "log_ccdf"):
                lines.append(f"  quantity {name}_{member} = {name}({arguments}).{member}({value});")
        cls.executable = support.build("integrals", "\n".join([*lines, "}", ""]))

    def model(self, name, arguments):
        integers = TABLE[name]["integers"]
        return kernels.Model(self.executable, {f"n{k}": arguments[k] if k in integers else 1 for k in range(3)} | {"d": self.numbers[name]})

    def values(self, model, name, member, arguments, xs):
        rest = [float(a) for a in [*arguments, 0.5, 0.5, 0.5][:3]]
        points = [[float(x), *rest] for x in xs]
        if member == "log_density":
            return model.call("log_density", z=points)["value"]
        place = model.size(next(q for q in model.metadata["quantities"] if q["name"] == f"{name}_{member}")["offset"])
        return [x[place] for x in model.call("constrain", z=points)["x"]]

    def continuous(self, name):
        for arguments in dict.fromkeys(tuple(c["arguments"]) for c in TABLE[name]["cases"]):
            with self.subTest(arguments=arguments):
                model = self.model(name, arguments)
                x, back, slope, low, high = coordinate(name, arguments)
                # The table's values lie in the bulk; the first intervals end there.
                begin, end = support_of(name, arguments)
                known = [back(c["x"]) for c in TABLE[name]["cases"] if tuple(c["arguments"]) == arguments and begin < c["x"] < end]
                reach = [0.3, 1.0, 3.0, 10.0, 30.0, 100.0]
                around = {min(known) - r for r in reach} | {max(known) + r for r in reach} | set(known)
                ends = sorted({low, high, *(u for u in around if low < u < high)})
                f = lambda us: [math.exp(v) * slope(u) for u, v in zip(us, self.values(model, name, "log_density", arguments, [x(u) for u in us]))]
                inside = integral(f, list(zip(ends, ends[1:])), 1e-11)
                below = self.values(model, name, "cdf", arguments, [x(low)])[0]
                above = math.exp(self.values(model, name, "log_ccdf", arguments, [x(high)])[0])
                self.assertAlmostEqual(inside + below + above, 1, delta=1e-9)

    def discrete(self, name):
        for arguments in dict.fromkeys(tuple(c["arguments"]) for c in TABLE[name]["cases"]):
            with self.subTest(arguments=arguments):
                model = self.model(name, arguments)
                seen = [c["x"] for c in TABLE[name]["cases"] if tuple(c["arguments"]) == arguments and c["log_density"] != "-inf"]
                # A window around the middle of the table's values; what is outside comes from the distribution function.
                centre = sorted(seen)[len(seen) // 2]
                ys = list(range(min(min(seen), 0) if max(seen) < 3000 else max(centre - 2000, 0), min(max(seen), centre + 2000) + 1))
                inside = math.fsum(math.exp(v) for v in self.values(model, name, "log_density", arguments, ys))
                below = self.values(model, name, "cdf", arguments, [ys[0] - 1])[0]
                above = math.exp(self.values(model, name, "log_ccdf", arguments, [ys[-1]])[0])
                self.assertAlmostEqual(inside + below + above, 1, delta=1e-10)


for name in TABLE:
    if "cdf" in TABLE[name]["cases"][0]:
        setattr(Integrals, f"test_{name}", lambda self, name=name: (self.discrete if TABLE[name]["discrete"] else self.continuous)(name))

if __name__ == "__main__":
    unittest.main()
