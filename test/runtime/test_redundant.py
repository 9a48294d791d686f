"""A family with one learned number too many: its covariance diag(s^2) + b b' of two parameters has three numbers and four learnables."""

import json
import tempfile
import unittest

from vmodel_testing import SOURCE, compile_model, run


class Redundant(unittest.TestCase):
    def test_reaches_the_optimum_of_full_rank(self):
        executable = compile_model("examples/dose.vmodel")
        with tempfile.TemporaryDirectory() as folder:

            def fit(family, seed):
                done = run([executable, "fit", "--data", SOURCE / "examples" / "dose.json", "--family", family, "--output", folder, "--seed", seed])
                self.assertNotIn("settle) made", done.stderr)
                with open(f"{folder}/fit.json") as file:
                    diagnostics = json.load(file)["diagnostics"]
                return diagnostics["elbo"], diagnostics["elbo_standard_error"]

            wanted, error = fit("full_rank", 1)
            for seed in (1, 2, 3):
                elbo, its_error = fit("Correlated", seed)
                self.assertAlmostEqual(elbo, wanted, delta=4 * (error**2 + its_error**2) ** 0.5)


if __name__ == "__main__":
    unittest.main()
