"""Distributions made by bijectors, and bijectors of one's own: densities, draws and families against formulas in Python."""

import csv
import json
import math
import unittest

from semantics_support import REST, FamilyMeaning, Meaning, flatten, normal, normals, rest, run

SINH_ARCSINH = """bijector sinh_arcsinh(skew: real, tail: real<lower=0>) on real -> real {
  forward(x) = sinh((asinh(x) + skew) / tail);
  inverse(y) = sinh(tail * asinh(y) - skew);
}
"""
HOUSEHOLDER = """bijector householder(v: real[D]) on real[D] -> real[D] {
  forward(x) = x - 2 * v * (v @ x) / (v @ v);
  inverse(y) = y - 2 * v * (v @ y) / (v @ v);
  log_det(x) = 0;
}
"""
# y[1] = x[1], y[d] = exp(a x[d - 1]) x[d] + b: with both numbers at once, in both directions.
TRIANGULAR = """bijector triangular(a: real, b: real) on real[D] -> real[D] {
  forward_and_log_det(x) {
    var y: real[D];
    var log_det = 0.0;
    y[1] = x[1];
    for d in 2:D { y[d] = exp(a * x[d - 1]) * x[d] + b; log_det += a * x[d - 1]; }
    return (y, log_det);
  }
  inverse_and_log_det(y) {
    var x: real[D];
    var log_det = 0.0;
    x[1] = y[1];
    for d in 2:D { x[d] = (y[d] - b) * exp(-a * x[d - 1]); log_det += a * x[d - 1]; }
    return (x, log_det);
  }
}
"""


def sinh_arcsinh_inverse(y, k, t):
    """x and log dy/dx there, with the derivative as it is by hand."""
    x = math.sinh(t * math.asinh(y) - k)
    return x, math.log(math.cosh((math.asinh(x) + k) / t) / (t * math.sqrt(1 + x * x)))


def skewed(y, k, t, m, s):
    x, log_slope = sinh_arcsinh_inverse((y - m) / s, k, t)
    return normal(x) - log_slope - math.log(s)


def reflected(y, v):
    c = 2 * sum(a * b for a, b in zip(v, y)) / sum(a * a for a in v)
    return [a - c * b for a, b in zip(y, v)]


def triangular_inverse(y, a, b):
    x = [y[0]]
    for v in y[1:]:
        x.append((v - b) * math.exp(-a * x[-1]))
    return x, a * sum(x[:-1])


