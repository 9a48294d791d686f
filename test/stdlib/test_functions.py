"""Functions of the library at a few values each: against closed forms, and their gradients against differences."""

import math
import unittest

import support

# Expressions in x = 0.7, y = -0.4 and v = [0.5, -1.0, 2.0]; the matrix A is positive definite, L its factor.
X, Y, V = 0.7, -0.4, [0.5, -1.0, 2.0]
MEAN = sum(V) / 3
SD = math.sqrt(sum((e - MEAN) ** 2 for e in V) / 2)
LSE = math.log(sum(math.exp(e) for e in V))
SCALARS = {
    "cube(x)": X**3, "inv(x)": 1 / X, "exp2(x)": 2**X, "log2(x)": math.log2(X), "log10(x)": math.log10(X), "fma(x, y, 2)": X * Y + 2,
    "mod(x, 0.3)": X % 0.3, "clamp(x, 0, 0.5)": 0.5, "clamp(y, -1, 1)": Y, "hypot(x, y)": math.hypot(X, Y), "hypot(x, x)": X * math.sqrt(2),
    "hypot(1e200 * x, 1e200 * x) / 1e200": X * math.sqrt(2), "lmultiply(x, x)": X * math.log(X), "lmultiply(x - 0.7, x - 0.7)": 0.0,
    "xlogy(y, x)": Y * math.log(X), "xlog1py(x, y)": X * math.log1p(Y), "log1m(x)": math.log1p(-X),
    "softplus(x)": math.log1p(math.exp(X)), "inv_softplus(softplus(x))": X, "relu(x)": X, "relu(y)": 0.0, "sigmoid(x)": 1 / (1 + math.exp(-X)),
    "log1m_inv_logit(x)": -math.log1p(math.exp(X)), "cloglog(x)": math.log(-math.log(1 - X)), "inv_cloglog(x)": 1 - math.exp(-math.exp(X)),
    "log_add_exp(x, y)": math.log(math.exp(X) + math.exp(Y)), "log_add_exp(x, x)": X + math.log(2), "log_add_exp(x, -inf())": X,
    "log_add_exp(-inf(), -inf())": -math.inf, "log_sum_exp(x, y)": math.log(math.exp(X) + math.exp(Y)),
    "log_add_exp(1000 * x, 1000 * y)": 1000 * X, "log_diff_exp(x, y)": math.log(math.exp(X) - math.exp(Y)), "log_diff_exp(x, -inf())": X,
    "log_mix(0.3, x, y)": math.log(0.3 * math.exp(X) + 0.7 * math.exp(Y)), "log_mix([0.3, 0.7], [x, y])": math.log(0.3 * math.exp(X) + 0.7 * math.exp(Y)),
    "log_sum_exp(v)": LSE, "log_sum_exp(v + 1000)": LSE + 1000, "log_sum_exp([-inf(), x])": X, "log_sum_exp([-inf(), -inf()])": -math.inf,
    "log_sum_exp(outer(v, v))": math.log(sum(math.exp(a * b) for a in V for b in V)), "log_mean_exp(v)": LSE - math.log(3),
    "softmax(v)[2]": math.exp(V[1] - LSE), "log_softmax(v)[3]": V[2] - LSE, "mean(v)": MEAN, "mean(outer(v, v))": MEAN**2,
    "variance(v)": SD**2, "sd(v)": SD, "prod(v)": -1.0, "dot(v, v)": 5.25, "dot_self(v)": 5.25, "norm(v)": math.sqrt(5.25), "norm1(v)": 3.5,
    "distance(v, reverse(v))": math.sqrt(4.5), "squared_distance(v, zeros(3))": 5.25, "standardise(v)[1]": (0.5 - MEAN) / SD,
    "cumulative_sum(v)[2]": -0.5, "cumulative_sum([1, 2, 3])[3]": 6.0, "sum(ones(4))": 4.0, "sum(rep(x, 3))": 3 * X, "sum(rep(2, 3))": 6.0,
    "sum(rep(x, 3, 2))": 6 * X, "rep(v, 2)[2, 3]": 2.0, "linspace(x, y, 5)[5]": Y, "linspace(0, 1, 5)[2]": 0.25, "reverse(v)[1]": 2.0,
    "concat(v, [x])[4]": X, "concat(v, [x], v)[5]": 0.5, "sum(concat(v, v))": 3.0, "outer(v, [x, y])[3, 2]": 2 * Y,
    "sum(identity_matrix(3))": 3.0, "diag_matrix(v)[2, 2] + diag_matrix(v)[1, 2]": -1.0, "sum(diagonal(A))": 9.0, "trace(A)": 9.0,
    "trace(add_diagonal(A, x))": 9.0 + 3 * X, "trace(add_diagonal(A, v))": 10.5, "diag_pre_multiply(v, A)[2, 3]": -0.5,
    "diag_post_multiply(A, v)[2, 3]": 1.0, "quad_form(A, v)": 16.5, "crossprod(L)[1, 1]": 5.3125, "sum(cholesky(A) - L)": 0.0,
    "cholesky(A)[3, 2]": 0.375, "sum(L @ solve_lower(L, v))": 1.5, "sum(L' @ solve_lower_transposed(L, v))": 1.5,
    "log_det_cholesky(L)": 2 * math.log(2 * 1 * math.sqrt(3)), "lbeta(x, 2)": math.lgamma(X) - math.lgamma(X + 2),
    "lbeta(1e6, 1e6)": -1386301.8632116, "lchoose(50, 3)": math.log(19600), "lchoose(1e9, 1)": math.log(1e9), "gamma_p(1, x)": 1 - math.exp(-X),
    "gamma_q(2, x)": math.exp(-X) * (1 + X), "log_gamma_q(1, x)": -X, "inc_beta(2, 1, x)": X * X, "inc_beta(1, 3, x)": 1 - (1 - X) ** 3,
    "to_real(3)": 3.0, "Phi(0)": 0.5,
}
LFACTOR = [[2.0, 0.0, 0.0], [0.5, 1.0, 0.0], [1.0, 0.375, math.sqrt(3)]]


