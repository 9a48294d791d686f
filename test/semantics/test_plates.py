"""Plates in families: blocks of elements on both scales, generic families and bare learnables once a turn; and families given what was drawn."""

import json
import math
import unittest

from semantics_support import FamilyMeaning, dot, flatten, log_sum_exp, lognormal, multi_normal_cholesky, normal, normals, run

MODEL = """model M { data J: int<lower=0>; data y: real[J]; param mu: real ~ normal(0, 1); param tau: real<lower=0> ~ exponential(1);
  param a: real[J] ~ normal(mu, tau); param b: real<lower=0>[J] ~ lognormal(0, 1); param c: real<lower=[mu - 1 + 0.1 * j for j in 1:J], upper=mu + 2>[J] ~ uniform();
  noncentered param d: real[J] ~ normal(mu, tau); param w: simplex<3>[J] ~ dirichlet([2, 2, 2]); param B: real[J, 2] ~ normal(0, 1);
  observe y ~ normal(a + d * c, b); factor -sum(B)^2 - w_first(w); }
fn w_first(w: real[J, K]) -> real = sum([w[j, 1] for j in 1:J]);
"""
POINT = {"mu": 0.3, "tau": 0.8, "a": [0.1, -0.4, 0.9], "b": [0.5, 1.2, 2.2], "c": [0.4, 1.1, 1.9], "d": [0.2, -0.1, 1.3],
         "w": [[0.2, 0.5, 0.3], [0.1, 0.3, 0.6], [0.6, 0.2, 0.2]], "B": [[0.5, -0.3], [1.1, 0.2], [-0.7, 0.4]]}
# Every family draws these as they are, unless it says something else.
DRAWS = {"mu": "mu ~ normal(0.1, 1.5);", "tau": "tau ~ lognormal(0.2, 0.7);", "a": "a ~ normal(0, 1);", "b": "b ~ lognormal(0, 1);", "c": "unconstrained(c) ~ normal(0, 1);", "d": "d ~ normal(0, 2);",
         "w": "w ~ dirichlet([2, 3, 4]);", "B": "B ~ normal(0.1, 1);"}


def cut(point, J):
    return {k: v[:J] if isinstance(v, list) else v for k, v in point.items()}


def interval(point, j):
    """Coordinate of c[j], and the logarithm of the derivative of c[j] by it."""
    low, high = point["mu"] - 1 + 0.1 * (j + 1), point["mu"] + 2
    share = (point["c"][j] - low) / (high - low)
    return math.log(share / (1 - share)), math.log((high - low) * share * (1 - share))


def simplex(w):
    """Coordinates by stick breaking, and the logarithm of the derivative's determinant."""
    first, second = w[0], w[1] / (1 - w[0])
    return [math.log(first / (1 - first)) + math.log(2), math.log(second / (1 - second))], math.log(first * (1 - first)) + math.log(second * (1 - second) * (1 - first))


def densities(p):
    """What DRAWS says, parameter by parameter."""
    J = len(p["a"])
    c = [interval(p, j) for j in range(J)]
    return {"mu": normal(p["mu"], 0.1, 1.5), "tau": lognormal(p["tau"], 0.2, 0.7), "a": normals(p["a"]), "b": math.fsum(lognormal(x, 0, 1) for x in p["b"]), "c": math.fsum(normal(u) - slope for u, slope in c),
            "d": normals(p["d"], 0, 2), "w": math.fsum(math.fsum((k - 1) * math.log(v) - math.lgamma(k) for k, v in zip((2, 3, 4), w)) + math.lgamma(9) for w in p["w"]), "B": normals(flatten(p["B"]), 0.1)}


def rows(values, count):
    """A flat list as so many rows."""
    values = flatten(values)
    width = len(values) // count if count else 0
    return [values[k * width : (k + 1) * width] for k in range(count)]


def matrix(values):
    n = math.isqrt(len(values))
    return [values[i * n : (i + 1) * n] for i in range(n)]


