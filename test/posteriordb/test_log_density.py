"""Log densities and gradients of the models against the original models' and against densities.py, for one lane and for the machine's width.

`points` drop additive constants, so pairs of points are compared; `extra_points` keep them and are compared in themselves as well.
"""

import unittest

import support


class LogDensity(unittest.TestCase):
    """The cases; a class for each posterior is made below."""

    @classmethod
    def setUpClass(cls):
        cls.executable = support.executable_of(cls.posterior)
        cls.data = support.HERE / cls.posterior["data"]
        cls.reference = support.read_json(support.HERE / cls.posterior["log_density"])

    def computed(self, kind, lanes):
        points = [point["constrained"] for point in self.reference[kind]]
        return support.log_density(self.executable, self.data, points, "--lanes", lanes)

    def agree(self, kind, lanes):
        reference, computed = self.reference[kind], self.computed(kind, lanes)
        self.assertEqual(len(computed), len(reference))
        pairs, worst = support.compare_pairs(reference, computed)
        self.assertGreater(pairs, 0)
        self.assertLessEqual(worst, 1, "log densities, in units of the tolerance")
        _, worst = support.compare_gradients(reference, computed)
        self.assertLessEqual(worst, 1, "gradients, in units of the tolerance")
        for r, c in zip(reference, computed):
            for name, values in r["unconstrained"].items():
                self.assertEqual(len(c["unconstrained"][name]), len(values), name)
                for expected, got in zip(values, c["unconstrained"][name]):
                    self.assertAlmostEqual(got, expected, delta=1e-12 * max(1, abs(expected)), msg=name)

    def test_original_points_one_lane(self):
        self.agree("points", 1)

    def test_original_points_native_lanes(self):
        self.agree("points", "native")

    def test_posterior_points_one_lane(self):
        self.agree("extra_points", 1)

    def test_posterior_points_native_lanes(self):
        self.agree("extra_points", "native")

    def test_constants_are_kept(self):
        for r, c in zip(self.reference["extra_points"], self.computed("extra_points", 1)):
            for key in ("log_density", "log_density_with_jacobian"):
                self.assertAlmostEqual(c[key], r[key] + self.posterior["constant"], delta=1e-12 * (1 + abs(r[key])), msg=key)

    def test_check_passes(self):
        support.run([self.executable, "check", "--data", self.data])


support.define_classes(__name__, LogDensity, support.posteriors())
del LogDensity  # only its subclasses are tests

if __name__ == "__main__":
    unittest.main()
