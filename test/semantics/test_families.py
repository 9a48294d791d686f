"""Families: log q against densities in Python, order of draws, groups, elements; draws against what they claim."""

import math
import unittest

from semantics_support import REST, FamilyMeaning, flatten, lognormal, multi_normal_cholesky, normal, normals, rest

class Families(FamilyMeaning):
    def test_bare_learnables(self):
        self.family("a ~ normal(learn, learn); s ~ lognormal(learn, learn); p ~ beta(2, 3); v ~ normal(learn, learn); w ~ normal(0, 1);" + REST,
                    lambda f, p: normal(p["a"], flatten(f["a.location"])[0], flatten(f["a.scale"])[0]) + lognormal(p["s"], flatten(f["s.mu"])[0], flatten(f["s.sigma"])[0])
                    + math.log(12 * 0.4 * 0.36) + normals(p["v"], flatten(f["v.location"]), flatten(f["v.scale"])) + normals(p["w"]) + rest())

    def test_reads_what_was_drawn(self):
        self.family("learn m: real[3]; learn c: real = 0.5; a ~ normal(0.1, 2); s ~ lognormal(c * a, 1); v ~ normal(m + a * s, s); w ~ normal(v[1] * c, 1 + s); p ~ uniform(0, 1);" + REST,
                    lambda f, p: (lambda c: normal(p["a"], 0.1, 2) + lognormal(p["s"], c * p["a"], 1) + normals(p["v"], [m + p["a"] * p["s"] for m in flatten(f["m"])], p["s"])
                                  + normals(p["w"], p["v"][0] * c, 1 + p["s"]) + rest())(flatten(f["c"])[0]))

    def test_elements_one_by_one(self):
        self.family("learn m: real[3]; a ~ normal(0, 1); s ~ lognormal(0, 1); p ~ beta(1, 2); v[1] ~ normal(m[1] + a, 1); for i in 2:3 { v[i] ~ normal(m[i] + 0.5 * v[i-1], s); } w ~ normal(v[3], 2);" + REST,
                    lambda f, p: (lambda m, v: normal(p["a"]) + lognormal(p["s"], 0, 1) + math.log(2 * 0.6) + normal(v[0], m[0] + p["a"]) + normal(v[1], m[1] + 0.5 * v[0], p["s"])
                                  + normal(v[2], m[2] + 0.5 * v[1], p["s"]) + normals(p["w"], v[2], 2) + rest())(flatten(f["m"]), p["v"]))

    def test_groups(self):
        # Members that are not neighbours, a joint normal on coordinates, and the rest.
        executable = self.family("(a, v) ~ full_rank(); let g = unconstrained(a); unconstrained(s, w) ~ multi_normal_cholesky([0.1 + g[1], 0.2, 0.3], [[1, 0, 0], [0.5, 2, 0], [0.1, 0.2, 0.3]]); rest ~ mean_field();", self.groups)
        self.assertTrue(executable)

    def groups(self, f, p):
        named = {k: flatten(v) for k, v in f.items()}
        keys = sorted(named)
        full = {k.rsplit(".", 1)[1]: named[k] for k in keys if len(named[k]) in (4, 16)}
        field = {k.rsplit(".", 1)[1]: named[k] for k in keys if len(named[k]) == 3}
        (m, L) = (next(v for v in full.values() if len(v) == 4), next(v for v in full.values() if len(v) == 16))
        total = multi_normal_cholesky([p["a"], *p["v"]], m, [L[4 * i:4 * i + 4] for i in range(4)])
        # s = exp(u); w = a + s * u.
        u = [math.log(p["s"]), *[(x - p["a"]) / p["s"] for x in p["w"]]]
        total += multi_normal_cholesky(u, [0.1 + p["a"], 0.2, 0.3], [[1, 0, 0], [0.5, 2, 0], [0.1, 0.2, 0.3]]) - math.log(p["s"]) - 2 * math.log(p["s"])
        x = p["x"]
        z = [math.log(p["p"] / (1 - p["p"])), math.log(x[0] / (1 - x[0])) + math.log(2), math.log(x[1] / x[2])]
        names = {k: v for k, v in field.items()}
        total += normals(z, names["m"] if "m" in names else names["location"], names["s"] if "s" in names else names["scale"])
        # Log determinants of the inverse maps.
        total += -math.log(p["p"] * (1 - p["p"])) - math.log(x[0]) - math.log(x[1]) - math.log(x[2])
        return total

    def test_generic_with_arguments(self):
        self.family("rest ~ shifted(start = 0.5, r = 2);", lambda f, p: self.generic(f, p),
                    before="family shifted(start: real<lower=0> = 1, r: int<lower=1> = 1) on u: real[D] { learn m: real[D]; learn c: real<lower=0>[D] = start; learn B: real[D, r]; u[1] ~ normal(m[1], c[1]); for i in 2:D { u[i] ~ normal(m[i] + B[i, r] + 0.1 * u[i - 1], c[i]); } }\n")

    def generic(self, f, p):
        by = {k.rsplit(".", 1)[-1]: flatten(v) for k, v in f.items()}
        x = p["x"]
        u = [p["a"], math.log(p["s"]), math.log(p["p"] / (1 - p["p"])), *p["v"], *[(w - p["a"]) / p["s"] for w in p["w"]], math.log(x[0] / (1 - x[0])) + math.log(2), math.log(x[1] / x[2])]
        total = normal(u[0], by["m"][0], by["c"][0])
        for i in range(1, len(u)):
            total += normal(u[i], by["m"][i] + by["B"][2 * i + 1] + 0.1 * u[i - 1], by["c"][i])
        return total - math.log(p["s"]) - 2 * math.log(p["s"]) - math.log(p["p"] * (1 - p["p"])) - math.log(x[0]) - math.log(x[1]) - math.log(x[2])


if __name__ == "__main__":
    unittest.main()
