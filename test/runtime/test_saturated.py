"""Families with numbers that hardly matter where a fit starts: their steps must not lead to where they matter, and then too much."""

import json
import pathlib
import tempfile
import unittest

from vmodel_testing import compile_model, run

# Gaver and O'Muircheartaigh (1987): failures of pumps, and thousands of hours.
DATA = {
    "N": 10,
    "y": [5, 1, 5, 14, 3, 19, 1, 1, 4, 22],
    "t": [94.3, 15.7, 62.9, 125.8, 5.24, 31.4, 1.05, 1.05, 2.1, 10.5],
}


class Saturated(unittest.TestCase):
    def test_default_fits(self):
        executable = compile_model("test/runtime/models/pumps_tails.vmodel")
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "data.json").write_text(json.dumps(DATA))
            for seed in (1, 2, 3):
                with self.subTest(seed=seed):
                    # Status 0: no step was skipped for a density that is no number.
                    run([executable, "fit", "--data", folder / "data.json", "--output", folder, "--seed", seed, "--quiet"])
                    found = json.loads((folder / "fit.json").read_text())
                    for name in ("nu", "nus"):
                        for value in found["learnables"][name]["value"]:
                            # A few steps of a number without a unit of its own went to 1e16 and beyond.
                            self.assertLess(value, 1e8)
                    self.assertGreater(found["diagnostics"]["labels"]["effective_size_last"], 3)


if __name__ == "__main__":
    unittest.main()