class Transformed(Meaning):
    def test_scalar_bijector_of_ones_own(self):
        data = {"y": [0.3, -1.2, 2.5, 0.7]}
        points = [{"k": 0.3, "t": 1.2, "mu": 0.1, "s": 0.8}, {"k": -1.0, "t": 0.6, "mu": -0.5, "s": 2.0}]
        self.same(SINH_ARCSINH + """model Skewed {
  data y: real[4];
  param k: real ~ normal(0, 1);
  param t: real<lower=0> ~ lognormal(0, 0.5);
  param mu: real ~ normal(0, 10);
  param s: real<lower=0> ~ exponential(1);
  observe y ~ transformed(normal(0, 1), [sinh_arcsinh(k, t), affine(mu, s)]);
}""", data, points, lambda d, p: normal(p["k"]) + normal(math.log(p["t"]), 0, 0.5) - math.log(p["t"]) + normal(p["mu"], 0, 10) - p["s"]
                  + sum(skewed(y, p["k"], p["t"], p["mu"], p["s"]) for y in d["y"]))

    def test_derivative_of_the_inverse_serves_too(self):
        self.same("""bijector cubed() on real -> real { inverse(y) = y + y^3 / 3; }
model M { data y: real[2]; param m: real ~ transformed(normal(0, 1), cubed()); observe y ~ normal(m, 1); }""", {"y": [0.3, 0.9]}, {"m": -0.7},
                  lambda d, p: normal(p["m"] + p["m"] ** 3 / 3) + math.log(1 + p["m"] ** 2) + normals(d["y"], p["m"]))

    def test_vectors_over_a_batch(self):
        data = {"Y": [[0.2, -0.4, 1.5], [1.0, 0.1, -2.0]], "v": [1.0, -2.0, 0.5]}

        def log_density(d, p):
            total = normal(p["a"])
            for y in d["Y"]:
                x, log_det = triangular_inverse(reflected(y, d["v"]), p["a"], 0.25)
                total += normals(x, 0.0, 1.5) - log_det
            return total

        for steps in ("triangular(a, 0.25), householder(v)", "[chain(triangular(a, 0.25), inverse(inverse(householder(v))))]",
                      "inverse(chain(inverse(householder(v)), inverse(triangular(a, 0.25))))"):
            self.same(TRIANGULAR + HOUSEHOLDER + f"""model M {{ data Y: real[2, 3]; data v: real[3]; param a: real ~ normal(0, 1);
  observe Y ~ transformed(normal(0, 1.5), {steps}); }}""", data, {"a": 0.4}, log_density)

    def test_a_range_of_steps(self):
        # The same layer again and again with numbers of its own; turned round by `inverse`.
        data = {"L": 3, "a": [0.3, -0.2, 0.5], "y": [0.4, -0.3, 0.8, 0.1]}

        def backwards(d, p):
            y, total = d["y"], 0.0
            for a in reversed(d["a"]):
                y, log_det = triangular_inverse(list(reversed(y)), a, p["b"])
                total -= log_det
            return normal(p["b"]) + normals(y) + total

        self.same(TRIANGULAR + """model M { data L: int<lower=1>; data a: real[L]; data y: real[4]; param b: real ~ normal(0, 1);
  observe y ~ transformed(normal(0, 1), [chain(triangular(a[l], b), reverse_order()) for l in 1:L]); }""", data, {"b": 0.3}, backwards)

        def forwards(d, p):
            # The inverse of the list: its last layer comes first, and each maps back.
            y, total = d["y"], normal(p["b"])
            for a in d["a"]:
                x = [y[0]] + [math.exp(a * y[i - 1]) * y[i] + p["b"] for i in range(1, 4)]
                total += a * sum(y[:-1])
                y = list(reversed(x))
            return total + normals(y)

        self.same(TRIANGULAR + """model M { data L: int<lower=1>; data a: real[L]; data y: real[4]; param b: real ~ normal(0, 1);
  observe y ~ transformed(normal(0, 1), inverse([chain(triangular(a[l], b), reverse_order()) for l in 1:L])); }""", data, {"b": 0.3}, forwards)

    def test_supports(self):
        # Outside of the image the density is zero, with no NaN; the library's maps of supports may be used.
        data = {"y": 1.5}
        model = """model M { data y: real; param u: real<lower=0, upper=1> ~ transformed(normal(0, 1), sigmoid()); param w: simplex<3> ~ transformed(normal(0, 1), simplex());
  param r: real<lower=2> ~ transformed(normal(0.5, 1), exp(), scaled_by(2), inverse(exp()), lower_bound(2)); observe y ~ normal(u + w[1] + r, 1); }"""

        def log_density(d, p):
            z = math.log(p["u"] / (1 - p["u"]))
            w = p["w"]
            x = [math.log(w[0] / (1 - w[0])) + math.log(2), math.log(w[1] / w[2])]
            r = math.log(p["r"] - 2)
            return (normal(z) - math.log(p["u"] * (1 - p["u"])) + normals(x) - sum(math.log(v) for v in w)
                    + normal(r - math.log(2), 0.5) - r + normal(d["y"], p["u"] + w[0] + p["r"]))

        self.same(model, data, {"u": 0.3, "w": [0.2, 0.5, 0.3], "r": 3.5}, log_density)
        outside = "model M { data y: real[2]; param m: real ~ normal(0, 1); observe y ~ transformed(normal(0, 1), lower_bound(m)); }"
        self.same(outside, {"y": [0.5, 2.0]}, [{"m": 0.3}, {"m": 1.0}],
                  lambda d, p: -math.inf if p["m"] > min(d["y"]) else normal(p["m"]) + sum(normal(math.log(y - p["m"])) - math.log(y - p["m"]) for y in d["y"]))
        executable = self.compiled("model M { data y: real[2]; param m: real ~ normal(0, 1); observe y ~ transformed(normal(m, 1), exp()); }")
        done = run([executable, "log-density", "--data", self.write("data.json", {"y": [0.5, -2.0]}), "--at", self.write("at.json", [{"m": 0.0}])], status=1)
        self.assertIn("y[2] is -2, which is outside the support of transformed", done.stderr)

    def test_parts_of_other_distributions(self):
        self.same(SINH_ARCSINH + """model M { data y: real[3]; param p: real<lower=0, upper=1> ~ uniform();
  observe y ~ mixture([p, 1 - p], [transformed(normal(0, 1), affine(2, 3)), normal(0, 1)]); quantity q = transformed(normal(p, 1), sinh_arcsinh(0.5, 2)).log_density(0.7); }""",
                  {"y": [0.3, 4.0, -1.0]}, {"p": 0.3},
                  lambda d, p: sum(math.log(p["p"] * math.exp(normal(y, 2, 3)) + (1 - p["p"]) * math.exp(normal(y))) for y in d["y"]),
                  quantities=lambda d, p: {"q": (lambda x, s: normal(x, p["p"]) - s)(*sinh_arcsinh_inverse(0.7, 0.5, 2))})


