"""Priors, observations and distributions in expressions."""

import math
import unittest

from semantics_support import (Meaning, beta, cauchy, cholesky, dirichlet, exponential, flatten, gamma, log_sum_exp, lognormal,
                               multi_normal_cholesky, normal, normal_cdf, normals, poisson)

Y = [0.3, -1.2, 2.5, 0.7, -0.4]
YY = [[0.3, 1.0], [-1.2, 0.2], [2.5, -0.5], [0.7, 0.0], [-0.4, 2.0]]
HEAD = """model M { data N: int<lower=0>; data D: int<lower=1>; require D == 2; data y: real[N]; data Y: real[N, D];
  param m: real[D] ~ normal(0, 1); param s: real<lower=0> ~ exponential(1); param p: real<lower=0, upper=1> ~ uniform(); """
DATA = {"N": 5, "D": 2, "y": Y, "Y": YY}
POINT = [{"m": [0.4, -0.7], "s": 1.3, "p": 0.3}, {"m": [-1.1, 0.2], "s": 0.4, "p": 0.85}]


def prior(p):
    return normals(p["m"]) - p["s"]


def mix(p, a, b):
    return log_sum_exp(math.log(p) + a, math.log1p(-p) + b)


class Mixtures(Meaning):
    def model(self, body, lp, head="", data=None, points=None, quantities=None):
        self.same(HEAD + head + body + " }", data or DATA, points or POINT, lambda d, p: prior(p) + lp(p), quantities)

    def test_one_component_by_axis(self):
        self.model("observe y ~ mixture([p, 1 - p], normal(m, s));", lambda p: sum(mix(p["p"], normal(v, p["m"][0], p["s"]), normal(v, p["m"][1], p["s"])) for v in Y))

    def test_batched_component(self):
        self.model("let mu = [m[k] * y[n] for n in 1:N, k in 1:2]; observe y ~ mixture([p, 1 - p], normal(mu, [s, 1]));",
                   lambda p: sum(mix(p["p"], normal(v, p["m"][0] * v, p["s"]), normal(v, p["m"][1] * v, 1)) for v in Y))

    def test_batched_weights(self):
        self.model("let w = [k == 1 ? inv_logit(y[n] * p) : 1 - inv_logit(y[n] * p) for n in 1:N, k in 1:2]; observe y ~ mixture(w, normal(m, s));",
                   lambda p: sum(mix(1 / (1 + math.exp(-v * p["p"])), normal(v, p["m"][0], p["s"]), normal(v, p["m"][1], p["s"])) for v in Y))

    def test_unlike_components(self):
        self.model("observe y ~ mixture([p, 0.5 * (1 - p), 0.5 * (1 - p)], [normal(m[1], s), cauchy(0, 1), normal(y * 0.5, 2)]);",
                   lambda p: sum(log_sum_exp(math.log(p["p"]) + normal(v, p["m"][0], p["s"]), math.log(0.5 - 0.5 * p["p"]) + cauchy(v), math.log(0.5 - 0.5 * p["p"]) + normal(v, 0.5 * v, 2)) for v in Y))

    def test_unlike_components_batched_weights(self):
        self.model("let w = [k == 1 ? inv_logit(y[n] * p) : 1 - inv_logit(y[n] * p) for n in 1:N, k in 1:2]; observe y ~ mixture(w, [normal(m[1], s), cauchy(0, s)]);",
                   lambda p: sum(mix(1 / (1 + math.exp(-v * p["p"])), normal(v, p["m"][0], p["s"]), cauchy(v, 0, p["s"])) for v in Y))

    def test_joint_components(self):
        self.model("observe Y ~ mixture([p, 1 - p], [joint(normal(m, 1)), joint(normal(0.5 * m, s))]);",
                   lambda p: sum(mix(p["p"], normals(r, p["m"]), normals(r, [0.5 * v for v in p["m"]], p["s"])) for r in YY))

    def test_joint_with_batched_arguments(self):
        self.model("let mu = [m[k] * y[n] for n in 1:N, k in 1:D]; observe Y ~ mixture([p, 1 - p], [joint(normal(mu, s)), joint(normal(m, Y' [1][1]^2 + 1))]);",
                   lambda p: sum(mix(p["p"], normals(r, [x * v for x in p["m"]], p["s"]), normals(r, p["m"], 0.3 ** 2 + 1)) for r, v in zip(YY, Y)), head="require N >= 1;")

    def test_joint_alone(self):
        self.model("observe Y ~ joint(normal(m, s)); observe y ~ joint(normal(m[1], 1));", lambda p: sum(normals(r, p["m"], p["s"]) for r in YY) + normals(Y, p["m"][0]))

    def test_joint_component_by_axis(self):
        # Components over the axis K before the event's: mu[k, d].
        self.model("let mu = [m[d] * k for k in 1:2, d in 1:D]; observe Y ~ mixture([p, 1 - p], joint(normal(mu, s)));",
                   lambda p: sum(mix(p["p"], normals(r, p["m"], p["s"]), normals(r, [2 * v for v in p["m"]], p["s"])) for r in YY))

    def test_mixture_of_multivariate(self):
        self.model("let S = [[1 + s, 0.3], [0.3, 2]]; let mu = [m[d] * k for k in 1:2, d in 1:D]; observe Y ~ mixture([p, 1 - p], [multi_normal(m, S), multi_normal(2 * m, S)]); observe Y ~ mixture([p, 1 - p], multi_normal(mu, S));",
                   lambda p: 2 * sum((lambda L: mix(p["p"], multi_normal_cholesky(r, p["m"], L), multi_normal_cholesky(r, [2 * v for v in p["m"]], L)))(cholesky([[1 + p["s"], 0.3], [0.3, 2]])) for r in YY))

    def test_nested(self):
        self.model("observe y ~ mixture([p, 1 - p], [mixture([0.25, 0.75], normal(m, s)), normal(0, 3)]);",
                   lambda p: sum(mix(p["p"], mix(0.25, normal(v, p["m"][0], p["s"]), normal(v, p["m"][1], p["s"])), normal(v, 0, 3)) for v in Y))

    def test_mixture_in_an_expression(self):
        self.model("factor sum(mixture([p, 1 - p], normal(m, s)).log_density(y)) + mixture([p, 1 - p], [normal(m[1], s), cauchy(0, 1)]).log_cdf(y[1]); require N >= 1;",
                   lambda p: sum(mix(p["p"], normal(v, p["m"][0], p["s"]), normal(v, p["m"][1], p["s"])) for v in Y) + math.log(p["p"] * normal_cdf(Y[0], p["m"][0], p["s"]) + (1 - p["p"]) * (0.5 + math.atan(Y[0]) / math.pi)))

    def test_weight_zero(self):
        self.model("observe y ~ mixture([p, 1 - p, 0], [normal(m[1], s), normal(0, 3), normal(0, 1e-200)]);",
                   lambda p: sum(mix(p["p"], normal(v, p["m"][0], p["s"]), normal(v, 0, 3)) for v in Y))

    def test_in_a_loop(self):
        self.model("for n in 1:N { observe y[n] ~ mixture([p, 1 - p], [normal(m[1] * n, s), truncated(normal(m[2], s), lower = -5, upper = 5 + n)]); }",
                   lambda p: sum(mix(p["p"], normal(v, p["m"][0] * n, p["s"]), normal(v, p["m"][1], p["s"]) - math.log(normal_cdf(5 + n, p["m"][1], p["s"]) - normal_cdf(-5, p["m"][1], p["s"]))) for n, v in enumerate(Y, 1)))

    def test_truncated_mixture(self):
        self.model("observe y ~ truncated(mixture([p, 1 - p], normal(m, s)), lower = -3, upper = 3);",
                   lambda p: sum(mix(p["p"], normal(v, p["m"][0], p["s"]), normal(v, p["m"][1], p["s"])) for v in Y)
                   - 5 * math.log(sum(w * (normal_cdf(3, m, p["s"]) - normal_cdf(-3, m, p["s"])) for w, m in zip((p["p"], 1 - p["p"]), p["m"]))))

    def test_mixture_prior(self):
        self.same("model M { data y: real; param a: real[3] ~ mixture([0.3, 0.7], [normal(0, 1), normal(2, [1, 2, 3])]); observe y ~ normal(sum(a), 1); }", {"y": 0.3}, {"a": [0.1, -0.2, 0.9]},
                  lambda d, p: sum(mix(0.3, normal(a), normal(a, 2, s)) for a, s in zip(p["a"], (1, 2, 3))) + normal(0.3, sum(p["a"])))


