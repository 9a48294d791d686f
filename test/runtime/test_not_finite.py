"""NaN and infinity survive optimisation, for one lane and for several (for single operations: test/codegen)."""

import json
import pathlib
import tempfile
import unittest

from vmodel_testing import compile_model, run

# The choice `t`, and the log density at 0 and at 1.5.
EXPECTED = [(0, 0.0, 1.5), (1, "-inf", -1 / 1.5), (2, "inf", 1 / 1.5), (3, "nan", 0.0), (4, "nan", 1.0), (5, "nan", 0.0)]


class NotFinite(unittest.TestCase):
    def test_survives(self):
        executable = compile_model("test/runtime/models/not_finite.vmodel")
        with tempfile.TemporaryDirectory() as scratch:
            data, at = pathlib.Path(scratch) / "data.json", pathlib.Path(scratch) / "at.json"
            at.write_text('[{"x": 0}, {"x": 1.5}]')
            for t, *values in EXPECTED:
                data.write_text(json.dumps({"t": t}))
                for lanes in ("1", "native"):
                    points = json.loads(run([executable, "log-density", "--data", data, "--at", at, "--lanes", lanes]).stdout)
                    self.assertEqual([point["log_density"] for point in points], values, f"t = {t}, lanes {lanes}")


if __name__ == "__main__":
    unittest.main()
