"""Families that draw gamma variables: the kernel of the pathwise derivative.

A draw z at learnables phi lies at the probability F(z; phi); for one gamma variable the pathwise derivative is that of the quantile there, with the probability
held. What is made of several has many derivatives that are right; their means are those of known expectations.
"""

import math
import pathlib
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tools"))

import kernels  # noqa: E402
import support  # noqa: E402

MODEL = """
model Draws {
  param x: real<lower=0> ~ flat();
  factor 0 * x;
}
family G for Draws { x ~ gamma(learn, 1); }
"""
# log of a gamma quantile, and the place of a value.
PLACE = """
model Place {
  param shape: real ~ flat();
  param t: real ~ flat();
  quantity below = log_gamma(shape).cdf(t);
  quantity value = log_gamma(shape).quantile(t);
}
"""

CIRCLE = """
model Circle {
  param x: real<lower=-3.1415926535897931, upper=3.1415926535897931> ~ flat();
  factor 0 * x;
}
family V for Circle { x ~ von_mises(learn, learn); }
"""
CIRCLE_PLACE = """
model Place {
  param mu: real ~ flat();
  param kappa: real ~ flat();
  param t: real ~ flat();
  quantity below = von_mises(mu, kappa).cdf(t);
  quantity value = von_mises(mu, kappa).quantile(t);
}
"""


def softplus(x):
    return math.log1p(math.exp(x))


