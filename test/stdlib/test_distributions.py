"""Members of the library's distributions against tables computed with 60 digits (test/tables), and their derivatives.

A model of unconstrained parameters evaluates a member at any point through `factor` and `log-density`, which gives the
gradient with it. Errors are compared with the table's `scale`: the size of the terms that are added and the effect of
relative changes of the inputs, so that no formula in double precision could do much better.
"""

import json
import math
import unittest

import support

TABLE = json.loads((support.TABLES / "distributions.json").read_text())["distributions"]
MEMBERS = ["log_density", "cdf", "log_cdf", "log_ccdf", "quantile", "entropy"]
EPSILON = 2.0**-53
# Members that a distribution has; the test of the tables fails when one is missing here or there.
INTEGER_ARGUMENTS = {"binomial": {0}, "binomial_logit": {0}}


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
    lines += [f"  param a{k}: real ~ flat();" for k in range(3)]
    for i, name in enumerate(names):
        count = len(TABLE[name]["cases"][0]["arguments"])
        integers = INTEGER_ARGUMENTS.get(name, set())
        arguments = ", ".join(f"to_int(a{k})" if k in integers else f"a{k}" for k in range(count))
        for member in members_of(name):
            value = "" if member == "entropy" else "to_int(x)" if TABLE[name]["discrete"] and member != "quantile" else "x"
            lines.append(f"  if d == {i} && which == {MEMBERS.index(member)} {{ factor {name}({arguments}).{member}({value}); }}")
    return "\n".join([*lines, "}", ""])


GROUPS = [sorted(TABLE)[k::6] for k in range(6)]


def point(arguments, x):
    values = {"x": x, "a0": 0.5, "a1": 0.5, "a2": 0.5}
    return values | {f"a{k}": a for k, a in enumerate(arguments)}


class Distributions(unittest.TestCase):
    """One case a distribution and member; made below."""

    @classmethod
    def setUpClass(cls):
        cls.executables = support.build_all({f"members{k}": model_of(names) for k, names in enumerate(GROUPS)})

    def evaluate(self, name, member, points, lanes="1"):
        group = next(k for k, names in enumerate(GROUPS) if name in names)
        data = {"d": GROUPS[group].index(name), "which": MEMBERS.index(member)}
        return support.evaluate(self.executables[f"members{group}"], data, points, lanes, f"{name}-{member}")

    def check(self, name, member, rows, wanted, scale, factor, floor=0.0):
        """rows: (arguments, x); wanted and scale: one number a row."""
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
                wanted = [support.number(c[member]) for c in table["cases"]]
                self.check(name, member, rows, wanted, [t[side] for t in tails], 64, 1e-13)
            wanted = [support.number(c["cdf"]) for c in table["cases"]]
            self.check(name, "cdf", rows, wanted, [t[0] * w for t, w in zip(tails, wanted)], 256, 1e-290)
        if table["quantiles"]:
            self.check(name, "quantile", [(q["arguments"], q["p"]) for q in table["quantiles"]],
                       [support.number(q["x"]) for q in table["quantiles"]], [q["scale"] for q in table["quantiles"]], 32)
        if table["entropies"]:
            self.check(name, "entropy", [(e["arguments"], 0.5) for e in table["entropies"]],
                       [support.number(e["entropy"]) for e in table["entropies"]],
                       [10.0 + sum(abs(a) for a in e["arguments"]) for e in table["entropies"]], 64)

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
            fixed = INTEGER_ARGUMENTS.get(name, set())
            for k, argument in enumerate(["x", "a0", "a1", "a2"]):
                if argument == "x" and (table["discrete"] and member != "quantile" or member == "entropy"):
                    continue
                if argument != "x" and (k - 1 in fixed or k > len(table["cases"][0]["arguments"])):
                    continue
                if name == "beta" and member != "entropy":
                    rows = [r for r in rows if 0 < r[1] < 1]
                if name in ("laplace", "pareto") and member != "quantile":
                    # The formula changes within the differences' steps.
                    rows = [r for r in rows if abs(r[1] - r[0][0]) > 0.05 * r[0][1 if name == "laplace" else 0]]
                scale_of = {(tuple(c["arguments"]), c["x"]): c["scale"] for c in table["cases"]} if member == "log_density" else {}
                row_scale = [scale_of.get((tuple(r[0]), r[1]), 0.0) for r in rows]
                centre = [point(*row) for row in rows]
                steps = [1e-3 * abs(p[argument]) or 1e-5 * min([1.0] + [abs(a) for a in row[0] if a]) for p, row in zip(centre, rows)]
                if name == "beta" and argument == "x":
                    steps = [min(h, 0.1 * (1 - p["x"])) for h, p in zip(steps, centre)]
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
                    error = abs(second - first) + (1e-12 * max(abs(e) for e in v) + 4e-15 * row_scale[i]) / h + 1e-11 * abs(second)
                    if not abs(support.number(got) - second) <= 4 * error + 1e-12:
                        problems.append(f"d {name}{tuple(row[0])}.{member}({row[1]!r}) / d {argument} is {got!r}, differences give {second!r} +- {error:.2g}")
        self.assertFalse(problems, "\n" + "\n".join(problems))


def define(name):
    setattr(Distributions, f"test_{name}", lambda self: self.members(name))
    setattr(Distributions, f"test_{name}_derivatives", lambda self: self.derivatives(name))


for name in TABLE:
    define(name)

if __name__ == "__main__":
    unittest.main()
