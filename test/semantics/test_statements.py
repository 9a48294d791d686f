"""Statements: var, for, if, let, factor, observe."""

import math
import unittest

from semantics_support import Meaning, dot, log_sum_exp, normal, normals, run

Y = [0.3, -1.2, 2.5, 0.7, -0.4]
HEAD = "model M { data N: int<lower=0>; data y: real[N]; param m: real ~ normal(0, 1); param s: real<lower=0> ~ exponential(1);"
DATA = {"N": 5, "y": Y}
POINT = [{"m": 0.4, "s": 1.3}, {"m": -1.1, "s": 0.2}]


def prior(p):
    return normal(p["m"]) - p["s"]


class Vars(Meaning):
    def test_write_once(self):
        self.same(HEAD + "var x: real[N]; x[1] = m; for i in 2:N { x[i] = s * x[i-1] + y[i]; } require N >= 1; observe y ~ normal(x, s); }", DATA, POINT, self.recurrence)

    @staticmethod
    def recurrence(d, p):
        x = [p["m"]]
        for i in range(1, 5):
            x.append(p["s"] * x[-1] + Y[i])
        return prior(p) + normals(Y, x, p["s"])

    def test_two_steps_back(self):
        model = HEAD + "require N >= 2; var x: real[N]; x[1] = m; x[2] = s; for i in 3:N { x[i] = 0.5 * x[i-1] - 0.3 * x[i-2] * y[i-1]; } observe y ~ normal(x, 1); factor sum(x^2); }"

        def lp(d, p):
            x = [p["m"], p["s"]]
            for i in range(2, 5):
                x.append(0.5 * x[i - 1] - 0.3 * x[i - 2] * Y[i - 1])
            return prior(p) + normals(Y, x) + sum(v * v for v in x)
        self.same(model, DATA, POINT, lp)

    def test_write_once_matrix(self):
        model = HEAD + "var x: real[N, 3]; for i in 1:N { for k in 1:3 { x[i, k] = m * k + y[i] * s; } } factor sum(x^2) / 100; }"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + sum((p["m"] * k + v * p["s"]) ** 2 for v in Y for k in (1, 2, 3)) / 100)

    def test_write_once_rows(self):
        model = HEAD + "var x: real[N, 2]; for i in 1:N { x[i] = [m * y[i], s]; } factor x[2, 1] * 3 + sum(x[:, 2]) + sum(x[N]); require N >= 2; }"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + 3 * p["m"] * Y[1] + 5 * p["s"] + p["m"] * Y[4] + p["s"])

    def test_recurrence_of_rows(self):
        model = HEAD + "require N >= 1; var x: real[N, 2]; x[1] = [m, s]; for t in 2:N { x[t] = [x[t-1, 1] * 0.5 + x[t-1, 2] * y[t], sin(x[t-1, 1])]; } factor sum(x); }"

        def lp(d, p):
            a, b = p["m"], p["s"]
            total = a + b
            for t in range(1, 5):
                a, b = 0.5 * a + b * Y[t], math.sin(a)
                total += a + b
            return prior(p) + total
        self.same(model, DATA, POINT, lp)

    def test_fill_and_overwrite(self):
        model = HEAD + "var x: real[N] = m; x[2] = s; x[2] = x[2] * x[1]; x[3] += 2; for i in 1:N { x[i] += y[i]; } factor x[1] + 2 * x[2] + 3 * x[3] * x[2]; require N >= 3; }"

        def lp(d, p):
            x = [p["m"]] * 5
            x[1] = p["s"] * p["m"]
            x[2] += 2
            x = [a + b for a, b in zip(x, Y)]
            return prior(p) + x[0] + 2 * x[1] + 3 * x[2] * x[1]
        self.same(model, DATA, POINT, lp)

    def test_recurrence_in_mutable_memory(self):
        model = HEAD + "var x: real[N] = s; for i in 2:N { x[i] = x[i-1] * m + x[i]; } factor sum(x) + x[N] * x[1]; require N >= 1; }"

        def lp(d, p):
            x = [p["s"]] * 5
            for i in range(1, 5):
                x[i] = x[i - 1] * p["m"] + x[i]
            return prior(p) + sum(x) + x[4] * x[0]
        self.same(model, DATA, POINT, lp)

    def test_shift_in_place_upwards(self):
        model = HEAD + "require N == 5; var x: real[N] = [m * i for i in 1:N]; x[2:5] = x[1:4]; factor x @ [1, 10, 100, 1000, 10000] + s; }"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + p["s"] + p["m"] * dot([1, 1, 2, 3, 4], [1, 10, 100, 1000, 10000]))

    def test_shift_in_place_downwards(self):
        model = HEAD + "require N == 5; var x: real[N] = [m * i for i in 1:N]; x[1:4] = x[2:5]; factor x @ [1, 10, 100, 1000, 10000] + s; }"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + p["s"] + p["m"] * dot([2, 3, 4, 5, 5], [1, 10, 100, 1000, 10000]))

    def test_reverse_in_place(self):
        model = HEAD + "require N == 5; var x: real[N] = [m * i for i in 1:N]; x = [x[N + 1 - i] for i in 1:N]; factor x @ [1, 10, 100, 1000, 10000] + s; }"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + p["s"] + p["m"] * dot([5, 4, 3, 2, 1], [1, 10, 100, 1000, 10000]))

    def test_let_before_a_store(self):
        model = HEAD + "var x: real[N] = m; let before = x[1:2]; let whole = x; let one = x[1]; x[1] = s; x[2] = 5; factor before[1] + 2 * before[2] + 4 * whole[2] + 8 * one + 16 * x[1]; require N >= 2; }"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + p["m"] * 15 + 16 * p["s"] - p["m"] * 0)

    def test_whole_array_recurrence(self):
        # The forward algorithm in place: all of the new array reads all of the old one.
        model = HEAD + """let A = [[0.1, 0.9, 0.3], [0.5, 0.2, 0.7], [0.4, 0.6, 0.8]];
          var alpha: real[3] = [m, s, 0.5];
          for t in 1:N { alpha = [log_sum_exp(alpha + A[:, k]) - k * y[t] * 0.1 for k in 1:3]; }
          factor log_sum_exp(alpha) + alpha[2]; }"""

        def lp(d, p):
            A = [[0.1, 0.9, 0.3], [0.5, 0.2, 0.7], [0.4, 0.6, 0.8]]
            alpha = [p["m"], p["s"], 0.5]
            for t in range(5):
                alpha = [log_sum_exp(*[alpha[j] + A[j][k] for j in range(3)]) - (k + 1) * Y[t] * 0.1 for k in range(3)]
            return prior(p) + log_sum_exp(*alpha) + alpha[1]
        self.same(model, DATA, POINT, lp)

    def test_matrix_recurrence(self):
        model = HEAD + """var P: real[2, 2] = [[m, 1], [0.5, s]]; let F = [[0.9, 0.2], [-0.1, 0.8]];
          for t in 1:N { P = F @ P @ F' + diag_matrix([0.1, y[t]]); } factor P[1, 1] + 2 * P[1, 2] - 3 * P[2, 1] + 0.5 * P[2, 2]; }"""

        def lp(d, p):
            P, F = [[p["m"], 1], [0.5, p["s"]]], [[0.9, 0.2], [-0.1, 0.8]]
            for t in range(5):
                Q = [[sum(F[i][k] * P[k][l] * F[j][l] for k in (0, 1) for l in (0, 1)) for j in (0, 1)] for i in (0, 1)]
                Q[0][0] += 0.1
                Q[1][1] += Y[t]
                P = Q
            return prior(p) + P[0][0] + 2 * P[0][1] - 3 * P[1][0] + 0.5 * P[1][1]
        self.same(model, DATA, POINT, lp)

    def test_state_updated_while_observed(self):
        model = HEAD + """var a: real[2] = [m, 1]; var v: real[N];
          for t in 1:N { v[t] = y[t] - a[1]; let gain = s / (s + 1); a[1] = a[1] + gain * v[t] + a[2]; a[2] = a[2] * 0.5 + 0.1 * v[t]; }
          observe y ~ normal(y - v, s); factor a[1] * a[2]; }"""

        def lp(d, p):
            a, vs = [p["m"], 1.0], []
            for t in range(5):
                v = Y[t] - a[0]
                vs.append(v)
                a[0] = a[0] + p["s"] / (p["s"] + 1) * v + a[1]
                a[1] = a[1] * 0.5 + 0.1 * v
            return prior(p) + normals(vs, 0, p["s"]) + a[0] * a[1]
        self.same(model, DATA, POINT, lp)

    def test_swap(self):
        model = HEAD + "require N >= 2; var x: real[2] = [m, s]; for i in 1:3 { let t = x[1]; x[1] = x[2] * 2; x[2] = t + y[1]; } factor x[1] + 10 * x[2]; }"

        def lp(d, p):
            a, b = p["m"], p["s"]
            for _ in range(3):
                a, b = b * 2, a + Y[0]
            return prior(p) + a + 10 * b
        self.same(model, DATA, POINT, lp)

    def test_accumulate_with_repeats(self):
        model = HEAD + "data g: int<lower=1, upper=3>[N]; var x: real[3] = 0; for i in 1:N { x[g[i]] += y[i] * m; } factor x[1]^2 + x[2] * x[3] * s; }"

        def lp(d, p):
            x = [0, 0, 0]
            for g, v in zip(d["g"], Y):
                x[g - 1] += v * p["m"]
            return prior(p) + x[0] ** 2 + x[1] * x[2] * p["s"]
        self.same(model, DATA | {"g": [1, 3, 3, 2, 3]}, POINT, lp)

    def test_prefix_sums_by_reading_while_adding(self):
        model = HEAD + "require N >= 1; var x: real[N] = 0; for i in 1:N { x[i] += m * y[i]; if i > 1 { x[i] += x[i-1]; } } factor sum(x^2) + s; }"

        def lp(d, p):
            c, total = 0.0, 0.0
            for v in Y:
                c += p["m"] * v
                total += c * c
            return prior(p) + total + p["s"]
        self.same(model, DATA, POINT, lp)

    def test_scalar_var_in_nested_loops(self):
        model = HEAD + "var t = 0.0; var u = 1.0; for i in 1:N { for j in i:N { t += y[i] * m * j; u = u * 0.9 + t * 0.01; } t = t * s; } factor t + u; }"

        def lp(d, p):
            t, u = 0.0, 1.0
            for i in range(1, 6):
                for j in range(i, 6):
                    t += Y[i - 1] * p["m"] * j
                    u = u * 0.9 + t * 0.01
                t *= p["s"]
            return prior(p) + t + u
        self.same(model, DATA, POINT, lp)

    def test_triangular_write(self):
        model = HEAD + "var L: real[N, N] = 0; for i in 1:N { for j in 1:i { L[i, j] = m * y[i] + s * j; } } factor sum(L @ L') / 100 + L[1, N]; require N >= 1; }"

        def lp(d, p):
            L = [[p["m"] * Y[i] + p["s"] * (j + 1) if j <= i else 0.0 for j in range(5)] for i in range(5)]
            return prior(p) + sum(dot(L[i], L[j]) for i in range(5) for j in range(5)) / 100
        self.same(model, DATA, POINT, lp)

    def test_gram_schmidt_like(self):
        # The inner loop reads rows that the outer loop has finished.
        model = HEAD + """var L: real[3, 3] = 0;
          let A = [[2 + s, 0.3 * m, 0.1], [0.3 * m, 3 + s, 0.2], [0.1, 0.2, 4 + m^2]];
          for i in 1:3 { for j in 1:i { var t = A[i, j]; for k in 1:(j - 1) { t = t - L[i, k] * L[j, k]; } L[i, j] = i == j ? sqrt(t) : t / L[j, j]; } }
          factor log(L[1, 1]) + log(L[2, 2]) + 2 * log(L[3, 3]) + L[3, 1] - L[3, 2]; }"""

        def lp(d, p):
            from semantics_support import cholesky
            s, m = p["s"], p["m"]
            L = cholesky([[2 + s, 0.3 * m, 0.1], [0.3 * m, 3 + s, 0.2], [0.1, 0.2, 4 + m * m]])
            return prior(p) + math.log(L[0][0]) + math.log(L[1][1]) + 2 * math.log(L[2][2]) + L[2][0] - L[2][1]
        self.same(model, DATA, POINT, lp)

    def test_var_in_loop_body(self):
        model = HEAD + "var total = 0.0; for i in 1:N { var a: real[2] = m; a[1] = y[i]; a[2] += a[1] * s; var c = 0.0; for k in 1:2 { c += a[k] * k; } total += c^2; } factor total; }"

        def lp(d, p):
            return prior(p) + sum((v + 2 * (p["m"] + v * p["s"])) ** 2 for v in Y)
        self.same(model, DATA, POINT, lp)

    def test_write_once_in_loop_body(self):
        model = HEAD + "var total = 0.0; for i in 1:N { var a: real[3]; a[1] = y[i]; for k in 2:3 { a[k] = a[k-1] * s + m; } total += a[3] * a[2]; } factor total; }"

        def lp(d, p):
            total = 0.0
            for v in Y:
                b = v * p["s"] + p["m"]
                total += (b * p["s"] + p["m"]) * b
            return prior(p) + total
        self.same(model, DATA, POINT, lp)

    def test_int_and_bool_vars(self):
        model = HEAD + "var n = 0; var found = false; for i in 1:N { if y[i] > 0.5 { n += 1; found = true; } else { n = n - 2; } } factor n * m + (found ? s : -s); }"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + (2 - 6) * p["m"] + p["s"])

    def test_int_array_var(self):
        model = HEAD + "var c: int[3] = 0; for i in 1:N { let k = y[i] < 0 ? 1 : y[i] < 1 ? 2 : 3; c[k] += 1; } factor c[1] * m + c[2] * s + c[3] * m^2; }"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + 2 * p["m"] + 2 * p["s"] + p["m"] ** 2)

    def test_slices_assigned(self):
        model = HEAD + "require N == 5; var x: real[N]; x[1:2] = [m, s]; x[3:5] = y[1:3] * m; factor x @ [1, 2, 3, 4, 5]; }"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + p["m"] + 2 * p["s"] + p["m"] * dot(Y[:3], [3, 4, 5]))

    def test_column_assigned(self):
        model = HEAD + "var X: real[N, 2]; X[:, 1] = y * m; X[:, 2] = y + s; factor sum(X[:, 1] * X[:, 2]); }"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + sum(v * p["m"] * (v + p["s"]) for v in Y))

    def test_slice_added(self):
        model = HEAD + "require N == 5; var x: real[N] = 1; x[2:4] += y[1:3] * m; x[3:5] += x[2:4]; factor x @ [1, 2, 3, 4, 5] + s; }"

        def lp(d, p):
            x = [1.0] * 5
            for i in (1, 2, 3):
                x[i] += Y[i - 1] * p["m"]
            old = list(x)
            for i in (2, 3, 4):
                x[i] += old[i - 1]
            return prior(p) + dot(x, [1, 2, 3, 4, 5]) + p["s"]
        self.same(model, DATA, POINT, lp)

    def test_whole_array_added(self):
        model = HEAD + "var x: real[N] = y; x += x * m; x += s; factor sum(x * y); }"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + sum((v + v * p["m"] + p["s"]) * v for v in Y))


