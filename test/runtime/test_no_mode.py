"""Default fits of posteriors whose density has no mode: it grows without bound as a group's effects and their scale go to zero."""

import json
import pathlib
import tempfile
import unittest

from vmodel_testing import SOURCE, compile_model, run


class NoMode(unittest.TestCase):
    def test_overdispersed_counts(self):
        # The plain start's draws have log densities of -1e6 and worse, from where no fit comes back.
        executable = compile_model("test/posteriordb/more/GLMM_Poisson_model.vmodel")
        data = SOURCE / "test" / "posteriordb" / "more" / "data" / "GLMM_Poisson_data.json"
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)

            def fit(family, seed):
                run([executable, "fit", "--data", data, "--output", folder, "--family", family, "--seed", seed, "--quiet"])
                found = json.loads((folder / "fit.json").read_text())["diagnostics"]
                self.assertIn("Laplace refused", found["start"])
                return found["elbo"], found["elbo_standard_error"]

            independent = [fit("mean_field", seed) for seed in (1, 2, 3)]
            correlated = [fit("full_rank", seed) for seed in (1, 2)]
            for fits in (independent, correlated):
                for value, error in fits[1:]:
                    self.assertAlmostEqual(value, fits[0][0], delta=4 * (error**2 + fits[0][1] ** 2) ** 0.5 + 0.05)
            # The family that holds the other has the better optimum.
            self.assertGreater(correlated[0][0], independent[0][0])


if __name__ == "__main__":
    unittest.main()