class Truncations(Meaning):
    def model(self, body, lp):
        self.same(HEAD + body + " }", DATA, POINT, lambda d, p: prior(p) + lp(p))

    def test_lower(self):
        self.model("observe y ~ truncated(normal(m[1], s), lower = -2);", lambda p: sum(normal(v, p["m"][0], p["s"]) - math.log(normal_cdf(-(-2 - p["m"][0]) / p["s"])) for v in Y))

    def test_upper_array(self):
        self.model("observe y ~ truncated(normal(m[1], s), upper = y^2 + 3);", lambda p: sum(normal(v, p["m"][0], p["s"]) - math.log(normal_cdf(v * v + 3, p["m"][0], p["s"])) for v in Y))

    def test_bounds_with_parameters(self):
        self.model("observe y ~ truncated(normal(m[1], 2), lower = -3 - s, upper = 4 + p);",
                   lambda p: sum(normal(v, p["m"][0], 2) - math.log(normal_cdf(4 + p["p"], p["m"][0], 2) - normal_cdf(-3 - p["s"], p["m"][0], 2)) for v in Y))

    def test_outside(self):
        self.same(HEAD + "observe y ~ truncated(normal(m[1], 2), lower = -1.3 + s); }", DATA, [{"m": [0, 0], "s": 0.05, "p": 0.5}, {"m": [0, 0], "s": 3.0, "p": 0.5}],
                  lambda d, p: -math.inf if p["s"] > 0.1 else prior(p) + sum(normal(v, 0, 2) - math.log(1 - normal_cdf(-1.25, 0, 2)) for v in Y), derivatives=False)

    def test_discrete(self):
        self.same("model M { data N: int; data k: int<lower=1>[N]; param r: real<lower=0> ~ gamma(2, 1); observe k ~ truncated(poisson(r), lower = 1); }", {"N": 3, "k": [1, 4, 2]}, {"r": 1.7},
                  lambda d, p: gamma(p["r"], 2, 1) + sum(poisson(k, p["r"]) - math.log(1 - math.exp(-p["r"])) for k in (1, 4, 2)))

    def test_discrete_both(self):
        self.same("model M { data N: int; data k: int<lower=1>[N]; param r: real<lower=0> ~ gamma(2, 1); observe k ~ truncated(poisson(r), lower = 1, upper = 4); }", {"N": 3, "k": [1, 4, 2]}, {"r": 1.7},
                  lambda d, p: gamma(p["r"], 2, 1) + sum(poisson(k, p["r"]) - math.log(sum(math.exp(poisson(j, p["r"])) for j in (1, 2, 3, 4))) for k in (1, 4, 2)))

    def test_prior_of_bounded_types(self):
        model = """model M { data y: real; data lo: real[3]; param a: real<lower=1> ~ normal(0, 2); param b: real<upper=a> ~ cauchy(0, 1); param c: real<lower=-a, upper=a> ~ normal(b, 1);
          param d: real<lower=lo>[3] ~ normal([0, 1, 2], 1); param e: real<lower=0, upper=0.5>[2] ~ beta(2, 3); observe y ~ normal(a + b + c + sum(d) + e[1], 1); }"""

        def lp(d, p):
            a, b, c = p["a"], p["b"], p["c"]
            cdf = 0.5 + math.atan(a) / math.pi
            half = sum(12 * (0.5 ** k / k) * s for k, s in ((2, 1), (3, -2), (4, 1)))
            return (normal(a, 0, 2) - math.log(normal_cdf(-0.5)) + cauchy(b) - math.log(cdf) + normal(c, b) - math.log(normal_cdf(a - b) - normal_cdf(-a - b))
                    + sum(normal(v, k) - math.log(normal_cdf(k - l)) for k, (v, l) in enumerate(zip(p["d"], d["lo"]))) + sum(beta(v, 2, 3) - math.log(half) for v in p["e"])
                    + normal(d["y"], a + b + c + sum(p["d"]) + p["e"][0]))
        self.same(model, {"y": 1.0, "lo": [-1, 0, 1.5]}, {"a": 2.5, "b": -0.3, "c": 0.8, "d": [0.2, 0.5, 2.2], "e": [0.1, 0.4]}, lp)

    def test_elementwise_under_array_bounds(self):
        # Each element is truncated to its own bounds.
        model = """model M { data N: int<lower=2>; data low: real[N]; data high: real[N]; param m: real ~ normal(0, 1);
          param a: real<lower=low, upper=high>[N]; a[1] ~ normal(m, 1); for n in 2:N { a[n] ~ normal(a[n - 1], 2); }
          param c: real<lower=low>[N]; c[1:2] ~ normal(m, 1); for n in 3:N { c[n] ~ cauchy(0, 1); } observe low ~ normal(c, 1); }"""
        data = {"N": 3, "low": [-1, 0, 0.5], "high": [1, 2, 3]}
        between = lambda x, c, s, a, b: normal(x, c, s) - math.log(normal_cdf(b, c, s) - normal_cdf(a, c, s))
        above = lambda x, c, a: normal(x, c, 1) - math.log(1 - normal_cdf(a, c, 1))
        self.same(model, data, [{"m": 0.3, "a": [0.2, 1.5, 2.5], "c": [0, 0.4, 3]}], lambda d, p: normal(p["m"]) + between(p["a"][0], p["m"], 1, -1, 1) + between(p["a"][1], p["a"][0], 2, 0, 2)
                  + between(p["a"][2], p["a"][1], 2, 0.5, 3) + above(p["c"][0], p["m"], -1) + above(p["c"][1], p["m"], 0) + cauchy(p["c"][2]) - math.log(0.5 - math.atan(0.5) / math.pi) + normals(d["low"], p["c"]))

    def test_truncated_twice(self):
        model = """model M { data N: int; data low: real[N]; data y: real[N]; param a: real<lower=0, upper=3> ~ truncated(normal(1, 2), upper = 3); param b: real<lower=low>[N] ~ truncated(normal(a, 1), lower = -0.5);
          param c: real<lower=-1, upper=2> ~ truncated(normal(0, 1), lower = -2, upper = 5); observe y ~ normal(b, c + 2); }"""
        data = {"N": 2, "low": [-1, 0.25], "y": [0.3, 1]}
        self.same(model, data, [{"a": 1.2, "b": [0.1, 0.7], "c": 0.5}],
                  lambda d, p: normal(p["a"], 1, 2) - math.log(normal_cdf(3, 1, 2) - normal_cdf(0, 1, 2)) + sum(normal(b, p["a"]) - math.log(1 - normal_cdf(max(l, -0.5), p["a"])) for b, l in zip(p["b"], d["low"]))
                  + normal(p["c"]) - math.log(normal_cdf(2) - normal_cdf(-1)) + normals(d["y"], p["b"], p["c"] + 2))
        # Outside of the inner limits the density is zero.
        executable = self.compiled(model, "--families=mean_field")
        found = self.densities(executable, self.write("data.json", data), self.write("points.json", [{"a": 1, "b": [-0.75, 0.7], "c": 0.5}]), "1")
        self.assertEqual([entry["log_density"] for entry in found], ["-inf"])

    def test_only_log_ccdf(self):
        # Every tail follows from the one that is given.
        self.same("distribution expo(r: real<lower=0>) on real<lower=0> { log_density(x) = log(r) - r * x; log_ccdf(x) = -r * x; }\n" + HEAD
                  + "param e: real<lower=0.5, upper=2> ~ expo(s); factor expo(s).cdf(e) + expo(s).log_cdf(e) + expo(s).log_ccdf(e); observe y ~ normal(e, 1); }", DATA, [POINT[0] | {"e": 0.9}],
                  lambda d, p: prior(p) + exponential(p["e"], p["s"]) - math.log(math.exp(-0.5 * p["s"]) - math.exp(-2 * p["s"])) + 1 - math.exp(-p["s"] * p["e"]) + math.log1p(-math.exp(-p["s"] * p["e"])) - p["s"] * p["e"] + normals(Y, p["e"]))

    def test_far_in_the_tail(self):
        self.same("model M { data y: real; param a: real<lower=10> ~ normal(0, 1); param b: real<lower=-12, upper=-10> ~ normal(0, 1); observe y ~ normal(a + b, 1); }", {"y": 0.2}, {"a": 10.1, "b": -10.2},
                  lambda d, p: normal(p["a"]) - math.log(0.5 * math.erfc(10 / math.sqrt(2))) + normal(p["b"]) - math.log(0.5 * (math.erfc(10 / math.sqrt(2)) - math.erfc(12 / math.sqrt(2)))) + normal(0.2, p["a"] + p["b"]))