class Loops(Meaning):
    def test_no_iterations(self):
        model = HEAD + "var t = m; for i in 2:1 { t += 100; } for i in 1:(N - 5) { t = t * 7; } var x: real[2] = s; for i in 3:2 { x[i] = 9; } factor t + sum(x); }"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + p["m"] + 2 * p["s"])

    def test_no_data(self):
        model = HEAD + "observe y ~ normal(m, s); let c = cumulative_sum(y * m); factor sum(c) + sum([y[i]^2 for i in 1:N]); quantity q = sum(y) + m; }"
        self.same(model, {"N": 0, "y": []}, POINT, lambda d, p: prior(p), lambda d, p: {"q": p["m"]})

    def test_one_datum(self):
        model = HEAD + "require N >= 1; var x: real[N]; x[1] = m; for t in 2:N { x[t] = x[t-1] * y[t-1]; } observe y ~ normal(x, s); }"
        self.same(model, {"N": 1, "y": [0.7]}, POINT, lambda d, p: prior(p) + normal(0.7, p["m"], p["s"]))

    def test_triangle(self):
        model = HEAD + "var t = 0.0; for i in 1:N { for j in (i + 1):N { t += (y[i] - y[j])^2 * m + s * i * j; } } factor t / 10; }"

        def lp(d, p):
            return prior(p) + sum((Y[i] - Y[j]) ** 2 * p["m"] + p["s"] * (i + 1) * (j + 1) for i in range(5) for j in range(i + 1, 5)) / 10
        self.same(model, DATA, POINT, lp)

    def test_observe_in_loop(self):
        model = HEAD + "for i in 1:N { observe y[i] ~ normal(m * i, s); }}"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + normals(Y, [p["m"] * i for i in range(1, 6)], p["s"]))

    def test_observe_in_loop_and_if(self):
        model = HEAD + "for i in 1:N { if y[i] > 0 { observe y[i] ~ exponential(s); } else if i == 2 { observe y[i] ~ normal(m, 1); } else { observe y[i] ~ cauchy(m, s); } }}"

        def lp(d, p):
            total = prior(p)
            for i, v in enumerate(Y):
                if v > 0:
                    total += math.log(p["s"]) - p["s"] * v
                elif i == 1:
                    total += normal(v, p["m"])
                else:
                    total += -math.log(math.pi * p["s"]) - math.log1p(((v - p["m"]) / p["s"]) ** 2)
            return total
        self.same(model, DATA, POINT, lp)

    def test_observe_parts(self):
        model = HEAD + "require N == 5; observe y[1:2] ~ normal(m, s); observe y[3] ~ normal(0, s); observe y[4:] ~ normal(2 * m, 1); }"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + normals(Y[:2], p["m"], p["s"]) + normal(Y[2], 0, p["s"]) + normals(Y[3:], 2 * p["m"]))

    def test_observe_a_let(self):
        model = HEAD + "let z = (y - mean(y)) / sd(y); observe z ~ normal(m, s); let first = z[1]; observe first ~ normal(m, 1); require N >= 1; }"

        def lp(d, p):
            mean = sum(Y) / 5
            sd = math.sqrt(sum((v - mean) ** 2 for v in Y) / 4)
            z = [(v - mean) / sd for v in Y]
            return prior(p) + normals(z, p["m"], p["s"]) + normal(z[0], p["m"])
        self.same(model, DATA, POINT, lp)

    def test_observe_a_let_in_a_loop(self):
        model = HEAD + "for i in 1:N { let r = y[i] * 2; observe r ~ normal(m, s); }}"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + normals([2 * v for v in Y], p["m"], p["s"]))

    def test_observe_an_expression_in_a_loop(self):
        model = HEAD + "for i in 1:N { observe log(abs(y[i])) ~ normal(m, s); }}"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + normals([math.log(abs(v)) for v in Y], p["m"], p["s"]))

    def test_factors(self):
        model = HEAD + "factor m * s; for i in 1:N { factor y[i] * m * i; if y[i] > 0 { factor -s; } }}"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + p["m"] * p["s"] + p["m"] * dot(Y, [1, 2, 3, 4, 5]) - 3 * p["s"])

    def test_factors_of_ints(self):
        model = HEAD + "factor N; for i in 1:N { factor y[i] > 0 ? i : -i; } let squares = [k * k for k in 1:3]; factor sum(squares); }"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + 5 + sum(i if y > 0 else -i for i, y in enumerate(Y, 1)) + 14)

    def test_if_on_data_sizes(self):
        model = HEAD + "if N > 3 { observe y ~ normal(m, s); factor m; } else { observe y ~ cauchy(m, s); } if N > 100 { factor y[1] * 1e300; }  require N >= 1; }"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + normals(Y, p["m"], p["s"]) + p["m"])

    def test_var_in_if(self):
        model = HEAD + "var a = m; var x: real[2] = s; if y[1] > 0 { a = a * 2; x[1] = 7 * m; } else { a = 0; x[2] = 3; } if y[2] > 0 { a = 100; } else { x[2] += a; } factor a + x[1] + 10 * x[2]; require N >= 2; }"
        self.same(model, DATA, POINT, lambda d, p: prior(p) + 2 * p["m"] + 7 * p["m"] + 10 * (p["s"] + 2 * p["m"]))

    def test_many_quantities(self):
        model = HEAD + """quantity a = m + s; quantity n = N * 2; quantity v = y * m; quantity b = y[1] > 0 ? 1 : 0;
          let z = a * 2; quantity w = [[m, s], [z, 1]]; quantity k: int[N] = [i * i for i in 1:N]; require N >= 1; }"""
        self.same(model, DATA, POINT, lambda d, p: prior(p),
                  lambda d, p: {"a": p["m"] + p["s"], "n": 10, "v": [x * p["m"] for x in Y], "b": 1,
                                "w": [[p["m"], p["s"]], [2 * (p["m"] + p["s"]), 1]], "k": [1, 4, 9, 16, 25]})

    def test_quantity_after_loops(self):
        model = HEAD + "var c = 0.0; for i in 1:N { c += y[i] * m; } quantity c; var t: real[N] = 0; for i in 2:N { t[i] = t[i-1] + s; } quantity t; quantity last = t[N]; require N >= 1; }"
        self.same(model, DATA, POINT, lambda d, p: prior(p), lambda d, p: {"c": p["m"] * sum(Y), "t": [i * p["s"] for i in range(5)], "last": 4 * p["s"]})

    def test_load_time_vars(self):
        # Sizes, bounds and families may read what loops over data computed.
        model = """model M { data N: int<lower=1>; data y: real[N];
          var top = 0.0; for i in 1:N { if y[i] > top { top = y[i]; } } let limit = top + 1;
          var n: real[N] = 0; for i in 1:N { n[i] = y[i] * 2; } let half = n[1] / 2;
          param m: real<lower=limit> ~ normal(0, 1); param s: real<lower=half, upper=top + 2> ~ uniform(); observe y ~ normal(m, 1 + s); }"""

        def lp(d, p):
            from semantics_support import normal_cdf
            return normal(p["m"]) - math.log(normal_cdf(-3.5)) - math.log(4.5 - 0.3) + normals(Y, p["m"], 1 + p["s"])
        self.same(model, DATA, [{"m": 4.0, "s": 1.0}], lp)

    def test_indices_in_callees_are_checked_at_load(self):
        # In functions of fixed sizes, through lets and loops of a callee, in comprehensions, in distributions, elementwise.
        head = """fn pick(x: real[3], i: int) -> real = x[i]; fn later(x: real[N], i: int) -> real { let j = i + 1; let k = 2 * j; return x[k]; }
          fn within(i: int) -> real { var a: real[3] = 0; for j in 1:3 { a[j] = j; } return a[i]; } fn total(x: real[N], g: int[M]) -> real = sum([x[g[m]] for m in 1:M]);
          fn bounded(x: real[N], i: int<lower=1, upper=N>) -> real = x[i]; fn twice(x: real[N], i: int<lower=1, upper=N>) -> real = 2 * bounded(x, i);
          distribution at(i: int<lower=1, upper=K>, m: real[K]) on real { log_density(x) = normal(m[i], 1).log_density(x); }
          fn either(x: real[3], i: int) -> real = i > 3 ? 0 : x[i];
          distribution third(m: real[K]) on real { log_density(x) = normal(m[3], 1).log_density(x); }
          model M { data k: int; data N: int<lower=1>; data g: int[N]; param b: real[3] ~ normal(0, 1); """
        good, bad = {"k": 2, "N": 2, "g": [1, 3]}, {"k": 70000000, "N": 2, "g": [1, 40000000]}
        for statement in ("factor pick(b, k);", "factor later(b, k - 2);", "factor b[1] * within(k);", "factor b[1] * sum(within(g));", "factor total(b, g);", "factor sum(b[[g[n] + 0 for n in 1:N]]);",
                          "factor sum([pick(b, g[n]) for n in 1:N]);", "let f = pick(b, g[2]); factor f;"):
            executable = self.compiled(head + statement + " }", "--families=mean_field")
            points = self.write("points.json", [{"b": [1, 2, 3]}])
            run([executable, "log-density", "--data", self.write("data.json", good), "--at", points])
            refused = run([executable, "log-density", "--data", self.write("bad.json", bad), "--at", points], status=1)
            self.assertIn("outside 1..3", refused.stderr, statement)
        for statement in ("factor bounded(b, k);", "factor twice(b, k);", "factor sum([bounded(b, g[n]) for n in 1:N]);", "observe k ~ at(k, b);", "observe g ~ at(g, b);", "factor at(k, b).log_density(1);"):
            executable = self.compiled(head + statement + " }", "--families=mean_field")
            run([executable, "log-density", "--data", self.write("data.json", good), "--at", points])
            self.assertIn("'i' is ", run([executable, "log-density", "--data", self.write("bad.json", bad), "--at", points], status=1).stderr, statement)
        for statement in ("observe g ~ third(b[1:k]);", "factor third(b[1:k]).log_density(1);"):
            executable = self.compiled(head + statement + " }", "--families=mean_field")
            run([executable, "log-density", "--data", self.write("data.json", good | {"k": 3}), "--at", points])
            self.assertIn("outside 1..2", run([executable, "log-density", "--data", self.write("bad.json", good), "--at", points], status=1).stderr)
        executable = self.compiled(head + "factor either(b, k) + sum([g[n] > 3 ? 0 : b[g[n]] for n in 1:N]); }", "--families=mean_field")
        run([executable, "log-density", "--data", self.write("worse.json", bad), "--at", points])

    def test_whole_divisors_are_checked_at_load(self):
        head = "fn share(n: int, k: int) -> int = div(n, k); model M { data N: int; data k: int; data g: int[N]; param b: real ~ normal(0, 1); "
        good, bad = {"N": 2, "k": -2, "g": [7, -1]}, {"N": 2, "k": 0, "g": [7, 0]}
        points = self.write("points.json", [{"b": 1}])
        for statement, message in (("factor b * div(7, k);", "'k' is 0 in 'div'"), ("factor b * mod(7, k + 0);", "the divisor is 0 in 'mod'"), ("factor b * sum(div(7, g));", "'g[2]' is 0 in 'div'"),
                                   ("factor b * share(7, k);", "'k' is 0 in 'div'"), ("let z = [1.0 for i in 1:max(div(7, k), 0)]; factor b + sum(z);", "'k' is 0 in 'div'"),
                                   ("var z: real[max(mod(3, k), 1)] = 0; factor b + sum(z);", "'k' is 0 in 'mod'")):
            executable = self.compiled(head + statement + " }", "--families=mean_field")
            run([executable, "log-density", "--data", self.write("data.json", good), "--at", points])
            self.assertIn(message, run([executable, "log-density", "--data", self.write("bad.json", bad), "--at", points], status=1).stderr, statement)
        executable = self.compiled(head + "factor k == 0 ? 0.0 : b * div(7, k); }", "--families=mean_field")
        run([executable, "log-density", "--data", self.write("bad.json", bad), "--at", points])

    def test_int_arguments_as_extents(self):
        # Of functions of scalars, which are lowered as functions of their own.
        model = "fn sums(n: int, x: real) -> real { let v = [x * i for i in 1:n]; return sum(v) + v[n]; } " + HEAD + "factor sums(N, m) + sum([sums(n + 1, s) for n in 1:N]); require N > 2; }"
        total = lambda n, x: x * n * (n + 1) / 2 + x * n
        self.same(model, DATA, POINT, lambda d, p: prior(p) + total(5, p["m"]) + sum(total(n + 1, p["s"]) for n in range(1, 6)))

    def test_sizes_read_data_of_computed_extents(self):
        # The sizes, shapes and bounds of data and parameters read arrays whose own extents are computed.
        model = """model M { data N: int<lower=1>; let top = 3 * N; data m: int<lower=0, upper=top>[N - 1]; data M: int<lower=0>[2, N - 1];
          let longest = max(m); data y: real<upper=top + longest>[sum(m)]; data w: real[sum(M[2])];
          param a: real[sum(m)] ~ normal(0, 1); param b: real[longest] ~ normal(0, 1);
          observe y ~ normal(a, 1); observe w ~ normal(sum(b), 1); }"""
        data = {"N": 3, "m": [2, 1], "M": [[5, 6], [1, 3]], "y": [1, 2, 3], "w": [4, 5, 6, 7]}
        self.same(model, data, [{"a": [0.5, -1, 2], "b": [0.25, 1]}],
                  lambda d, p: normals(p["a"]) + normals(p["b"]) + normals(d["y"], p["a"], 1) + normals(d["w"], sum(p["b"]), 1))


if __name__ == "__main__":
    unittest.main()
