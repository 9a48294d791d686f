"""Nets and bijectors with learnables: values against loops in Python, initial values, arrays of them, versions by functions and lists."""

import json
import math
import unittest

from semantics_support import REST, FamilyMeaning, flatten, normal, normals, rest, run


def rows(values, shape):
    """The flat values as nested lists."""
    if len(shape) == 1:
        return list(values[: shape[0]])
    size = len(values) // shape[0]
    return [rows(values[i * size : (i + 1) * size], shape[1:]) for i in range(shape[0])]


def dense(f, name, x, at=None):
    """W @ x + b with the learnables of that name; `at`: of an array of nets."""
    W, b = flatten(f[name + ".W"]), flatten(f[name + ".b"])
    n = len(b)
    if at is not None:
        place, count = at
        n //= count
        W, b = W[place * n * len(x) : (place + 1) * n * len(x)], b[place * n : (place + 1) * n]
    return [math.fsum(w * v for w, v in zip(W[i * len(x) : (i + 1) * len(x)], x)) + b[i] for i in range(n)]


def mlp(f, name, x, layers, activation):
    h = x
    for _ in range(layers):
        h = [activation(v) for v in dense(f, name + ".first", h)]
        name += ".rest"
    return dense(f, name + ".last", h)


OTHERS = " s ~ lognormal(0, 1); p ~ uniform(0, 1); w ~ normal(0, 1);" + REST


def others(p):
    return normal(math.log(p["s"])) - math.log(p["s"]) + normals(p["w"]) + rest()


class Nets(FamilyMeaning):
    def test_conditional_site(self):
        self.family("learn net: mlp(1, [4, 3], 6, activation = tanh); a ~ normal(learn, learn); let h = net([a]); v ~ normal(h[1:3], exp(h[4:6]));" + OTHERS,
                    lambda f, p: (lambda h: normal(p["a"], flatten(f["a.location"])[0], flatten(f["a.scale"])[0]) + normals(p["v"], h[:3], [math.exp(u) for u in h[3:]]))(
                        mlp(f, "net", [p["a"]], 2, math.tanh)) + others(p))

    def test_no_hidden_layer_and_defaults(self):
        self.family("learn one: mlp(inputs = 1, hidden = [], outputs = 3); learn net: mlp(2, [5], 3, scale = 2); a ~ normal(0, 1); let g = net([a, y[1]]); v ~ normal(g + one([a]), 1);" + OTHERS,
                    lambda f, p: normal(p["a"]) + normals(p["v"], [g + o for g, o in zip(mlp(f, "net", [p["a"], 0.3], 1, lambda u: max(u, 0.0)), dense(f, "one.last", [p["a"]]))]) + others(p))

    def test_arrays_of_nets(self):
        self.family("learn net: dense(1, 2)[3]; a ~ normal(0, 1); for i in 1:3 { let h = net[i]([a]); v[i] ~ normal(h[1], exp(h[2])); }" + OTHERS,
                    lambda f, p: normal(p["a"]) + sum(normal(v, h[0], math.exp(h[1])) for v, h in ((v, dense(f, "net", [p["a"]], (i, 3))) for i, v in enumerate(p["v"]))) + others(p))

    def test_net_of_ones_own(self):
        self.family("learn net: residual(3, softplus); a ~ normal(0, 1); v ~ normal(net([a, 1, 2]), 1);" + OTHERS,
                    lambda f, p: normal(p["a"]) + normals(p["v"], [x + flatten(f["net.gain"])[0] * (max(u, 0.0) + math.log1p(math.exp(-abs(u)))) for x, u in zip([p["a"], 1.0, 2.0], dense(f, "net.inner", [p["a"], 1.0, 2.0]))]) + others(p),
                    before="""net residual(n: int<lower=1>, activation: function) on real[n] -> real[n] {
  learn inner: dense(n, n, 0.1);
  learn gain: real<lower=0> = 0.5;
  apply(x) = x + gain * activation(inner(x));
}
""")

    def test_bijectors_that_learn(self):
        self.family("learn layer: shifted(D = 4)[2]; unconstrained(a, v) ~ transformed(normal(0, 1), [chain(layer[l], reverse_order()) for l in 1:2]);" + OTHERS, self.shifted,
                    before="""bijector shifted(D: int<lower=2>) on real[D] -> real[D] {
  learn net: mlp(1, [2], D - 1, tanh);
  learn s: real<lower=0> = 2;
  forward_and_log_det(x) {
    let m = net(x[1:1]);
    var y = x;
    for d in 2:D { y[d] = s * x[d] + m[d - 1]; }
    return (y, (D - 1) * log(s));
  }
  inverse(y) {
    let m = net(y[1:1]);
    var x = y;
    for d in 2:D { x[d] = (y[d] - m[d - 1]) / s; }
    return x;
  }
}
""")

    @staticmethod
    def shifted(f, p):
        y, total = [p["a"], *p["v"]], 0.0
        for l in (1, 0):
            y = list(reversed(y))
            s = flatten(f["layer.s"])[l]
            h = [math.tanh(u) for u in dense(f, "layer.net.first", y[:1], (l, 2))]
            m = dense(f, "layer.net.rest.last", h, (l, 2))
            y = [y[0]] + [(a - b) / s for a, b in zip(y[1:], m)]
            total -= 3 * math.log(s)
        return total + normals(y) + others(p)

    def test_sizes_by_data_and_generic_families(self):
        self.family("rest ~ conditioned(hidden = [2, 3]);", self.conditioned,
                    before="""family conditioned(hidden: int<lower=1>[H]) on u: real[D] {
  learn net: mlp(1, hidden, D - 1, identity);
  u[1] ~ normal(0, 1);
  let m = net(u[1:1]);
  for d in 2:D { u[d] ~ normal(m[d - 1], 1); }
}
""")

    @staticmethod
    def conditioned(f, p):
        by = {k[k.index("net."):]: v for k, v in f.items()}
        x = p["x"]
        u = [p["a"], math.log(p["s"]), math.log(p["p"] / (1 - p["p"])), *p["v"], *[(w - p["a"]) / p["s"] for w in p["w"]], math.log(x[0] / (1 - x[0])) + math.log(2), math.log(x[1] / x[2])]
        total = normal(u[0]) + normals(u[1:], mlp(by, "net", u[:1], 2, lambda v: v))
        return total - math.log(p["s"]) - 2 * math.log(p["s"]) - math.log(p["p"] * (1 - p["p"])) - math.log(x[0]) - math.log(x[1]) - math.log(x[2])


