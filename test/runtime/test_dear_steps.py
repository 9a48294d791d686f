"""A default fit whose steps turn out far dearer than its model's size promised: a start near enough to them is looked for."""

import json
import pathlib
import tempfile
import unittest

from vmodel_testing import SOURCE, compile_model, run


class DearSteps(unittest.TestCase):
    def test_seasons(self):
        # 389 coordinates. Steps from a start that was looked for by what few particles would cost had not settled (status 2), half a hundred nats short.
        more = SOURCE / "test" / "posteriordb" / "more"
        executable = compile_model("test/posteriordb/more/state_space_stochastic_level_stochastic_seasonal.vmodel")
        found = []
        with tempfile.TemporaryDirectory() as name:
            for seed in (1, 2):
                run([executable, "fit", "--data", more / "data" / "uk_drivers.json", "--output", name, "--family", "mean_field", "--seed", seed, "--quiet"])
                found.append(json.loads((pathlib.Path(name) / "fit.json").read_text())["diagnostics"])
        first, second = found
        error = (first["elbo_standard_error"] ** 2 + second["elbo_standard_error"] ** 2) ** 0.5
        self.assertAlmostEqual(first["elbo"], second["elbo"], delta=4 * error)


if __name__ == "__main__":
    unittest.main()