class Pathwise(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.family = kernels.Model(support.build("pathwise", MODEL), {})
        cls.place = kernels.Model(support.build("place", PLACE), {})

    def test_gamma(self):
        """In the logarithm, the coordinate of the parameter; by softplus the learnable's own coordinate."""
        checked = 0
        for shape in (0.05, 0.3, 0.9, 1.0, 4.0, 19.0, 25.0, 3000.0):
            phi = [shape + math.log(-math.expm1(-shape))]
            draws = self.family.call("G.draw", phi=phi, points=24)["z"]
            for particle, (t,) in enumerate(draws):
                below = self.place.call("constrain", z=[[shape, t]])["x"][0][2]
                if not 1e-6 < below < 1 - 1e-6:
                    continue
                h = 1e-4 * shape
                values = [x[3] for x in self.place.call("constrain", z=[[shape + f * h, below] for f in (-2, -1, 1, 2)])["x"]]
                near, wide = (values[2] - values[1]) / (2 * h), (values[3] - values[0]) / (4 * h)
                wanted = (near + (near - wide) / 3) * -math.expm1(-shape)
                self.lanes(phi, particle, wanted, shape, t)
                checked += 1
        self.assertGreater(checked, 150)

    def test_von_mises(self):
        """By both arguments, in the logit of the share of the circle; modes near the ends of the interval too."""
        family = kernels.Model(support.build("circle", CIRCLE), {})
        place = kernels.Model(support.build("circle_place", CIRCLE_PLACE), {})
        width = family.kernel("V.pathwise").lanes
        checked = [0, 0]
        for mu in (0.5, 3.0, -2.5, 7.0):
            for kappa in (0.02, 0.7, 4.0, 60.0, 2000.0):
                phi = [mu, kappa + math.log(-math.expm1(-kappa))]
                draws = family.call("V.draw", phi=phi, points=16)["z"]
                for particle, (z,) in enumerate(draws):
                    t = math.pi * math.tanh(0.5 * z)
                    below = place.call("constrain", z=[[mu, kappa, t]])["x"][0][3]
                    if not 1e-3 < below < 1 - 1e-3:
                        continue
                    weights = [[1.0]] + [[0.0]] * (width - 1)
                    got = family.call("V.pathwise", phi=phi, d_z=weights, d_log_q=[0.0] * width, d_entropy=[0.0] * width, first_particle=particle)["d_phi"]
                    to_logit = 2 * math.pi / (math.pi**2 - t * t)
                    for k, step in ((0, 1e-3 / math.sqrt(1 + kappa)), (1, 1e-3 * kappa)):
                        at = [[mu + (k == 0) * f * step, kappa + (k == 1) * f * step, below] for f in (-2, -1, 1, 2)]
                        values = [x[4] for x in place.call("constrain", z=at)["x"]]
                        near, wide = (values[2] - values[1]) / (2 * step), (values[3] - values[0]) / (4 * step)
                        wanted = (near + (near - wide) / 3) * to_logit * (1 if k == 0 else -math.expm1(-kappa))
                        # The quantile is a bisection's, near 4e-16 * pi; the formula's own error falls with the fourth power of the step.
                        error = to_logit * 4e-15 / step + 1e-2 * abs(near - wide) * to_logit
                        self.assertLess(error, 1e-2 * max(abs(wanted), to_logit * min(1, 1 / kappa)))
                        self.assertLessEqual(abs(got[k] - wanted), error, msg=f"mu {mu}, kappa {kappa}, draw {t}, argument {k}")
                        checked[k] += 1
        self.assertGreater(min(checked), 150)

    def lanes(self, phi, particle, wanted, shape, t):
        """The derivative for one lane: the weights of the others are zero."""
        width = self.family.kernel("G.pathwise").lanes
        weights = [[1.0]] + [[0.0]] * (width - 1)
        got = self.family.call("G.pathwise", phi=phi, d_z=weights, d_log_q=[0.0] * width, d_entropy=[0.0] * width, first_particle=particle)["d_phi"][0]
        self.assertAlmostEqual(got, wanted, delta=1e-7 * abs(wanted) + 1e-9, msg=f"shape {shape}, draw {t}")


def trigamma(x):
    """By recurrence up to 12 and the asymptotic series."""
    total = 0.0
    while x < 12:
        total += 1 / (x * x)
        x += 1
    q = 1 / (x * x)
    return total + 1 / x + q / 2 + q / x * (1 / 6 - q * (1 / 30 - q * (1 / 42 - q / 30)))


# draws, support, the learnables' values, what is expected of them: f'(z) for the coordinates z, and the derivatives of E[f(z)] by the learnables.
EXPECTATIONS = {
    "beta": ("beta(learn, learn)", "real<lower=0, upper=1>", [1.7, 0.6], lambda z: [1.0], lambda v: [trigamma(v[0]), -trigamma(v[1])]),
    "inv_gamma": ("inv_gamma(learn, learn)", "real<lower=0>", [2.5, 0.8], lambda z: [1.0], lambda v: [-trigamma(v[0]), 1 / v[1]]),
    "chi_square": ("chi_square(learn)", "real<lower=0>", [3.0], lambda z: [1.0], lambda v: [trigamma(v[0] / 2) / 2]),
    "student_t": ("student_t(learn, 0, 1)", "real", [12.0], lambda z: [2 * z[0]], lambda v: [-2 / (v[0] - 2) ** 2]),
    # E[cos(x - 2)] = A(kappa), A' = 1 - A / kappa - A^2; x = pi tanh(z / 2).
    "von_mises": ("von_mises(2, learn)", "real<lower=-3.1415926535897931, upper=3.1415926535897931>", [1.5],
                  lambda z: [-math.sin(math.pi * math.tanh(0.5 * z[0]) - 2) * math.pi / (1 + math.cosh(z[0]))],
                  lambda v: [1 - 0.5961332388312908 / v[0] - 0.5961332388312908**2]),
    # The first coordinate is the logit of a beta(a1, a2 + a3) variable, up to a constant.
    "dirichlet": ("dirichlet(learn)", "simplex<3>", [0.7, 1.5, 4.0], lambda z: [1.0, 0.0], lambda v: [trigamma(v[0]), -trigamma(v[1] + v[2]), -trigamma(v[1] + v[2])]),
}


class Expectations(unittest.TestCase):
    def expectation(self, name):
        draw, support_, values, slope, wanted = EXPECTATIONS[name]
        model = kernels.Model(support.build(f"expectation_{name}", f"model Draws {{\n  param x: {support_} ~ flat();\n}}\nfamily F for Draws {{ x ~ {draw}; }}\n"), {})
        phi = [v + math.log(-math.expm1(-v)) for v in values]
        width = model.kernel("F.pathwise").lanes
        calls = 2500
        sums, squares = [0.0] * len(phi), [0.0] * len(phi)
        draws = model.call("F.draw", phi=phi, points=calls * width)["z"]
        for k in range(calls):
            weights = [slope(z) for z in draws[k * width:(k + 1) * width]]
            got = model.call("F.pathwise", phi=phi, d_z=weights, d_log_q=[0.0] * width, d_entropy=[0.0] * width, first_particle=k * width)["d_phi"]
            for i, g in enumerate(got):
                sums[i] += g / width
                squares[i] += (g / width) ** 2
        for i, (exact, value) in enumerate(zip(wanted(values), values)):
            mean = sums[i] / calls
            error = math.sqrt(max(squares[i] / calls - mean * mean, 0) / calls)
            self.assertLess(error, 0.05 * abs(exact))
            # By softplus the learnable's own coordinate.
            self.assertLess(abs(mean - exact * -math.expm1(-value)), 5 * error + 1e-12, f"learnable {i}: {mean} +- {error}, not {exact * -math.expm1(-value)}")


for distribution in EXPECTATIONS:
    setattr(Expectations, f"test_{distribution}", lambda self, name=distribution: self.expectation(name))

if __name__ == "__main__":
    unittest.main()
