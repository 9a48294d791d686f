"""Distributions with vectors as arguments or values against a table computed with 60 digits, and their derivatives (test/tables/generate_vectors.py)."""

import json
import math
import unittest

import support

TABLE = json.loads((support.TABLES / "vectors.json").read_text())["distributions"]
EPSILON = 2.0**-53


def declared(value, name):
    """The declaration of a parameter (of data where the value is an int) of a value's shape."""
    if isinstance(value, int):
        return f"  data {name}: int;"
    if not isinstance(value, list):
        return f"  param {name}: real ~ flat();"
    if isinstance(value[0], int):
        return f"  data {name}: int[{len(value)}];"
    shape = f"{len(value)}, {len(value[0])}" if isinstance(value[0], list) else f"{len(value)}"
    return f"  param {name}: real[{shape}] ~ flat();"


def copy_of(name, value):
    if not isinstance(value, list):
        return name
    if isinstance(value[0], list):
        return f"[{name}[i, j] for i in 1:{len(value)}, j in 1:{len(value[0])}]"
    return f"[{name}[i] for i in 1:{len(value)}]"


def model_of(name):
    case = TABLE[name]["cases"][0]
    arguments = [f"a{k}" for k in range(len(case["arguments"]))]
    lines = [f"model Vectors {{", "  data which: int;", declared(case["x"], "x")]
    lines += [declared(value, a) for a, value in zip(arguments, case["arguments"])]
    # Copies: the checker wants the declared support of a bare parameter, and the table's points need freedom.
    copies = [copy_of(a, value) for a, value in zip(arguments, case["arguments"])]
    call = f"{name}({', '.join(copies)})"
    lines.append(f"  if which == 0 {{ factor {call}.log_density(x); }}")
    if TABLE[name]["entropies"]:
        lines.append(f"  if which == 1 {{ factor {call}.entropy(); }}")
    return "\n".join([*lines, "}", ""])


def leaves(value):
    return [leaf for v in value for leaf in leaves(v)] if isinstance(value, list) else [value]


def is_data(value):
    return all(isinstance(leaf, int) for leaf in leaves(value))


def shifted(value, position, step):
    """A copy with `step` added to the number at a flat position."""
    if not isinstance(value, list):
        return value + (step if position == 0 else 0.0)
    result, start = [], 0
    for v in value:
        count = len(leaves(v))
        result.append(shifted(v, position - start, step) if 0 <= position - start < count else v)
        start += count
    return result


class VectorDistributions(unittest.TestCase):
    """A model for each distribution; two cases each, made below."""

    @classmethod
    def setUpClass(cls):
        cls.executables = support.build_all({f"vectors_{name}": model_of(name) for name in TABLE})

    def evaluate(self, name, which, points, lanes="1"):
        """Values and gradients at points {variable: value}; ints are data, so that each set of them is a run."""
        results = []
        groups = {}
        for i, p in enumerate(points):
            data = {k: v for k, v in p.items() if is_data(v)}
            groups.setdefault(json.dumps(data), []).append(i)
        results = [None] * len(points)
        for number, (data, positions) in enumerate(groups.items()):
            at = [{k: v for k, v in points[i].items() if not is_data(v)} for i in positions]
            run = support.evaluate(self.executables[f"vectors_{name}"], json.loads(data) | {"which": which}, at, lanes, f"{which}-{number}")
            for i, result in zip(positions, run):
                results[i] = result
        return results

    @staticmethod
    def variables(case):
        return {"x": case["x"]} | {f"a{k}": a for k, a in enumerate(case["arguments"])}

    def values(self, name):
        cases = TABLE[name]["cases"]
        entropies = [e | {"x": cases[0]["x"]} for e in TABLE[name]["entropies"]]
        problems = []
        for lanes in ("1", "native"):
            rows = [(c, support.number(c["log_density"]), c["scale"], r) for c, r in
                    zip(cases, self.evaluate(name, 0, [self.variables(c) for c in cases], lanes))]
            rows += [(e, e["entropy"], 10.0 + sum(abs(a) for a in leaves(e["arguments"])), r) for e, r in
                     zip(entropies, self.evaluate(name, 1, [self.variables(e) for e in entropies], lanes))]
            for case, wanted, scale, (got, _) in rows:
                good = got == wanted if math.isinf(wanted) else abs(got - wanted) <= 32 * EPSILON * (abs(wanted) + scale)
                if not good:
                    problems.append(f"{name}{case['arguments']} at {case['x']} gives {got!r}, not {wanted!r} (lanes {lanes})")
        self.assertFalse(problems, "\n" + "\n".join(problems))

    def derivatives(self, name):
        """Gradients of the log density against differences with two steps, where it is finite around."""
        checked = 0
        for case in TABLE[name]["cases"]:
            if not math.isfinite(support.number(case["log_density"])):
                continue
            centre = self.variables(case)
            names = [v for v in centre if not is_data(centre[v])]
            moved, labels = [], []
            for v in names:
                for position, leaf in enumerate(leaves(centre[v])):
                    h = 1e-4 * (abs(leaf) or 1e-2)
                    labels.append((v, position, h))
                    moved += [centre | {v: shifted(centre[v], position, f * h)} for f in (-2, -1, -0.5, 0.5, 1, 2)]
            if not names:
                continue
            results = self.evaluate(name, 0, [centre, *moved])
            size = case["scale"] + abs(support.number(case["log_density"]))
            for k, (v, position, h) in enumerate(labels):
                f = [r[0] for r in results[1 + 6 * k:7 + 6 * k]]
                if not all(math.isfinite(e) for e in f):
                    continue
                coarse, middle, fine = (f[5] - f[0]) / (4 * h), (f[4] - f[1]) / (2 * h), (f[3] - f[2]) / h
                first, second = middle + (middle - coarse) / 3, fine + (fine - middle) / 3
                error = abs(second - first) + 32 * EPSILON * size / h + 1e-11 * abs(second)
                got = support.number(results[0][1][v][position])
                self.assertLessEqual(abs(got - second), error, f"d {name}{case['arguments']} at {case['x']} / d {v}[{position}]: {got!r}, differences {second!r}")
                checked += 1
        self.assertGreater(checked, 2)


for distribution in TABLE:
    setattr(VectorDistributions, f"test_{distribution}", lambda self, name=distribution: self.values(name))
    setattr(VectorDistributions, f"test_{distribution}_derivatives", lambda self, name=distribution: self.derivatives(name))

if __name__ == "__main__":
    unittest.main()