class TransformedFamilies(FamilyMeaning):
    """Draws whose density comes with them, and densities at given points."""

    def test_scalars_and_elements(self):
        self.family("learn t: real<lower=0> = 1.3; a ~ transformed(normal(0, 1), sinh_arcsinh(0.2, t), affine(learn, learn)); s ~ transformed(normal(learn, learn), exp()); p ~ uniform(0, 1);"
                    " v[1] ~ transformed(normal(a, 1), affine(0.5, s)); for i in 2:3 { v[i] ~ transformed(normal(v[i-1], t), affine(0.1, 2)); } w ~ transformed(normal(0, 1), affine([0.1, 0.2], s));" + REST,
                    self.scalars, before=SINH_ARCSINH)

    @staticmethod
    def scalars(f, p):
        t = flatten(f["t"])[0]
        v, s = p["v"], p["s"]
        total = skewed(p["a"], 0.2, t, flatten(f["a.affine.location"])[0], flatten(f["a.affine.scale"])[0])
        total += normal(math.log(s), flatten(f["s.location"])[0], flatten(f["s.scale"])[0]) - math.log(s)
        total += normal((v[0] - 0.5) / s, p["a"]) - math.log(s)
        total += sum(normal((v[i] - 0.1) / 2, v[i - 1], t) - math.log(2) for i in (1, 2))
        return total + sum(normal((w - m) / s) - math.log(s) for w, m in zip(p["w"], (0.1, 0.2))) + rest()

    def test_coordinates_of_groups(self):
        self.family("learn k: real = 0.3; unconstrained(a, v) ~ transformed(normal([0.1, 0.2, 0.3, 0.4], 1), triangular(k, 0.2), reverse_order()); s ~ lognormal(0, 1); p ~ uniform(0, 1); w ~ normal(0, 1);" + REST,
                    self.groups, before=TRIANGULAR)

    @staticmethod
    def groups(f, p):
        x, log_det = triangular_inverse(list(reversed([p["a"], *p["v"]])), flatten(f["k"])[0], 0.2)
        return normals(x, [0.1, 0.2, 0.3, 0.4]) - log_det + normal(math.log(p["s"])) - math.log(p["s"]) + normals(p["w"]) + rest()

    def test_one_direction_draws_and_fits(self):
        executable = self.compiled("bijector one_way(a: real) on real -> real { forward(x) = x + exp(x + a); }\n"
                                   "model M { data y: real; param m: real ~ normal(0, 1); observe y ~ normal(m, 1); }\n"
                                   "family F for M { m ~ transformed(normal(learn, learn), one_way(learn)); }", "--families=F")
        data, folder = self.write("data.json", {"y": 0.7}), self.scratch / "fit"
        run([executable, "fit", "--data", data, "--output", folder, "--family", "F", "--steps", 500, "--quiet", "--set", "start=plain", "--set", "settle=0"])
        values = {k: flatten(v)[0] for k, v in self.learnables(json.loads((folder / "fit.json").read_text())).items()}
        run([executable, "sample", "--fit", folder / "fit.json", "--data", data, "--draws", 20, "--output", folder / "draws.csv"])
        with open(folder / "draws.csv", newline="") as file:
            for row in csv.DictReader(file):
                # The point that m comes from, by bisection.
                low, high = -40.0, 40.0
                for _ in range(200):
                    middle = 0.5 * (low + high)
                    low, high = (middle, high) if middle + math.exp(middle + values["m.one_way.a"]) < float(row["m"]) else (low, middle)
                log_q = normal(low, values["m.location"], values["m.scale"]) - math.log1p(math.exp(low + values["m.one_way.a"]))
                self.close(float(row["log_q__"]), log_q, "log q of a draw", 1e-10)
        done = run([executable, "log-q", "--fit", folder / "fit.json", "--data", data, "--at", self.write("at.json", [{"m": 0.1}])], status=1)
        self.assertIn("the family F has no density at a given point", done.stderr)

    def test_generic_family(self):
        self.family("rest ~ bent(turns = 2);", self.bent, before=TRIANGULAR + """family bent(turns: int<lower=1>) on u: real[D] {
  learn k: real[turns] = 0.1;
  learn m: real[D];
  u ~ transformed(normal(m, 1), [chain(triangular(k[l], 0.1), reverse_order()) for l in 1:turns]);
}
""")

    @staticmethod
    def bent(f, p):
        by = {k.rsplit(".", 1)[-1]: flatten(v) for k, v in f.items()}
        x = p["x"]
        u = [p["a"], math.log(p["s"]), math.log(p["p"] / (1 - p["p"])), *p["v"], *[(w - p["a"]) / p["s"] for w in p["w"]], math.log(x[0] / (1 - x[0])) + math.log(2), math.log(x[1] / x[2])]
        total = 0.0
        for k in reversed(by["k"]):
            u, log_det = triangular_inverse(list(reversed(u)), k, 0.1)
            total -= log_det
        total += normals(u, by["m"])
        return total - math.log(p["s"]) - 2 * math.log(p["s"]) - math.log(p["p"] * (1 - p["p"])) - math.log(x[0]) - math.log(x[1]) - math.log(x[2])


if __name__ == "__main__":
    unittest.main()
