"""`sample` tells of draws that lie far outside of the posterior."""

import pathlib
import tempfile
import unittest

from vmodel_testing import compile_model, run


class FarDraws(unittest.TestCase):
    def test_is_told(self):
        executable = compile_model("test/runtime/models/narrow.vmodel")
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)

            def sample(*settings):
                run([executable, "fit", "--output", folder, "--family", "mean_field", "--quiet", *settings], status=None)
                return run([executable, "sample", "--fit", folder / "fit.json", "--draws", "500", "-o", folder / "draws.csv"]).stderr

            # Standard normals where the posterior lies a million of its deviations away, which one step does not change.
            wide = sample("--steps", "1", "--set", "settle=0", "--set", "start=plain", "--set", "precondition=off", "--set", "warm_up=off")
            self.assertIn("lie far outside of the posterior", wide)
            # The draw that is named has the least weight.
            rows = [line.split(",") for line in (folder / "draws.csv").read_text().splitlines()]
            column = rows[0].index(".log_weight")
            least = min(rows[1:], key=lambda row: float(row[column]))
            self.assertIn(f"draw {least[rows[0].index('.draw')]},", wide)
            self.assertNotIn("outside", sample())


if __name__ == "__main__":
    unittest.main()
