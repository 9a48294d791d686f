"""Members of the library's distributions against tables computed with 60 digits (test/tables), and their derivatives.

A model of unconstrained parameters evaluates a member at any point through `factor` and `log-density`, which gives the
gradient with it. Errors are compared with the table's `scale`: the size of the terms that are added and the effect of
relative changes of the inputs, so that no formula in double precision could do much better.
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
MEMBERS = ["log_density", "cdf", "log_cdf", "log_ccdf", "quantile", "entropy"]
EPSILON = 2.0**-53
PROBABILITIES = [1e-300, 1e-12, 0.001, 0.25, 0.5, 0.75, 0.999, 1 - 1e-12]

def members_of(name):
    table = TABLE[name]
    result = ["log_density"]
    if "cdf" in table["cases"][0]:
        result += ["cdf", "log_cdf", "log_ccdf"]
    if table["quantiles"]:
        result.append("quantile")
    if table["entropies"]:
        result.append("entropy")
    return result


def model_of(names):
    """A model that evaluates the member number `which` of the distribution number `d` at the point's parameters."""
    lines = ["model Members {", "  data d: int;", "  data which: int;", "  param x: real ~ flat();"]
    lines += [f"  param a{k}: real ~ flat();\n  data n{k}: int;" for k in range(3)]
    for i, name in enumerate(names):
        count = len(TABLE[name]["cases"][0]["arguments"])
        arguments = ", ".join(f"n{k}" if k in TABLE[name]["integers"] else f"a{k}" for k in range(count))
        for member in members_of(name):
            value = "" if member == "entropy" else "to_int(x)" if TABLE[name]["discrete"] and member != "quantile" else "x"
            lines.append(f"  if d == {i} && which == {MEMBERS.index(member)} {{ factor {name}({arguments}).{member}({value}); }}")
    return "\n".join([*lines, "}", ""])


def quantile_model(names):
    """Quantiles that are found by iteration, as quantities: no derivatives of them are compiled."""
    lines = ["model Quantiles {", "  param x: real ~ flat();"]
    lines += [f"  param a{k}: real ~ flat();\n  data n{k}: int;" for k in range(3)]
    for name in names:
        count = len(TABLE[name]["cases"][0]["arguments"])
        arguments = ", ".join(f"n{k}" if k in TABLE[name]["integers"] else f"a{k}" for k in range(count))
        if name in ("beta_binomial", "hypergeometric"):
            # Sums over the first argument; a call computes all quantities.
            arguments = arguments.replace("n0", "min(n0, 1000)")
        lines.append(f"  quantity {name}_quantile = {name}({arguments}).quantile(x);")
    return "\n".join([*lines, "}", ""])


INVERTED = [name for name in sorted(TABLE) if TABLE[name]["inverted"]]
# The others are made of these.
WITH_DERIVATIVES = {"gamma": "gamma(a0, 1).quantile(x)", "beta": "beta(a0, a1).quantile(x)", "student_t": "student_t(a0, 0, 1).quantile(x)",
                    "skew_normal": "skew_normal(0, 1, a2).quantile(x)", "von_mises": "von_mises(a0, a1).quantile(x)"}


def gradient_model():
    lines = ["model Gradients {", "  data d: int;", "  param x: real ~ flat();", "  param a0: real ~ flat();", "  param a1: real ~ flat();",
             "  param a2: real ~ flat();"]
    return "\n".join([*lines, *(f"  if d == {i} {{ factor {WITH_DERIVATIVES[name]}; }}" for i, name in enumerate(sorted(WITH_DERIVATIVES))), "}", ""])


GROUPS = [sorted(TABLE)[k::6] for k in range(6)]


def point(arguments, x):
    values = {"x": x, "a0": 0.5, "a1": 0.5, "a2": 0.5}
    return values | {f"a{k}": a for k, a in enumerate(arguments)}