class Supports(Meaning):
    def model(self, text, data, point, lp, **keywords):
        return self.same("model M { data N: int<lower=0>; data y: real[N]; " + text + " }", data, point, lp, **keywords)

    def test_simplex(self):
        self.model("param w: simplex<3> ~ dirichlet([1, 2, 0.5]); observe y ~ normal(w[1] - w[3], w[2]);", {"N": 5, "y": Y}, {"w": [0.2, 0.5, 0.3]},
                   lambda d, p: dirichlet(p["w"], [1, 2, 0.5]) + normals(Y, p["w"][0] - p["w"][2], p["w"][1]))

    def test_simplex_of_two(self):
        self.model("param w: simplex<2> ~ dirichlet(rep(1.5, 2)); observe y ~ normal(w[1], w[2]);", {"N": 5, "y": Y}, {"w": [0.2, 0.8]}, lambda d, p: dirichlet(p["w"], [1.5, 1.5]) + normals(Y, 0.2, 0.8))

    def test_array_of_simplexes(self):
        self.model("data a: real<lower=0>[3]; param w: simplex<3>[N] ~ dirichlet(a); observe y ~ normal(w[:, 1], w[:, 2]); factor w[2] @ [1, 2, 3]; require N >= 2;", {"N": 2, "y": [0.1, 0.9], "a": [1, 2, 3]},
                   {"w": [[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]]}, lambda d, p: sum(dirichlet(w, d["a"]) for w in p["w"]) + sum(normal(v, w[0], w[1]) for v, w in zip(d["y"], p["w"])) + 0.6 + 0.2 + 0.9)

    def test_transition_matrix(self):
        self.model("param A: simplex<2>[2]; for k in 1:2 { A[k] ~ dirichlet([k, 3 - k] * 2.0); } factor log(A[1, 2]) * 3 + sum(log(A[:, 1]));", {"N": 0, "y": []}, {"A": [[0.2, 0.8], [0.6, 0.4]]},
                   lambda d, p: dirichlet([0.2, 0.8], [2, 4]) + dirichlet([0.6, 0.4], [4, 2]) + 3 * math.log(0.8) + math.log(0.2) + math.log(0.6))

    def test_correlation_factors(self):
        # Against the density on the correlation matrix, and its map: the derivatives by `check`.
        def lkj(L, eta):
            K = len(L)
            constant = sum(0.5 * k * math.log(math.pi) + math.lgamma(eta + (K - 1 - k) / 2) - math.lgamma(eta + (K - 1) / 2) for k in range(1, K))
            det = 2 * sum(math.log(L[i][i]) for i in range(K))
            # From the matrix to its factor: L[i][i]^(K - i - 1), counted from 0.
            return (eta - 1) * det + sum((K - 1 - i) * math.log(L[i][i]) for i in range(K)) - constant
        L2 = [[1, 0], [0.6, 0.8]]
        L3 = [[1, 0, 0], [-0.6, 0.8, 0], [0.48, 0.6, 0.64]]
        model = """model M { data y: real[3]; param eta: real<lower=0.1> ~ exponential(1); param A: corr_cholesky<2> ~ lkj_corr_cholesky(2); param B: corr_cholesky<3> ~ lkj_corr_cholesky(eta);
          param C: corr_cholesky<1> ~ lkj_corr_cholesky(1); param D: corr_cholesky<3>[2] ~ flat(); observe y ~ multi_normal_cholesky(rep(0, 3), B); factor A[2, 1] * C[1, 1] + D[1, 3, 2]; quantity R = B @ B'; }"""
        self.same(model, {"y": [0.2, -0.4, 1]}, [{"eta": 1.4, "A": L2, "B": L3, "C": [[1.0]], "D": [L3, L3]}],
                  lambda d, p: exponential(p["eta"]) + 0.1 + lkj(p["A"], 2) + lkj(p["B"], p["eta"]) + multi_normal_cholesky(d["y"], [0, 0, 0], p["B"]) + p["A"][1][0] + p["D"][0][2][1],
                  lambda d, p: {"R": [[sum(a * b for a, b in zip(r, s)) for s in p["B"]] for r in p["B"]]})

    def test_sorted(self):
        self.model("param c: ordered<3> ~ sorted(normal(0, 2)); observe y ~ normal(c[1] + c[3], 1);", {"N": 5, "y": Y}, {"c": [-1, 0.3, 0.9]}, lambda d, p: normals(p["c"], 0, 2) + math.log(6) + normals(Y, -0.1))

    def test_sorted_truncated(self):
        # Three draws of a normal distribution above 0, put in order.
        self.model("param c: positive_ordered<3> ~ sorted(truncated(normal(1, 2), lower = 0)); observe y ~ normal(c[1] + c[3], 1);", {"N": 5, "y": Y}, {"c": [0.2, 0.3, 0.9]},
                   lambda d, p: normals(p["c"], 1, 2) - 3 * math.log(normal_cdf(0.5)) + math.log(6) + normals(Y, 1.1))

    def test_array_of_ordered(self):
        self.model("param c: ordered<3>[2] ~ sorted(normal(0, 2)); observe y ~ normal(c[1, 1] + c[2, 3], 1);", {"N": 5, "y": Y}, {"c": [[-1, 0.3, 0.9], [0, 1, 2]]},
                   lambda d, p: normals(flatten(p["c"]), 0, 2) + 2 * math.log(6) + normals(Y, 1))

    def test_unnormalised(self):
        self.model("param c: positive_ordered<3> ~ unnormalised(normal([1, 2, 3], 2)); param d: real<lower=0> ~ unnormalised(normal(1, 2)); observe y ~ normal(c[1] + c[3] * d, 1);", {"N": 5, "y": Y}, {"c": [0.5, 0.6, 1.9], "d": 0.3},
                   lambda d, p: normals(p["c"], [1, 2, 3], 2) + normal(0.3, 1, 2) + normals(Y, 0.5 + 1.9 * 0.3))

    def test_array_of_positive_ordered(self):
        self.model("param c: positive_ordered<2>[2] ~ unnormalised(normal([1, 2], 2)); observe y ~ normal(c[1, 1] + c[2, 2], 1);", {"N": 5, "y": Y}, {"c": [[0.5, 0.6], [0.1, 3]]},
                   lambda d, p: normals(p["c"][0], [1, 2], 2) + normals(p["c"][1], [1, 2], 2) + normals(Y, 3.5))

    def test_elementwise_priors(self):
        self.model("param a: real[N]; require N == 5; a[1] ~ normal(0, 2); a[2:3] ~ cauchy(0, 1); for i in 4:N { a[i] ~ normal(a[i-1] * a[i-2], 1); } observe y ~ normal(a, 1);", {"N": 5, "y": Y}, {"a": [0.1, 0.5, -0.2, 1.4, 0.3]},
                   lambda d, p: (lambda a: normal(a[0], 0, 2) + cauchy(a[1]) + cauchy(a[2]) + normal(a[3], a[2] * a[1]) + normal(a[4], a[3] * a[2]) + normals(Y, a))(p["a"]))

    def test_elementwise_priors_of_rows(self):
        self.model("param B: real[N, 2]; require N >= 1; B[1] ~ normal([0, 1], 2); for t in 2:N { B[t] ~ multi_normal(B[t-1], [[1, 0.2], [0.2, 1]]); } observe y ~ normal(B[:, 1] - B[:, 2], 1);", {"N": 3, "y": Y[:3]},
                   {"B": [[0.1, 0.2], [0.5, -0.3], [1, 0.7]]}, lambda d, p: normals(p["B"][0], [0, 1], 2) + sum(multi_normal_cholesky(p["B"][t], p["B"][t - 1], cholesky([[1, 0.2], [0.2, 1]])) for t in (1, 2)) + normals(Y[:3], [b[0] - b[1] for b in p["B"]]))

    def test_elementwise_columns(self):
        self.model("param B: real[N, 2]; B[:, 1] ~ normal(0, 1); for n in 1:N { B[n, 2] ~ normal(B[n, 1], 0.5); } observe y ~ normal(B[:, 1] * B[:, 2], 1);", {"N": 3, "y": Y[:3]}, {"B": [[0.1, 0.2], [0.5, -0.3], [1, 0.7]]},
                   lambda d, p: sum(normal(a) + normal(b, a, 0.5) for a, b in p["B"]) + normals(Y[:3], [a * b for a, b in p["B"]]))

    def test_elementwise_bounded(self):
        self.model("param a: real<lower=0>[2]; a[1] ~ exponential(1); a[2] ~ normal(a[1], 1); observe y ~ normal(0, a[1] + a[2]);", {"N": 5, "y": Y}, {"a": [0.5, 1.5]},
                   lambda d, p: -0.5 + normal(1.5, 0.5) - math.log(normal_cdf(0.5)) + normals(Y, 0, 2))

    def test_noncentered_arrays(self):
        self.model("param t: real<lower=0>[2] ~ exponential(1); noncentered param a: real[2] ~ normal([1, 2], t); noncentered param B: real[N, 2] ~ normal(a[1], t[2]); noncentered param c: real ~ cauchy(a[2], t[1]); observe y ~ normal(B[:, 1] + c * a[1], 1);",
                   {"N": 2, "y": Y[:2]}, {"t": [0.5, 2], "a": [0.3, 0.8], "B": [[0.1, 0.2], [0.4, -0.5]], "c": 0.2},
                   lambda d, p: sum(-t for t in p["t"]) + normals(p["a"], [1, 2], p["t"]) + normals(flatten(p["B"]), 0.3, 2) + cauchy(0.2, 0.8, 0.5) + normals(Y[:2], [0.1 + 0.06, 0.4 + 0.06]))

    def test_sizes_by_div(self):
        self.model("data K: int<lower=2>; param r: real[div(K * (K - 1), 2)] ~ normal(0, 1); param q: real[K - 1] ~ normal(0, 2); var L: real[K, K] = 0; var n = 0; for i in 2:K { for j in 1:(i - 1) { n += 1; L[i, j] = r[clamp(n, 1, div(K * (K - 1), 2))]; } } factor sum(L @ L') + sum(q);",
                   {"N": 0, "y": [], "K": 3}, {"r": [0.5, -1, 2], "q": [0.3, 0.4]}, lambda d, p: normals(p["r"]) + normals(p["q"], 0, 2) + 0.25 + 1 + 4 + 2 * (-0.5) + 0.7)

    def test_of_size_one(self):
        self.model("param a: real[N] ~ normal(0, 1); param w: simplex<N> ~ dirichlet(rep(2, N)); observe y ~ normal(a, w); require N >= 1;", {"N": 1, "y": [0.4]}, {"a": [0.1], "w": [1.0]}, lambda d, p: normal(0.1) + normal(0.4, 0.1), derivatives=False)

    def test_of_size_zero(self):
        self.model("param a: real[N] ~ normal(0, 1); param s: real ~ normal(0, 1); observe y ~ normal(a, 1); factor s;", {"N": 0, "y": []}, {"a": [], "s": 0.3}, lambda d, p: normal(0.3) + 0.3)

    def test_flat_and_uniform(self):
        self.model("param a: real ~ flat(); param b: real<lower=a> ~ flat(); param u: real<lower=a, upper=b>[2] ~ uniform(); param v: real<lower=0, upper=1> ~ uniform(0, 1); observe y ~ normal(u[1] * v, 1 + 0 * u[2]);", {"N": 5, "y": Y}, {"a": -0.3, "b": 1.1, "u": [0, 1], "v": 0.5},
                   lambda d, p: -2 * math.log(1.4) + normals(Y, 0))


