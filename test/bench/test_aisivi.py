"""The targets and metrics of bench/aisivi, where they are known in closed form. They need NumPy, which the suite does without elsewhere."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from vmodel_testing import SOURCE, compile_model

sys.path.insert(0, str(SOURCE / "bench" / "aisivi"))

try:
    import metrics
    import numpy as np
    import targets
except ImportError:
    np = None


@unittest.skipUnless(np, "needs NumPy")
class Metrics(unittest.TestCase):
    def test_forward_kl_of_two_normals(self):
        target = targets.Mixture("normal", np.zeros((1, 2)), np.eye(2)[None], 9.0)
        points, cell = target.grid()
        # KL(N(0, I) || N(m, s^2 I)) = 2 log s + (2 + |m|^2) / (2 s^2) - 1; the midpoint rule is exact to rounding for such functions.
        scale, mean = 1.5, np.array([0.3, -0.4])
        log_q = targets.log_normal(points, mean, scale**2 * np.eye(2))
        exact = 2 * np.log(scale) + (2 + 0.25) / (2 * scale**2) - 1
        self.assertAlmostEqual(metrics.forward_kl_on_grid(target.log_density(points), log_q, cell), exact, delta=1e-10)

    def test_coordinate_marginals_of_normals(self):
        # A kernel density with bandwidth h is that of a normal with variance 1 + h^2.
        random = np.random.default_rng(1)
        draws, at = random.standard_normal((200_000, 1)), random.standard_normal((2_000, 1))
        width = 200_000**-0.2
        exact = np.mean(targets.log_normal(at, np.zeros(1), (1 + width**2) * np.eye(1)))
        self.assertAlmostEqual(metrics.coordinate_marginals(draws, at), exact, delta=0.01)

    def test_sliced_wasserstein_of_a_shift(self):
        draws = np.random.default_rng(2).standard_normal((1_000, 2))
        # The projection of a shift s has mean absolute value 2 |s| / pi.
        self.assertAlmostEqual(metrics.sliced_wasserstein(draws + np.array([3.0, 0]), draws, directions=4_000), 6 / np.pi, delta=0.06)

    def test_mode_weights(self):
        modes = targets.circle()
        weights = metrics.mode_weights(np.repeat(modes, [1, 2, 3, 4, 5, 6, 7, 8], axis=0), modes)
        self.assertEqual((36 * weights).round(9).tolist(), [1, 2, 3, 4, 5, 6, 7, 8])


@unittest.skipUnless(np, "needs NumPy")
class Targets(unittest.TestCase):
    def test_grids_hold_all_mass(self):
        for target in targets.TARGETS.values():
            if hasattr(target, "grid"):
                points, cell = target.grid()
                self.assertAlmostEqual(cell * np.exp(target.log_density(points)).sum(), 1, delta=1e-9, msg=target.name)

    def test_weighted_draws_have_the_evidence(self):
        target = targets.TARGETS["diffusion"]
        x, log_weights = target.weighted_draws(20_000, np.random.default_rng(3), None)
        weights = np.exp(log_weights)
        # The evidence is known to 0.007; four standard errors of the mean of the weights.
        self.assertAlmostEqual(np.mean(weights), 1, delta=4 * (0.007 + np.std(weights) / np.sqrt(len(x))))

    def test_examples_have_the_same_densities(self):
        with tempfile.TemporaryDirectory() as folder:
            for target in targets.TARGETS.values():
                executable = compile_model(targets.EXAMPLES / f"{target.name}.vmodel")
                data, at = Path(folder) / "data.json", Path(folder) / "points.json"
                points = target.draws(10, np.random.default_rng(4))
                data.write_text(json.dumps(target.data))
                at.write_text(json.dumps([{target.parameter: point} for point in points.tolist()]))
                answers = json.loads(subprocess.run([executable, "log-density", "--data", data, "--at", at], check=True, capture_output=True).stdout)
                ours = np.array([float(answer["log_density"]) for answer in answers])
                exact = target.log_density(points) + target.log_evidence
                np.testing.assert_allclose(ours, exact, rtol=1e-10, atol=1e-9, err_msg=target.name)


if __name__ == "__main__":
    unittest.main()