class Distributions(unittest.TestCase):
    """One case a distribution and member; made below."""

    @classmethod
    def setUpClass(cls):
        cls.executables = support.build_all({f"members{k}": model_of(names) for k, names in enumerate(GROUPS)}
                                            | {"quantiles": quantile_model(INVERTED), "quantile_gradients": gradient_model()})

    def evaluate(self, name, member, points, lanes="1"):
        group = next(k for k, names in enumerate(GROUPS) if name in names)
        data = {"d": GROUPS[group].index(name), "which": MEMBERS.index(member)}
        integers = TABLE[name]["integers"]
        # Integer arguments are data: one run for each of their values.
        by_values = {}
        for i, p in enumerate(points):
            by_values.setdefault(tuple(p[f"a{k}"] if k in integers else 1 for k in range(3)), []).append(i)
        results = [None] * len(points)
        for number, (values, positions) in enumerate(by_values.items()):
            run = support.evaluate(self.executables[f"members{group}"], data | {f"n{k}": n for k, n in enumerate(values)},
                                   [points[i] for i in positions], lanes, f"{name}-{member}-{number}")
            for i, result in zip(positions, run):
                results[i] = result
        return results

    def check(self, name, member, rows, wanted, scale, factor, floor=0.0):
        """rows: (arguments, x); wanted and scale: one number a row; floor: an error that is allowed besides."""
        points = [point(*row) for row in rows]
        problems = []
        for lanes in ("1", "native"):
            for row, w, s, (got, _) in zip(rows, wanted, scale, self.evaluate(name, member, points, lanes)):
                if math.isinf(w) or math.isinf(got) or math.isnan(got):
                    good = got == w
                else:
                    good = abs(got - w) <= factor * EPSILON * (abs(w) + s) + floor
                if not good:
                    size = abs(got - w) / (EPSILON * (abs(w) + s)) if math.isfinite(got) and abs(w) + s > 0 else math.inf
                    problems.append(f"{name}{tuple(row[0])}.{member}({row[1]!r}) is {got!r}, not {w!r} ({size:.3g} ulp of the scale, lanes {lanes})")
        self.assertFalse(problems, "\n" + "\n".join(problems))

    def members(self, name):
        table = TABLE[name]
        rows = [(case["arguments"], case["x"]) for case in table["cases"]]
        self.check(name, "log_density", rows, [support.number(c["log_density"]) for c in table["cases"]],
                   [c["scale"] for c in table["cases"]], 16)
        if "cdf" in table["cases"][0]:
            tails = [c["tail_scale"] for c in table["cases"]]
            # 24 quadrature nodes give 4e-14; a log tail near 0 is the complement of a number near 1.
            for member, side in (("log_cdf", 0), ("log_ccdf", 1)):
                self.check(name, member, rows, [support.number(c[member]) for c in table["cases"]], [t[side] for t in tails], 64, 1e-13)
            wanted = [support.number(c["cdf"]) for c in table["cases"]]
            self.check(name, "cdf", rows, wanted, [t[0] * w for t, w in zip(tails, wanted)], 256, 1e-290)
        if table["quantiles"]:
            self.check(name, "quantile", [(q["arguments"], q["p"]) for q in table["quantiles"]],
                       [support.number(q["x"]) for q in table["quantiles"]], [q["scale"] for q in table["quantiles"]], 32)
        if table["entropies"]:
            self.check(name, "entropy", [(e["arguments"], 0.5) for e in table["entropies"]],
                       [support.number(e["entropy"]) for e in table["entropies"]],
                       [10.0 + sum(abs(a) for a in e["arguments"]) for e in table["entropies"]], 64)

    def quantiles(self, name, rows):
        """The library's quantiles at (arguments, p), by the kernel that computes quantities."""
        integers, results = TABLE[name]["integers"], []
        models = {}
        for arguments, p in rows:
            values = tuple(a if k in integers else 1 for k, a in enumerate([*arguments, 0.5, 0.5, 0.5][:3]))
            if values not in models:
                models[values] = kernels.Model(self.executables["quantiles"], {f"n{k}": n for k, n in enumerate(values)})
            model = models[values]
            at = point(arguments, p)
            place = next(q for q in model.metadata["quantities"] if q["name"] == f"{name}_quantile")
            values = model.call("constrain", z=[[at[key] for key in ("x", "a0", "a1", "a2")]])["x"][0]
            results.append(values[model.size(place["offset"])])
        return results

    def inverted(self, name):
        """Quantiles by the distribution function, which the table checks: a few units of the last place beside the quantile it
        is on either side of p, up to its own error. Tails are compared by their logarithms, the smaller of the two."""
        table = TABLE[name]
        arguments = list(dict.fromkeys(tuple(c["arguments"]) for c in table["cases"]))
        rows = [(list(a), p) for a in arguments for p in PROBABILITIES]
        found = self.quantiles(name, rows)
        # Quantiles beyond double precision have nothing beside them.
        self.assertFalse([row for row, x in zip(rows, found) if math.isnan(x)])
        rows, found = zip(*[(row, x) for row, x in zip(rows, found) if math.isfinite(x)])
        problems = []
        sides = []
        for (a, p), x in zip(rows, found):
            if table["discrete"]:
                sides.append((x - 1, x))
            else:
                # What is added to or subtracted from a quantile rounds it too.
                beside = {"student_t": lambda: abs(a[-2]), "log_gamma": lambda: 1, "skew_normal": lambda: abs(a[0]) + a[1], "von_mises": lambda: math.pi}
                step = 16 * 2.0**-52 * (abs(x) + beside.get(name, lambda: 0)()) + (1e-300 if x == 0 else 0.0)
                sides.append((x - step, x + step))
        for member, chosen in (("log_cdf", [i for i, (_, p) in enumerate(rows) if p <= 0.5]), ("log_ccdf", [i for i, (_, p) in enumerate(rows) if p > 0.5])):
            at = [point(rows[i][0], min(max(x, -1e300), 1e300)) for i in chosen for x in sides[i]]
            tails = [v for v, _ in self.evaluate(name, member, at)]
            for number, i in enumerate(chosen):
                low, high = tails[2 * number:2 * number + 2]
                wanted = math.log(rows[i][1]) if member == "log_cdf" else math.log1p(-rows[i][1])
                slack = 64 * EPSILON * (abs(wanted) + 1 + max(abs(a) for a in rows[i][0]) * EPSILON) + 2e-13
                if member == "log_ccdf":
                    low, high = -low, -high
                    wanted = -wanted
                if not low - slack <= wanted <= high + slack:
                    problems.append(f"{name}{tuple(rows[i][0])}.quantile({rows[i][1]!r}) is {found[i]!r}: {member} beside it {low!r}, {high!r}, not around {wanted!r}")
        self.assertFalse(problems, "\n" + "\n".join(problems))

    def quantile_derivatives(self, name):
        """In p by the density there; in the arguments against differences of the quantiles themselves."""
        arguments = [a for a in dict.fromkeys(tuple(c["arguments"]) for c in TABLE[name]["cases"]) if name != "gamma" or a[1] == 1]
        if name == "student_t":
            arguments = [(a[0], 0.0, 1.0) for a in arguments]
        if name == "skew_normal":
            arguments = [(0.0, 1.0, a[2]) for a in arguments]
        problems = []
        for a in arguments:
            for p in (0.01, 0.3, 0.5, 0.8):
                varied = {"gamma": [0], "beta": [0, 1], "student_t": [0], "skew_normal": [2], "von_mises": [0, 1]}[name]
                values, gradients = [], None
                centre = point(list(a), p)
                moved = [centre]
                steps_of = lambda key: 1e-3 * min(abs(centre[key]) or 1, 1 - p if key == "x" else math.inf)
                for key in ["x", *(f"a{k}" for k in varied)]:
                    h = steps_of(key)
                    moved += [centre | {key: centre[key] + f * h} for f in (-2, -1, -0.5, 0.5, 1, 2)]
                results = support.evaluate(self.executables["quantile_gradients"], {"d": sorted(WITH_DERIVATIVES).index(name)}, moved, tag=f"{name}-gradients")
                gradients = results[0][1]
                for number, key in enumerate(["x", *(f"a{k}" for k in varied)]):
                    h = steps_of(key)
                    v = [r[0] for r in results[1 + 6 * number:7 + 6 * number]]
                    if not all(math.isfinite(e) for e in v) or min(abs(e) for e in v) < 1e-300 and p != 0.5:
                        continue
                    coarse, middle, fine = (v[5] - v[0]) / (4 * h), (v[4] - v[1]) / (2 * h), (v[3] - v[2]) / h
                    first, second = middle + (middle - coarse) / 3, fine + (fine - middle) / 3
                    error = abs(second - first) + 2e-14 * max(abs(e) for e in v) / h + 1e-11 * abs(second)
                    got = support.number(gradients[key][0])
                    if not abs(got - second) <= 4 * error + 1e-12:
                        problems.append(f"d {name}{a}.quantile({p}) / d {key} is {got!r}, differences give {second!r} +- {error:.2g}")
        self.assertFalse(problems, "\n" + "\n".join(problems))

    def derivatives(self, name):
        """Gradients of the members against central differences with two steps (Richardson)."""
        table = TABLE[name]
        problems = []
        for member in members_of(name):
            if member in ("quantile", "entropy"):
                source = table["quantiles" if member == "quantile" else "entropies"]
                rows = [(r["arguments"], r.get("p", 0.5)) for r in source]
                rows = [r for r in rows if member == "entropy" or 1e-4 < r[1] < 0.9999]
            else:
                rows = [(c["arguments"], c["x"]) for c in table["cases"]
                        if math.isfinite(support.number(c[member])) and math.isfinite(support.number(c["log_density"]))
                        and (member == "log_density" or 1e-9 < c["cdf"] < 1 - 1e-9)]
            if member == "quantile" and table["discrete"]:
                continue
            fixed = table["integers"]
            for k, argument in enumerate(["x", "a0", "a1", "a2"]):
                if argument == "x" and (table["discrete"] and member != "quantile" or member == "entropy"):
                    continue
                if argument != "x" and (k - 1 in fixed or k > len(table["cases"][0]["arguments"])):
                    continue
                if name in ("beta", "beta_proportion") and member != "entropy":
                    rows = [r for r in rows if 0 < r[1] < 1]
                if name in ("laplace", "pareto") and member != "quantile":
                    # The formula changes within the differences' steps.
                    rows = [r for r in rows if abs(r[1] - r[0][0]) > 0.05 * r[0][1 if name == "laplace" else 0]]
                scale_of = {(tuple(c["arguments"]), c["x"]): c["scale"] for c in table["cases"]} if member == "log_density" else {}
                row_scale = [scale_of.get((tuple(r[0]), r[1]), 0.0) for r in rows]
                centre = [point(*row) for row in rows]
                steps = [1e-3 * abs(p[argument]) or 1e-5 * min([1.0] + [abs(a) for a in row[0] if a]) for p, row in zip(centre, rows)]
                if name in ("beta", "beta_proportion") and argument == "x":
                    steps = [min(h, 0.1 * (1 - p["x"])) for h, p in zip(steps, centre)]
                # The distribution function of large counts changes within a small part of the argument.
                steps = [h * 30 / math.sqrt(p["x"]) if table["discrete"] and p["x"] > 1e5 else h for h, p in zip(steps, centre)]
                moved = []
                for p, h in zip(centre, steps):
                    moved += [p | {argument: p[argument] + f * h} for f in (-2, -1, -0.5, 0.5, 1, 2)]
                values = [v for v, _ in self.evaluate(name, member, centre + moved)]
                gradients = [g[argument][0] if g[argument] else math.nan for _, g in self.evaluate(name, member, centre)]
                for i, (row, h, got) in enumerate(zip(rows, steps, gradients)):
                    v = values[len(rows) + 6 * i:len(rows) + 6 * i + 6]
                    if not all(math.isfinite(e) for e in v):
                        continue
                    coarse, middle, fine = (v[5] - v[0]) / (4 * h), (v[4] - v[1]) / (2 * h), (v[3] - v[2]) / h
                    first, second = middle + (middle - coarse) / 3, fine + (fine - middle) / 3
                    error = abs(second - first) + (1e-12 * max(abs(e) for e in v) + 4e-16 + 4e-15 * row_scale[i]) / h + 1e-11 * abs(second)
                    if not abs(support.number(got) - second) <= 4 * error + 1e-12:
                        problems.append(f"d {name}{tuple(row[0])}.{member}({row[1]!r}) / d {argument} is {got!r}, differences give {second!r} +- {error:.2g}")
        self.assertFalse(problems, "\n" + "\n".join(problems))


def define(name):
    setattr(Distributions, f"test_{name}", lambda self: self.members(name))
    setattr(Distributions, f"test_{name}_derivatives", lambda self: self.derivatives(name))


for name in TABLE:
    define(name)
for name in INVERTED:
    setattr(Distributions, f"test_{name}_quantiles", lambda self, name=name: self.inverted(name))
for name in WITH_DERIVATIVES:
    setattr(Distributions, f"test_{name}_quantile_derivatives", lambda self, name=name: self.quantile_derivatives(name))

if __name__ == "__main__":
    unittest.main()