USER = """
distribution gumbel_min(location: real, scale: real<lower=0>) on real {
  log_density(x) { let u = (x - location) / scale; return u - exp(u) - log(scale); }
  cdf(x) = -expm1(-exp((x - location) / scale));
  quantile(p) = location + scale * log(-log1p(-p));
}
distribution walk(start: real, s: real<lower=0>[K]) on real[K + 1] {
  log_density(x) { var t = normal(start, 1).log_density(x[1]); for k in 1:K { t += normal(x[k], s[k]).log_density(x[k + 1]); } return t; }
  sample() { var x: real[K + 1]; x[1] = normal(start, 1).sample(); for k in 1:K { x[k + 1] = normal(x[k], s[k]).sample(); } return x; }
}
distribution zip(p: real<lower=0, upper=1>, rate: real<lower=0>) on int<lower=0> {
  log_density(k) = k == 0 ? log(p + (1 - p) * exp(-rate)) : log1p(-p) + poisson(rate).log_density(k);
}
"""


class Own(Meaning):
    def test_scalar(self):
        self.same(USER + HEAD + "observe y ~ gumbel_min(m[1], s); observe y ~ truncated(gumbel_min(y * p, 2), lower = -4); }", DATA, POINT,
                  lambda d, p: prior(p) + sum((v - p["m"][0]) / p["s"] - math.exp((v - p["m"][0]) / p["s"]) - math.log(p["s"]) for v in Y)
                  + sum((v - v * p["p"]) / 2 - math.exp((v - v * p["p"]) / 2) - math.log(2) + math.exp((-4 - v * p["p"]) / 2) for v in Y))

    def test_vector(self):
        def walk(x, start, s):
            return normal(x[0], start) + sum(normal(b, a, t) for a, b, t in zip(x, x[1:], s))
        self.same(USER + HEAD + "require N == 5; param w: real[3] ~ walk(m[1], [s, 2]); observe y ~ walk(m[2], [s, 1, s, p + 1]); observe Y ~ walk(y, [s]); }", DATA, [{**q, "w": [0.1, 0.7, -0.4]} for q in POINT],
                  lambda d, p: prior(p) + walk(p["w"], p["m"][0], [p["s"], 2]) + walk(Y, p["m"][1], [p["s"], 1, p["s"], p["p"] + 1]) + sum(walk(r, v, [p["s"]]) for r, v in zip(YY, Y)))

    def test_discrete(self):
        self.same(USER + HEAD + "data k: int<lower=0>[N]; observe k ~ zip(p, s * exp(y)); }", DATA | {"k": [0, 2, 1, 0, 5]}, POINT,
                  lambda d, p: prior(p) + sum((math.log(p["p"] + (1 - p["p"]) * math.exp(-p["s"] * math.exp(v)))) if k == 0 else math.log1p(-p["p"]) + poisson(k, p["s"] * math.exp(v)) for k, v in zip(d["k"], Y)))

    def test_methods(self):
        self.same(HEAD + "factor sum(normal(m, s).log_density(m + 1)) + sum(normal(m[1], s).cdf(y)) + normal(m, s).log_ccdf(m[1] + 0 * m)[2] + exponential(s).quantile(p) + normal(0, s).entropy(); }", DATA, POINT,
                  lambda d, p: prior(p) + 2 * normal(1, 0, p["s"]) + sum(normal_cdf(v, p["m"][0], p["s"]) for v in Y) + math.log(normal_cdf(-(p["m"][0] - p["m"][1]) / p["s"])) - math.log1p(-p["p"]) / p["s"] + 0.5 * math.log(2 * math.pi * math.e) + math.log(p["s"]))

    def test_outside_of_an_int_support(self):
        # The value is an index, which is not read outside of the support.
        model = ("distribution pick(w: real[K]) on int<lower=1, upper=K> { log_density(k) = w[k]; }\nmodel M { data N: int; data k: int[N]; param w: real[3] ~ normal(0, 1);"
                 " for n in 1:N { factor exp(pick(w).log_density(k[n])); } factor sum(exp(pick(w).log_density(k))); }")
        self.same(model, {"N": 4, "k": [2, 0, 100000000, 3]}, [{"w": [0.3, -0.5, 1.2]}], lambda d, p: normals(p["w"]) + 2 * math.exp(-0.5) + 2 * math.exp(1.2))

    def test_methods_repeat_scalars(self):
        self.same(HEAD + "factor sum(normal(m, s).log_density(0.5)) + sum(normal(m, [s, 1]).log_ccdf(y[1])) + sum(exponential([s, p]).quantile(0.5)) + sum(mixture([p, 1 - p], [normal(m, 1), normal(0, s)]).log_density(m)); require N >= 1; }", DATA, POINT,
                  lambda d, p: prior(p) + normals(p["m"], 0.5, p["s"]) + sum(math.log(1 - normal_cdf(Y[0], m, s)) for m, s in zip(p["m"], [p["s"], 1])) + math.log(2) / p["s"] + math.log(2) / p["p"] + sum(mix(p["p"], normal(0), normal(m, 0, p["s"])) for m in p["m"]))

    def test_multivariate_batches(self):
        self.same(HEAD + "let S = [[1 + s, 0.3], [0.3, 2]]; let L = cholesky(S); observe Y ~ multi_normal([m * y[n] for n in 1:N], S); observe Y[2] ~ multi_normal_cholesky(m, L); for n in 3:N { observe Y[n] ~ multi_normal(m, S * n); } observe Y[1:2, :] ~ multi_normal(m, S); require N == 5; }", DATA, POINT,
                  lambda d, p: (lambda S: prior(p) + sum(multi_normal_cholesky(r, [x * v for x in p["m"]], cholesky(S)) for r, v in zip(YY, Y)) + multi_normal_cholesky(YY[1], p["m"], cholesky(S))
                                + sum(multi_normal_cholesky(YY[n - 1], p["m"], cholesky([[n * x for x in r] for r in S])) for n in (3, 4, 5)) + sum(multi_normal_cholesky(r, p["m"], cholesky(S)) for r in YY[:2]))([[1 + p["s"], 0.3], [0.3, 2]]))

    def test_column_as_an_event(self):
        self.same(HEAD + "let L = [i == j ? s + 1 : i > j ? 0.1 * p : 0.0 for i in 1:N, j in 1:N]; for d in 1:D { observe Y[:, d] ~ multi_normal_cholesky(rep(m[d], N), L); } }", DATA, POINT,
                  lambda d, p: prior(p) + sum(multi_normal_cholesky([r[k] for r in YY], [p["m"][k]] * 5, [[p["s"] + 1 if i == j else 0.1 * p["p"] if i > j else 0.0 for j in range(5)] for i in range(5)]) for k in (0, 1)))

    def test_samples_differ(self):
        executable = self.same(USER + HEAD + """quantity a = [normal(0, 1).sample() for i in 1:4]; quantity b = normal(m, s).sample(); quantity c = walk(0, [s, 1]).sample(); var v: real[3] = 0; for i in 1:3 { v[i] = normal(0, 1).sample(); } quantity v;
          quantity k = poisson(rep(5, 3)).sample(); quantity w = [walk(0, [s, 1]).sample() for i in 1:2]; quantity z = [[normal(0, 1).sample() for i in 1:2] for j in 1:2]; }""", DATA, POINT, lambda d, p: prior(p))
        for row in self.draws(executable, self.write("data.json", DATA)):
            for name in "abcvwz":
                values = [v for key, v in row.items() if key.startswith(name + "[")]
                self.assertGreater(len(values), 1, name)
                self.assertEqual(len(values), len(set(values)), f"{name}: {values}")
            self.assertGreater(len({row["a[1]"], row["b[1]"], row["v[1]"], row["z[1,1]"]}), 3)


if __name__ == "__main__":
    unittest.main()
