"""Expressions: arithmetic, conditionals, comprehensions, indices, products, functions."""

import math
import unittest

from semantics_support import Meaning, cholesky, dot, flatten, inv_logit, log_sum_exp, matmul, multi_normal_cholesky, normal, normals

Y = [0.3, -1.2, 2.5, 0.7, -0.4]
X = [[0.5, -1.0, 2.0], [1.5, 0.2, -0.3], [-0.7, 0.9, 1.1], [0.4, 0.0, -2.2], [1.0, 1.0, 0.1]]
HEAD = """model M { data N: int<lower=1>; data P: int<lower=1>; data y: real[N]; data X: real[N, P]; data g: int<lower=1, upper=P>[N];
  param m: real ~ normal(0, 1); param b: real[P] ~ normal(0, 2); """
DATA = {"N": 5, "P": 3, "y": Y, "X": X, "g": [2, 2, 1, 3, 2]}
POINT = [{"m": 0.4, "b": [0.3, -0.8, 1.7]}, {"m": -1.6, "b": [-0.2, 0.05, -2.4]}]
G = [k - 1 for k in DATA["g"]]


def prior(p):
    return normal(p["m"]) + normals(p["b"], 0, 2)


class Expressions(Meaning):
    def factor(self, expression, value, head="", **keywords):
        self.same(HEAD + head + "factor " + expression + "; }", DATA, POINT, lambda d, p: prior(p) + value(p["m"], p["b"]), **keywords)

    def test_arithmetic(self):
        self.factor("sum(-b^2 + 3 * b / (1 + b^2) - (2 - b) * m) + 7 / 2 + 2^m + m^2 * -1 - -m",
                    lambda m, b: sum(-x * x + 3 * x / (1 + x * x) - (2 - x) * m for x in b) + 3.5 + 2 ** m - m * m + m)

    def test_integers(self):
        self.factor("m * (div(7, 2) + div(-7, 2) * 10 + mod(-7, 3) * 100 + mod(7, 3) * 1000) + b[1] * (N * P - 3) / 2 + (N > 3 && P != 2 || N == 0 ? 1 : 0)",
                    lambda m, b: m * (3 - 40 + 200 + 1000) + b[0] * 6 + 1)

    def test_int_power_and_division(self):
        self.factor("m * (N / 2) + b[1] * N^2 + 2^3 * b[2] + 1 / 3", lambda m, b: m * 2.5 + b[0] * 25 + 8 * b[1] + 1 / 3)

    def test_selected_side_only(self):
        # The other side is nan, inf or has an infinite derivative.
        self.factor("(m > -2 ? m * 2 : log(m - 100)) + (m < 5 ? exp(m) : exp(exp(m * 1000))) + (m > -9 ? 1.0 : sqrt(m * 0))",
                    lambda m, b: 2 * m + math.exp(m) + 1)

    def test_selected_side_in_arrays(self):
        self.factor("sum([b[k] > 0 ? log(b[k]) : b[k] < -1 ? sqrt(-b[k] - 1) : b[k]^2 for k in 1:P])",
                    lambda m, b: sum(math.log(x) if x > 0 else math.sqrt(-x - 1) if x < -1 else x * x for x in b))

    def test_conditional_of_arrays(self):
        self.factor("sum((m > 0 ? b : 2 * b) * [1, 10, 100]) + sum(N > 3 ? b : -b)", lambda m, b: dot(b, [1, 10, 100]) * (1 if m > 0 else 2) + sum(b), head="require P == 3;")

    def test_unselected_zero_division(self):
        self.factor("sum([y[i] > 0 ? b[g[i]] / y[i] : m for i in 1:N]) + (m == m ? b[1] : b[1] / 0)",
                    lambda m, b: sum(b[k] / v if v > 0 else m for v, k in zip(Y, G)) + b[0])

    def test_comparisons(self):
        self.factor("to_real(m < b[1]) + 2 * to_real(m >= b[1]) + 4 * to_real(m != b[2]) + 8 * to_real(!(m > b[1] && b[2] > 0 || false))",
                    lambda m, b: (1 if m < b[0] else 2) + 4 + 8 * (not (m > b[0] and b[1] > 0)))

    def test_comprehension_nested(self):
        self.factor("sum([sum([X[i, k] * b[k] * j for k in 1:P]) for i in 1:N, j in 1:2]) + sum([[b[k] * i for k in 1:P] for i in 2:4])",
                    lambda m, b: sum(dot(row, b) * 3 for row in X) + sum(b) * 9)

    def test_comprehension_dependent(self):
        self.factor("sum([sum(b[1:k]) * k for k in 1:P]) + sum([sum([b[j] * y[i] for j in k:P]) for k in 1:P, i in 1:N])",
                    lambda m, b: sum(sum(b[:k]) * k for k in (1, 2, 3)) + sum(b[j] * v for k in range(3) for v in Y for j in range(k, 3)))

    def test_gathers(self):
        self.factor("sum(b[g] * y) + sum(X[g] * 2) * m + X[2, :] @ b + sum(b[g[1:2]])" , lambda m, b: sum(b[k] * v for k, v in zip(G, Y)) + 2 * m * sum(sum(X[k]) for k in G) + dot(X[1], b) + b[1] * 2, head="require N >= 5;")

    def test_row_gather_of_parameters(self):
        model = HEAD + "param B: real[P, 2] ~ normal(0, 1); let R = B[g]; observe y ~ normal(R[:, 1] * 2 + R[:, 2] * y, 1); factor sum(B[:, 1][g]); }"
        point = [{**p, "B": [[0.1, 0.5], [-0.4, 0.9], [1.2, -0.3]]} for p in POINT]
        self.same(model, DATA, point, lambda d, p: prior(p) + normals(flatten(p["B"])) + normals(Y, [p["B"][k][0] * 2 + p["B"][k][1] * v for k, v in zip(G, Y)]) + sum(p["B"][k][0] for k in G))

    def test_slices(self):
        self.factor("sum(y[2:3]) * m + sum(y[4:]) * b[1] + sum(y[:2]) * b[2] + sum(X[2:3, 1]) + sum(X[1, 2:]) * m + sum(X[2:4, :][1]) + sum(y[3:2])",
                    lambda m, b: (Y[1] + Y[2]) * m + (Y[3] + Y[4]) * b[0] + (Y[0] + Y[1]) * b[1] + X[1][0] + X[2][0] + (X[0][1] + X[0][2]) * m + sum(X[1]), head="require N == 5; require P == 3;")

    def test_ragged(self):
        model = """model M { data J: int; data first: int<lower=1>[J]; data len: int<lower=0>[J]; data T: int; data y: real[T]; param m: real[J] ~ normal(0, 1);
          for j in 1:J { observe y[first[j] : first[j] + len[j] - 1] ~ normal(m[j], 1); factor sum([y[first[j] + k - 1] * k * m[j] for k in 1:len[j]]); } }"""
        data = {"J": 3, "first": [1, 3, 3], "len": [2, 0, 4], "T": 6, "y": [1, 2, 3, 4, 5, 6]}

        def lp(d, p):
            m = p["m"]
            return normals(m) + normals([1, 2], m[0]) + normals([3, 4, 5, 6], m[2]) + m[0] * 5 + m[2] * (3 + 8 + 15 + 24)
        self.same(model, data, [{"m": [0.3, 0.1, -1]}], lp)

    def test_products(self):
        self.factor("sum(X @ b) + (y @ X) @ b + y @ y * m + sum((X' @ X) * outer(b, b)) + sum(X' @ y * b) + sum((X @ diag_matrix(b)) @ X')",
                    lambda m, b: sum(matmul(X, b)) + dot(matmul(Y, X), b) + dot(Y, Y) * m
                    + sum(dot([r[i] for r in X], [r[j] for r in X]) * b[i] * b[j] for i in range(3) for j in range(3))
                    + dot(matmul(Y, X), b) + sum(X[i][k] * b[k] * X[j][k] for i in range(5) for j in range(5) for k in range(3)))

    def test_product_chain(self):
        self.factor("let_value", lambda m, b: sum(flatten(matmul(matmul([[m, 2 * m], [1, m * m]], [[b[0], b[1]], [b[2], 1]]), [[m, 2 * m], [1, m * m]]))),
                    head="let A = [[m, 2 * m], [1, m^2]]; let B = [[b[1], b[2]], [b[3], 1]]; require P == 3; let let_value = sum(A @ B @ A);")

    def test_transpose_of_transpose(self):
        self.factor("sum(X'' * X) * m + X'[2, 3] * b[1] + sum((X')[1])", lambda m, b: sum(v * v for v in flatten(X)) * m + X[2][1] * b[0] + sum(r[0] for r in X), head="require N >= 5; require P == 3;")

    def test_three_axes(self):
        self.factor("sum(T) / 10 + T[2, 3, 1] + sum(T[1]) - sum(T[:, 2, :]) + sum(T[:, :, 2])",
                    lambda m, b: (lambda T: sum(flatten(T)) / 10 + T[1][2][0] + sum(flatten(T[0])) - sum(flatten([r[1] for r in T])) + sum(v[1] for r in T for v in r))(
                        [[[X[i][k] * b[k] * (h + 1) + m * i for h in range(2)] for k in range(3)] for i in range(5)]),
                    head="require P == 3; require N == 5; let T = [X[i, k] * b[k] * h + m * (i - 1) for i in 1:N, k in 1:P, h in 1:2];")

    def test_stacks(self):
        self.factor("sum([b, 2 * b, y[1:3]] @ b) + [m, 1, 2][2] * [m, 7][1] + sum([[m, 1], [2, m]])", lambda m, b: 3 * dot(b, b) + dot(Y[:3], b) + m + 2 * m + 3, head="require P == 3; require N == 5;")

    def test_reductions(self):
        self.factor("max(b) + 2 * min(b) + max(y) * m + min(X) + mean(X) + variance(b) + sd(y) + prod(b) + sum(cumulative_sum(b)) + norm(b) + log_sum_exp(b) + dot(softmax(b), b) + mean(log_softmax(b))",
                    lambda m, b: max(b) + 2 * min(b) + 2.5 * m - 2.2 + sum(flatten(X)) / 15 + sum((x - sum(b) / 3) ** 2 for x in b) / 2
                    + math.sqrt(sum((v - sum(Y) / 5) ** 2 for v in Y) / 4) + b[0] * b[1] * b[2] + 3 * b[0] + 2 * b[1] + b[2] + math.sqrt(dot(b, b)) + log_sum_exp(*b)
                    + dot([math.exp(x - log_sum_exp(*b)) for x in b], b) + sum(b) / 3 - log_sum_exp(*b))

    def test_elementary(self):
        self.factor("sum([sin(m), cos(m), tan(m), tanh(m), inv_logit(m), log1p(m^2), expm1(m), log1p_exp(m), atan(m), asinh(m), erf(m), Phi(m), abs(m), square(m), sqrt(1 + m^2), floor(m), ceil(m), sign(m), cosh(m), sinh(m), exp2(m), hypot(m, 2), lgamma(3 + m), logit(0.1 + inv_logit(m) / 2)])",
                    lambda m, b: sum([math.sin(m), math.cos(m), math.tan(m), math.tanh(m), inv_logit(m), math.log1p(m * m), math.expm1(m), math.log1p(math.exp(m)), math.atan(m), math.asinh(m), math.erf(m),
                                      0.5 * math.erfc(-m / math.sqrt(2)), abs(m), m * m, math.sqrt(1 + m * m), math.floor(m), math.ceil(m), math.copysign(1, m), math.cosh(m), math.sinh(m), 2 ** m, math.hypot(m, 2),
                                      math.lgamma(3 + m), math.log((0.1 + inv_logit(m) / 2) / (0.9 - inv_logit(m) / 2))]), derivatives=False)

    def test_cholesky(self):
        self.factor("let_value", lambda m, b: (lambda L: multi_normal_cholesky(b, [m, 0, 1], L) + L[2][1])(cholesky([[(5 if i == j else 0) + math.exp(-abs(i - j)) * m * m for j in range(3)] for i in range(3)])),
                    head="require P == 3; let S = [(i == j ? 5.0 : 0.0) + exp(-abs(i - j)) * m^2 for i in 1:P, j in 1:P]; let L = cholesky(S); let let_value = multi_normal_cholesky([m, 0, 1], L).log_density(b) + L[3, 2];")

    def test_huge_and_tiny(self):
        self.factor("log_sum_exp([m * 1e3, -1e308, m * 1e3 + 1]) + log1p_exp(m * 1e3) + inv_logit(m * 1e4) + log_sum_exp([-inf(), m]) + (m * 1e-300) * 1e300",
                    lambda m, b: log_sum_exp(m * 1e3, m * 1e3 + 1) + (m * 1e3 if m > 0 else 0) + (1 if m > 0 else 0) + m + m, derivatives=False)

    def test_clamped_index(self):
        self.factor("b[clamp(to_int(floor(m * 2)) + 2, 1, P)] * m", lambda m, b: b[min(max(math.floor(m * 2) + 2, 1), 3) - 1] * m, derivatives=False)

    def test_shadow_free_names(self):
        # A function's local names are its own.
        model = "fn f(m: real, b: real[K]) -> real { let y = m * 2; var x = y; for i in 1:K { x += b[i] * y; } return x; }\n" + HEAD + "let x = 3.0; factor f(b[1], b * m) + x * f(m = x, b = y); }"

        def f(m, b):
            return 2 * m + sum(b) * 2 * m
        self.same(model, DATA, POINT, lambda d, p: prior(p) + f(p["b"][0], [v * p["m"] for v in p["b"]]) + 3 * f(3, Y))