class InitialValues(FamilyMeaning):
    MODEL = """model M { data y: real; param m: real[8] ~ normal(0, 1); observe y ~ normal(m[1], 1); }
family F for M { learn net: mlp(25, [40], 8, scale = 0.5)[2]; learn t: real<lower=0>[2000] ~ exponential(2); m ~ normal(net[1](t[1:25]) + net[2](t[1:25]), 1); }
"""

    def initial(self, executable, seed):
        folder = self.scratch / f"fit{seed}"
        done = run([executable, "fit", "--data", self.write("data.json", {"y": 0.3}), "--output", folder, "--family", "F", "--steps", 2, "--seed", seed, "--quiet",
                    "--set", "start=plain", "--set", "settle=0", "--set", "optimizer.rate=1e-14", "--set", "warm_up=off"], status=None)
        self.assertIn(done.returncode, (0, 2), done.stderr)
        return {k: flatten(v) for k, v in self.learnables(json.loads((folder / "fit.json").read_text())).items()}

    def test_drawn_by_the_seed(self):
        executable = self.compiled(self.MODEL, "--families=F")
        first, again, other = self.initial(executable, 1), self.initial(executable, 1), self.initial(executable, 2)
        self.assertEqual(first, again)
        for name, inputs in (("net.first.W", 25), ("net.first.b", 25), ("net.rest.last.W", 40), ("net.rest.last.b", 40)):
            values, r = first[name], 0.5 / math.sqrt(inputs)
            self.assertEqual(len(set(values)), len(values), name)
            self.assertNotEqual(values, other[name])
            self.assertLessEqual(max(map(abs, values)), r * (1 + 1e-9))
            # The distance of Kolmogorov and Smirnov from uniform: above 1.95 / sqrt(n) once in a thousand seeds.
            n = len(values)
            distance = max(abs((i + 0.5) / n - (v / r + 1) / 2) for i, v in enumerate(sorted(values))) + 0.5 / n
            self.assertLess(distance, 1.95 / math.sqrt(n), name)
        n = len(first["t"])
        distance = max(abs((i + 0.5) / n + math.expm1(-2 * v)) for i, v in enumerate(sorted(first["t"]))) + 0.5 / n
        self.assertLess(distance, 1.95 / math.sqrt(n))


if __name__ == "__main__":
    unittest.main()
