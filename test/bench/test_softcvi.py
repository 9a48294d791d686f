"""The metrics of bench/softcvi, where they are known in closed form."""

import math
import sys
import unittest
from pathlib import Path
from statistics import NormalDist

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench" / "softcvi"))

import claims
import metrics

QUANTILES = [NormalDist().inv_cdf((k + 0.5) / 4000) for k in range(4000)]


def log_density(x, scale):
    return -0.5 * (x / scale) ** 2 - math.log(scale)


class Coverage(unittest.TestCase):
    def curve(self, scale):
        """Of a normal family with this scale, for a standard normal reference."""
        return metrics.coverage([log_density(x, scale) for x in QUANTILES], [log_density(scale * x, scale) for x in QUANTILES])

    def test_normal_family_of_another_scale(self):
        # The region of level c is |x| <= scale z, with z the normal quantile of (1 + c) / 2. Steps of 4000 points: 1 / 2000 a symmetric pair.
        for scale in (0.5, 1.0, 2.0):
            for level, value in list(zip(metrics.LEVELS, self.curve(scale)))[:-1]:
                z = NormalDist().inv_cdf((1 + level / 100) / 2)
                exact = 2 * NormalDist().cdf(scale * z) - 1
                self.assertAlmostEqual(value, exact, delta=0.0025)

    def test_overconfident_families_lie_below(self):
        self.assertLess(metrics.coverage_error(self.curve(1.0)), 0.001)
        self.assertGreater(metrics.coverage_error(self.curve(0.5)), 0.1)
        self.assertLess(self.curve(0.5)[50], 0.5)
        self.assertGreater(self.curve(2.0)[50], 0.5)

    def test_reference_outside_of_the_support_is_covered_by_no_region_but_the_whole(self):
        curve = metrics.coverage([-math.inf] * 10, [0.0] * 10)
        self.assertEqual(curve[:-1], [0.0] * 99)
        self.assertEqual(curve[-1], 1.0)


class Mean(unittest.TestCase):
    def test_distance_in_reference_deviations(self):
        reference = [[-1.0, 1.0], [0.0, 4.0]]
        self.assertAlmostEqual(metrics.mean_accuracy([[3.0], [2.0]], reference), -3.0)
        self.assertAlmostEqual(metrics.mean_accuracy([[3.0], [10.0]], reference), -5.0)


class Claims(unittest.TestCase):
    def value(self, log_q=0.0, accuracy=0.0, error=0.1, lift=0.0):
        curve = [min(1.0, level / 100 + lift) for level in metrics.LEVELS]
        return {"log_q": [log_q, log_q - 1, log_q + 1], "mean_accuracy": [accuracy, accuracy - 1, accuracy + 1], "coverage_error": error, "coverage_curve": curve}

    def summary(self):
        """One in which all claims hold."""
        plain = {"softcvi(0.75)": self.value(1, 0, 0.01, 0.02), "softcvi(1)": self.value(0.9, 0, 0.05, -0.02), "snis_forward_kl": self.value(0, 0, 0.05, -0.02), "elbo": self.value(0, 0.5, 0.2, -0.1)}
        return {task: dict(plain) for task in claims.TITLES}

    def verdicts(self, summary):
        return [line.rsplit("| ", 1)[1] for line in claims.section(summary).splitlines()[6:]]

    def test_all_hold(self):
        self.assertEqual(self.verdicts(self.summary()), ["yes |"] * 5)

    def test_each_can_fail(self):
        for number, (task, method, change) in enumerate(
            [
                ("slcp", "elbo", {"error": 0.001, "lift": -0.1}),
                ("eight_schools", "elbo", {"lift": 0.1, "accuracy": 0.5}),
                ("garch", "softcvi(1)", {"log_q": 2}),
                ("slcp", "softcvi(1)", {"log_q": -2}),
                ("garch", "softcvi(1)", {"accuracy": 2}),
            ]
        ):
            summary = self.summary()
            summary[task][method] = self.value(**{"log_q": 0, **change})
            verdicts = self.verdicts(summary)
            self.assertEqual(verdicts[number], "**no** |", number)

    def test_nothing_of_a_part(self):
        summary = self.summary()
        del summary["garch"]
        self.assertIsNone(claims.section(summary))


if __name__ == "__main__":
    unittest.main()