FUNCTIONS = """
fn affine(x: real, a: real = 2, c: real = 1) -> real = a * x + c;
fn diff(x: real[K]) -> real[K - 1] = [x[k + 1] - x[k] for k in 1:(K - 1)];
fn split(x: real[K]) -> (real, real[K], int) { let s = sum(x); return (s, x / (1 + s^2), K); }
fn stairs(n: int<lower=0>) -> real[div(n * (n + 1), 2)] = [i + 0.0 for i in 1:div(n * (n + 1), 2)];
fn both(u: real[K], d: real[K - 1]) -> real = sum(u[2:] * d) + K;
fn compose(x: real[K, L]) -> real[L, K] { var r: real[L, K]; for i in 1:L { for k in 1:K { r[i, k] = affine(x[k, i]); } } return r; }
fn pick(x: real, n: int) -> real { var r = x; if n > 2 { r = r * n; } else { r = -r; } return r; }
fn sq(x: real) -> real { let r = x * x; return r; }
fn inplace(x: real[K]) -> real[K] { var a = x; for k in 2:K { a[k] += a[k-1] * 0.5; } return a; }
"""


class Functions(Meaning):
    def factor(self, expression, value, head=""):
        self.same(FUNCTIONS + HEAD + head + "factor " + expression + "; }", DATA, POINT, lambda d, p: prior(p) + value(p["m"], p["b"]))

    def test_defaults_and_names(self):
        self.factor("affine(m) + affine(m, c = 5) + affine(c = b[1], x = 1, a = m) + sum(affine(b)) + sum(affine(b, y[1:3], m))",
                    lambda m, b: 2 * m + 1 + 2 * m + 5 + m + b[0] + sum(2 * x + 1 for x in b) + sum(v * x + m for v, x in zip(Y, b)), head="require P == 3; require N == 5;")

    def test_sizes_of_arguments(self):
        self.factor("sum(diff(b)^2) + sum(diff(diff(y))) * m + both(b, diff(b)) + size(stairs(P)) * m + sum(stairs(2))",
                    lambda m, b: sum((b[k + 1] - b[k]) ** 2 for k in (0, 1)) + m * (Y[4] - Y[3] - Y[1] + Y[0]) + b[1] * (b[1] - b[0]) + b[2] * (b[2] - b[1]) + 3 + 6 * m + 6, head="require N >= 2; require P >= 2;")

    def test_tuples(self):
        self.factor("s * m + sum(r * b) + k + sum(r2)", lambda m, b: sum(b) * m + dot(b, b) / (1 + sum(b) ** 2) + 3 + sum(Y) / (1 + sum(Y) ** 2), head="let (s, r, k) = split(b); let (s2, r2, k2) = split(y);")

    def test_matrices(self):
        self.factor("sum(compose(X)[2] * y) * m + compose([b, b])[1, 2]", lambda m, b: m * sum((2 * r[1] + 1) * v for r, v in zip(X, Y)) + 2 * b[0] + 1, head="require P == 3;")

    def test_statements_inside(self):
        self.factor("pick(m, N) + pick(b[1], 1) + sum(sq(b)) + sum(inplace(b) * b) + sum(inplace(inplace(y))) * m",
                    lambda m, b: 5 * m - b[0] + dot(b, b) + dot(inplace(b), b) + m * sum(inplace(inplace(Y))))

    def test_in_comprehensions(self):
        self.factor("sum([sum(inplace(b * y[i])) * sq(y[i]) for i in 1:N]) + sum([diff([m, y[i], b[1]]) for i in 1:N] @ [1, 2])",
                    lambda m, b: sum(sum(inplace([x * v for x in b])) * v * v for v in Y) + sum((v - m) + 2 * (b[0] - v) for v in Y))

    def test_import(self):
        (self.folder() / "library_of_functions.vmodel").write_text("fn twice(x: real) -> real = 2 * x;\ndistribution shifted(m: real) on real { log_density(x) = -0.5 * (x - m)^2 - 0.91893853320467274; }\n")
        model = 'import "library_of_functions.vmodel";\n' + HEAD + "factor twice(m) + sum(twice(b)); observe y ~ shifted(m); }"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + 2 * p["m"] + 2 * sum(p["b"]) + normals(Y, p["m"]))

    def test_import_under_names(self):
        # The same names in three files and in the library: each means its own file's.
        (self.folder() / "library_one.vmodel").write_text("""import "library_two.vmodel" as inner;
          fn scale(x: real) -> real = 10 * x; fn both(x: real) -> real = scale(x) + inner.scale(x) + square(x);
          distribution normal(m: real) on real { log_density(x) = -inner.scale(1) * (x - m)^2; }
          family shifted() on x: real[D] { learn c: real[D]; x ~ normal(c, 1); }\n""".replace("x ~ normal(c, 1)", "x ~ cauchy(c, scale(1))"))
        (self.folder() / "library_two.vmodel").write_text("fn scale(x: real) -> real = 100 * x; fn vector(x: real[N]) -> real = scale(sum(x));\n")
        model = ('import "library_one.vmodel" as one;\nimport "library_two.vmodel" as two;\nfn scale(x: real) -> real = 1000 * x;\nfn square(x: real) -> real = 7 * x;\n' + HEAD
                 + "factor one.both(m) + sum(one.scale(b)) + scale(m) + two.vector(b) + one.inner.scale(m); observe y ~ one.normal(m); factor sum(one.normal(0).log_density(b)); }\nfamily F for M = one.shifted();").replace("one.inner.scale(m)", "square(m)")
        self.same(model, DATA, POINT, lambda d, p: prior(p) + 110 * p["m"] + p["m"] ** 2 + 10 * sum(p["b"]) + 1000 * p["m"] + 100 * sum(p["b"]) + 7 * p["m"]
                  - 100 * sum((v - p["m"]) ** 2 for v in Y) - 100 * sum(v * v for v in p["b"]), families=("mean_field", "F"))

    def test_library_is_not_shadowed(self):
        # The library's own functions and distributions go on using the library's names.
        model = ("fn log1m(x: real) -> real = 1e6 * x;\nfn lbeta(a: real, b: real) -> real = 1e6;\nfn square(x: real) -> real = 1e6;\ndistribution normal(m: real, s: real) on real { log_density(x) = -(x - m)^4 / s; }\n" + HEAD
                 + "factor bernoulli(inv_logit(m)).log_density(0) + beta(2, 3).log_density(inv_logit(m)) + 1e-6 * log1m(m); observe y ~ student_t(3, m, 1); }").replace("~ normal", "~ cauchy")
        from math import exp, gamma, lgamma, log, pi, sqrt
        logit = lambda p: 1 / (1 + exp(-p["m"]))
        t3 = lambda x: lgamma(2) - lgamma(1.5) - 0.5 * log(3 * pi) - 2 * math.log1p(x * x / 3)
        cauchy_prior = lambda p: -log(pi) - math.log1p(p["m"] ** 2) - sum(log(2 * pi) + math.log1p(v * v / 4) for v in p["b"])
        self.same(model, DATA, POINT, lambda d, p: cauchy_prior(p) + log(1 - logit(p)) + log(12 * logit(p) * (1 - logit(p)) ** 2) + p["m"] + sum(t3(v - p["m"]) for v in Y))

    def folder(self):
        from semantics_support import BUILD
        folder = BUILD / "test" / "semantics"
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def inplace(x):
    a = list(x)
    for k in range(1, len(a)):
        a[k] += a[k - 1] * 0.5
    return a


if __name__ == "__main__":
    unittest.main()
