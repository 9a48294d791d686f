"""A family that draws a gamma variable: the kernel of the pathwise derivative against differences of quantiles.

A draw z at learnables phi lies at the probability F(z; phi); the pathwise derivative is that of the quantile there, with the probability held.
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

    def lanes(self, phi, particle, wanted, shape, t):
        """The derivative for one lane: the weights of the others are zero."""
        width = self.family.kernel("G.pathwise").lanes
        weights = [[1.0]] + [[0.0]] * (width - 1)
        got = self.family.call("G.pathwise", phi=phi, d_z=weights, d_log_q=[0.0] * width, d_entropy=[0.0] * width, first_particle=particle)["d_phi"][0]
        self.assertAlmostEqual(got, wanted, delta=1e-7 * abs(wanted) + 1e-9, msg=f"shape {shape}, draw {t}")


if __name__ == "__main__":
    unittest.main()