def definite():
    return [[sum(LFACTOR[i][k] * LFACTOR[j][k] for k in range(3)) for j in range(3)] for i in range(3)]


class Functions(unittest.TestCase):
    """All expressions are branches of one model."""

    def test_values_and_gradients(self):
        a = definite()
        known = dict(SCALARS)
        trace = sum(a[i][i] for i in range(3))
        known |= {"sum(diagonal(A))": trace, "trace(A)": trace, "trace(add_diagonal(A, x))": trace + 3 * X, "trace(add_diagonal(A, v))": trace + 1.5,
                  "diag_pre_multiply(v, A)[2, 3]": -a[1][2], "diag_post_multiply(A, v)[2, 3]": 2 * a[1][2],
                  "quad_form(A, v)": sum(V[i] * a[i][j] * V[j] for i in range(3) for j in range(3)),
                  "crossprod(L)[1, 1]": sum(row[0] ** 2 for row in LFACTOR), "lbeta(1e6, 1e6)": None}
        text = ["model Values {", "  data which: int;", "  data A: real[3, 3];", "  data L: real[3, 3];", "  param x: real ~ flat();",
                "  param y: real ~ flat();", "  param v: real[3] ~ flat();"]
        text += [f"  if which == {i} {{ factor {e}; }}" for i, e in enumerate(known)]
        executable = support.build("values", "\n".join([*text, "}", ""]))
        data = {"A": a, "L": LFACTOR}
        centre = {"x": X, "y": Y, "v": V}
        h = 1e-4
        points = [centre] + [centre | {"x": X + f * h} for f in (-2, -1, 1, 2)]
        for i, (expression, wanted) in enumerate(known.items()):
            with self.subTest(expression):
                results = support.evaluate(executable, data | {"which": i}, points, tag=str(i))
                got = results[0][0]
                if wanted is None:
                    continue
                if math.isinf(wanted):
                    self.assertEqual(got, wanted)
                    continue
                self.assertAlmostEqual(got, wanted, delta=4e-15 * (1 + abs(wanted) + 8))
                v = [r[0] for r in results[1:]]
                if any(not math.isfinite(e) for e in v) or "x - 0.7" in expression:
                    continue
                slope = (8 * (v[2] - v[1]) - (v[3] - v[0])) / (12 * h)
                self.assertAlmostEqual(support.number(results[0][1]["x"][0]), slope, delta=1e-9 * (1 + abs(slope) + abs(wanted)))


if __name__ == "__main__":
    unittest.main()
