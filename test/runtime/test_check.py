"""`check` speaks against a derivative that is wrong, and not against one that jumps."""

import json
import pathlib
import tempfile
import unittest

from vmodel_testing import compile_model, run

Y = [-1.1, -0.8, -0.5, -0.3, -0.2, -0.1, 0.1, 0.25, 0.4, 0.6, 0.9, 1.2]


class Derivatives(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.executable = compile_model("test/runtime/models/kinks.vmodel")

    def check(self, seed, points, wrong, status):
        with tempfile.TemporaryDirectory() as scratch:
            data = pathlib.Path(scratch) / "data.json"
            data.write_text(json.dumps({"N": len(Y), "y": Y, "wrong": wrong}))
            return run([self.executable, "check", "--data", data, "--seed", str(seed), "--points", str(points)], status=status)

    def test_a_derivative_that_jumps_is_right(self):
        # About one point in a thousand is so near to a kink that steps of one size agree on a wrong value.
        for seed in range(1, 11):
            with self.subTest(seed=seed):
                self.assertIn("gradient: ok", self.check(seed, 1000, 0, 0).stdout)

    def test_a_wrong_derivative_is_found(self):
        for seed in range(1, 6):
            with self.subTest(seed=seed):
                self.assertIn("gradient: WRONG", self.check(seed, 5, 1, 3).stdout)


if __name__ == "__main__":
    unittest.main()