class Plates(FamilyMeaning):
    MODEL = MODEL

    def at(self, J):
        self.POINT = cut(POINT, J)
        self.DATA = {"J": J, "y": [0.3, -0.5, 1.1][:J]}

    def plates(self, body, log_q, without, sizes=(3, 1, 0), before="", first=()):
        """The family of `body` with DRAWS but for the parameters that it draws itself; those of `first` stand above."""
        above = " ".join(DRAWS[k] for k in first)
        below = " ".join(text for k, text in DRAWS.items() if k not in without and k not in first)
        for J in sizes:
            with self.subTest(J=J):
                self.at(J)
                self.family(above + body + below, lambda f, p: log_q(f, p) + math.fsum(v for k, v in densities(p).items() if k not in without), before=before)

    def test_blocks_of_values(self):
        def log_q(f, p):
            J = len(p["a"])
            m, C, L = rows(f["m"], J), rows(f["C"], J), [matrix(r) for r in rows(f["L"], J)]
            g = [p["mu"], math.log(p["tau"])]
            total = 0.0
            for j in range(J):
                mean = [m[j][i] + dot(C[j][2 * i : 2 * i + 2], g) for i in range(3)]
                total += multi_normal_cholesky([p["a"][j], *p["B"][j]], mean, L[j])
            return total

        self.plates("let g = unconstrained(mu, tau); learn m: real[J, 3]; learn C: real[J, 3, 2]; learn L: cov_cholesky<3>[J];"
                    "plate j in 1:J { let mean = m[j] + C[j] @ g; (a[j], B[j]) ~ multi_normal_cholesky(mean, L[j]); }", log_q, {"a", "B"}, first=("mu", "tau"))

    def test_blocks_of_coordinates(self):
        def log_q(f, p):
            J = len(p["a"])
            m, L = rows(f["m"], J), [matrix(r) for r in rows(f["L"], J)]
            total = 0.0
            for j in range(J):
                u, slope = interval(p, j)
                v, determinant = simplex(p["w"][j])
                z = [math.log(p["b"][j]), *v, u, (p["d"][j] - p["mu"]) / p["tau"], p["a"][j]]
                total += multi_normal_cholesky(z, m[j], L[j]) - math.log(p["b"][j]) - determinant - slope - math.log(p["tau"])
            return total

        self.plates("learn m: real[J, 6]; learn L: cov_cholesky<6>[J]; plate j in 1:J { unconstrained(b[j], w[j], c[j], d[j], a[j]) ~ multi_normal_cholesky(m[j], L[j]); }",
                    log_q, {"a", "b", "c", "d", "w"}, first=("mu", "tau"))

    def test_generic_families(self):
        """Each turn has learned numbers of its own."""
        def log_q(f, p):
            J = len(p["a"])
            m, L = rows(f["b+w.m"], J), [matrix(r) for r in rows(f["b+w.L"], J)]
            n, s = rows(f["B.m"], J), rows(f["B.s"], J)
            self.assertEqual(len(flatten(f["b+w.L"])), 9 * J)
            total = 0.0
            for j in range(J):
                v, determinant = simplex(p["w"][j])
                total += multi_normal_cholesky([math.log(p["b"][j]), *v], m[j], L[j]) - math.log(p["b"][j]) - determinant
                total += normals(p["B"][j], n[j], s[j])
            return total

        self.plates("plate j in 1:J { (b[j], w[j]) ~ full_rank(); B[j] ~ mean_field(scale = 0.5); }", log_q, {"b", "w", "B"})

    def test_bare_learnables(self):
        def log_q(f, p):
            J = len(p["a"])
            location, scale, mean = flatten(f["a.location"]), flatten(f["a.scale"]), rows(f["B.location"], J)
            return math.fsum(normal(p["a"][j], location[j], scale[j]) + normals(p["B"][j], mean[j], 1 + abs(p["a"][j])) for j in range(J))

        self.plates("plate j in 1:J { a[j] ~ normal(learn, learn); B[j] ~ normal(learn, 1 + abs(a[j])); }", log_q, {"a", "B"})

    def test_turns_that_do_not_begin_at_one(self):
        def log_q(f, p):
            m, L = rows(f["a+B.m"], 2), [matrix(r) for r in rows(f["a+B.L"], 2)]
            rest = math.fsum(multi_normal_cholesky([p["a"][j], *p["B"][j]], m[j - 1], L[j - 1]) for j in (1, 2))
            return normals([p["a"][0], *p["B"][0]], flatten(f["a+B.2.location"]), 0.5) + rest

        self.plates("plate j in 2:J { (a[j], B[j]) ~ full_rank(); } (a[1], B[1]) ~ normal(learn, 0.5);", log_q, {"a", "B"}, sizes=(3,))

    def test_plates_in_plates(self):
        def log_q(f, p):
            J = len(p["a"])
            shift, scale = rows(f["shift"], J), rows(f["B.scale"], J)
            inner = math.fsum(normal(p["B"][j][k], shift[j][k] + p["a"][j], scale[j][k]) for j in range(J) for k in range(2))
            return inner + math.fsum(normal(x, 0.1 * (j + 1)) for j, x in enumerate(p["a"]))

        self.plates("learn shift: real[J, 2]; plate j in 1:J { a[j] ~ normal(0.1 * j, 1); plate k in 1:2 { let here = a[j]; B[j, k] ~ transformed(normal(0, learn), affine(here + shift[j, k], 1)); } }", log_q, {"a", "B"})

    def test_transformed(self):
        """Draws know their density, and densities of points take the maps back."""
        def log_q(f, p):
            J = len(p["a"])
            m, s = rows(f["m"], J), rows(f["s"], J)
            total = 0.0
            for j in range(J):
                y = [(v - n) / t for v, n, t in zip([p["a"][j], *p["B"][j]], m[j], s[j])]
                u = [math.asinh(v) for v in y]
                total += math.fsum(normal(x) - math.log(math.cosh(x)) - math.log(t) for x, t in zip(u, s[j]))
            return total

        self.plates("learn m: real[J, 3]; learn s: real<lower=0>[J, 3]; plate j in 1:J { (a[j], B[j]) ~ transformed(normal(0, 1), bent(), affine(m[j], s[j])); }", log_q, {"a", "B"},
                    before="bijector bent() on real -> real { forward(x) = sinh(x); inverse(y) = asinh(y); }\n")

    def test_flows(self):
        """Maps of nets, one net a turn: the density is held against that of draws alone."""
        self.at(3)
        executable = self.compiled(MODEL + "family F for M { (mu, tau) ~ full_rank(); plate j in 1:J { (a[j], b[j], c[j], d[j]) ~ affine_coupling(layers = 2, hidden = [3]); } rest ~ mean_field(); }", "--families=F")
        data = self.write("data.json", self.DATA)
        folder = self.scratch / "fit"
        done = run([executable, "fit", "--data", data, "--output", folder, "--steps", 100, "--quiet", "--set", "start=plain"], status=None)
        self.assertIn(done.returncode, (0, 2), done.stderr)
        self.assertRegex(done.stdout, "maps forward and back: .* at the result residual [0-9.]+e-1[3-7]")
        run([executable, "sample", "--fit", folder / "fit.json", "--data", data, "--draws", 20, "--output", folder / "draws.csv"])
        self.consistent(executable, folder, data)

    def test_coordinates_as_values(self):
        def log_q(f, p):
            J = len(p["a"])
            total = 0.0
            for j in range(J):
                v, determinant = simplex(p["w"][j])
                total += normal(math.log(p["b"][j]), 0.1, 1) - math.log(p["b"][j]) + normals(v, [0.1, 0.2]) - determinant
                total += normal(p["a"][j], v[0] + math.log(p["b"][j]) * v[1], 1)
            return total

        self.plates("plate j in 1:J { unconstrained(b[j], w[j]) ~ normal([0.1, 0.1, 0.2], 1); let g = unconstrained(b[j], w[j]); a[j] ~ normal(g[2] + g[1] * g[3], 1); }", log_q, {"a", "b", "w"})

    def test_tuples_of_whole_parameters(self):
        def log_q(f, p):
            m = flatten(f["mu+a+B.location"])
            return normals([p["mu"], *p["a"], *flatten(p["B"])], m, 0.7)

        self.plates("(mu, a, B) ~ normal(learn, 0.7);", log_q, {"mu", "a", "B"})

    def test_mixed(self):
        """Draws in plates that depend on what is mixed over, and a proposal in a plate: the density of draws is estimated."""
        self.at(3)
        body = ("mix e: real[J] ~ normal(0, 1); learn slope: real[J] = 0.5; plate j in 1:J { (a[j], B[j]) ~ normal([slope[j] * e[j], e[j]^2, tanh(e[j])], learn); }"
                "proposal { learn u: real[J]; plate j in 1:J { e[j] ~ normal(u[j] * a[j], learn); } }" + " ".join(v for k, v in DRAWS.items() if k not in ("a", "B")))
        executable = self.compiled(MODEL + "family F for M { " + body + " }\nfit { family = F; objective = aisivi(outer = 16, inner = 16); steps = 50; }", "--families=F")
        data, folder = self.write("data.json", self.DATA), self.scratch / "fit"
        done = run([executable, "fit", "--data", data, "--output", folder, "--quiet"], status=None)
        self.assertIn(done.returncode, (0, 2), done.stderr)
        run([executable, "sample", "--fit", folder / "fit.json", "--data", data, "--draws", 20, "--output", folder / "draws.csv"])
        points = self.write("points.json", [self.POINT])
        found = json.loads(run([executable, "log-q", "--fit", folder / "fit.json", "--data", data, "--at", points, "--inner", 4000]).stdout)[0]
        learned = self.learnables(json.loads((folder / "fit.json").read_text()))
        w, scale = flatten(learned["slope"]), rows(learned["a+B.scale"], 3)
        total = math.fsum(v for k, v in densities(self.POINT).items() if k not in ("a", "B"))
        for j in range(3):
            # By the trapezoidal rule, which is exact to rounding for so smooth a function.
            step = 0.01
            grid = [-9 + step * k for k in range(1801)]
            terms = [normal(e) + normals([self.POINT["a"][j], *self.POINT["B"][j]], [w[j] * e, e * e, math.tanh(e)], scale[j]) + math.log(step) for e in grid]
            total += log_sum_exp(*terms)
        self.assertLess(float(found["standard_error"]), 0.05)
        self.close(float(found["log_q"]), total, "log q", 5 * float(found["standard_error"]) / max(1, abs(total)))

    def test_given(self):
        def log_q(f, p):
            J = len(p["a"])
            g = [p["mu"], math.log(p["tau"])]
            z = flatten([[p["a"]], [math.log(b) for b in p["b"]]])
            m, C, s = flatten(f["a+b.m"]), rows(f["a+b.C"], 2 * J), flatten(f["a+b.s"])
            total = normals(z, [m[i] + dot(C[i], g) for i in range(2 * J)], s) - math.fsum(math.log(b) for b in p["b"])
            m, C, L = flatten(f["d.m"]), rows(f["d.C"], J), matrix(flatten(f["d.L"]))
            return total + multi_normal_cholesky([(x - p["mu"]) / p["tau"] for x in p["d"]], [m[j] + dot(C[j], p["a"]) for j in range(J)], L) - J * math.log(p["tau"])

        self.plates("(a, b) ~ mean_field(given = unconstrained(mu, tau)); d ~ full_rank(given = a);", log_q, {"a", "b", "d"}, first=("mu", "tau"))

    def test_given_in_plates(self):
        def log_q(f, p):
            J = len(p["a"])
            m, C, L = rows(f["a+B.m"], J), rows(f["a+B.C"], J), [matrix(r) for r in rows(f["a+B.L"], J)]
            return math.fsum(multi_normal_cholesky([p["a"][j], *p["B"][j]], [m[j][i] + C[j][2 * i] * p["mu"] + C[j][2 * i + 1] * [0.3, -0.5, 1.1][j] for i in range(3)], L[j]) for j in range(J))

        self.plates("plate j in 1:J { (a[j], B[j]) ~ full_rank(given = [mu, y[j]]); }", log_q, {"a", "B"}, first=("mu", "tau"))


del FamilyMeaning  # it is no test

if __name__ == "__main__":
    unittest.main()
