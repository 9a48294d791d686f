"""NaN and infinity survive optimisation, for one lane and for several (for single operations: test/codegen)."""

import json
import math
import pathlib
import tempfile
import unittest

from vmodel_testing import compile_model, run

# The choice `t`, the log density at 0 and at 1.5, and the gradients there where the density is finite.
EXPECTED = [
    (0, (0.0, 1.5), (1.0, 1.0)),
    (1, ("-inf", -1 / 1.5), (None, 1 / 1.5**2)),
    (2, ("inf", 1 / 1.5), (None, -1 / 1.5**2)),
    (3, ("nan", 0.0), (None, 0.0)),
    (4, ("nan", 1.0), (None, 0.0)),
    (5, ("nan", 0.0), (None, 0.0)),
    (6, (0.0, math.log(1.5) ** 2), (3.0, 2 * math.log(1.5) / 1.5)),
]


class NotFinite(unittest.TestCase):
    def test_survives(self):
        executable = compile_model("test/runtime/models/not_finite.vmodel")
        with tempfile.TemporaryDirectory() as scratch:
            data, at = pathlib.Path(scratch) / "data.json", pathlib.Path(scratch) / "at.json"
            at.write_text('[{"x": 0}, {"x": 1.5}]')
            for t, values, gradients in EXPECTED:
                data.write_text(json.dumps({"t": t}))
                for lanes in ("1", "native"):
                    points = json.loads(run([executable, "log-density", "--data", data, "--at", at, "--lanes", lanes]).stdout)
                    for point, value, gradient in zip(points, values, gradients, strict=True):
                        with self.subTest(t=t, lanes=lanes, x=point["unconstrained"]["x"]):
                            self.assertEqual(*self.rounded(point["log_density"], value))
                            if gradient is not None:
                                self.assertEqual(*self.rounded(point["gradient_with_jacobian"]["x"][0], gradient))

    def test_an_elbo_that_is_no_number_is_explained(self):
        # Of 4096 draws 5.5 are expected beyond the wall; 0.3 % of the steps of two particles are skipped.
        executable = compile_model("test/runtime/models/wall.vmodel")
        with tempfile.TemporaryDirectory() as scratch:
            done = run([executable, "fit", "--output", scratch, "--set", "particles=2"])
            self.assertRegex(done.stderr, r"note: the ELBO is not a number, since the density at \d+ of 4096 draws is not finite\n")
            self.assertIn("ELBO nan", done.stdout)

    def test_an_impossible_observation_is_found(self):
        # Zero is in the data's support and a point without density of a lognormal distribution.
        executable = compile_model("test/runtime/models/impossible.vmodel")
        with tempfile.TemporaryDirectory() as scratch:
            data = pathlib.Path(scratch) / "data.json"
            data.write_text('{"N": 3, "y": [1, 0, 2]}')
            done = run([executable, "fit", "--data", data, "--output", scratch, "--steps", "20"], status=2)
            self.assertIn("the objective at the result is not finite (4096 of 4096 draws); `check` with the same data says what has no density", done.stderr)
            done = run([executable, "check", "--data", data], status=2)
            self.assertIn("observed y[2] has log density -inf (lognormal at ", done.stdout)

    def test_unbounded_and_improper_posteriors_are_not_to_be_relied_on(self):
        executable = compile_model("test/runtime/models/no_noise.vmodel")
        # All of y equal: the residuals of the least-squares fit are those of rounding. No data: every value is as good as another.
        cases = [
            ({"N": 20, "x": [n / 7 for n in range(20)], "y": [3.0] * 20}, "varies by rounding alone: the density may be unbounded"),
            ({"N": 1, "x": [0.5], "y": [1.0]}, "the posterior may be improper"),
        ]
        with tempfile.TemporaryDirectory() as scratch:
            for values, problem in cases:
                data = pathlib.Path(scratch) / "data.json"
                data.write_text(json.dumps(values))
                done = run([executable, "fit", "--data", data, "--output", scratch, "--seed", "1", "--quiet"], status=2)
                self.assertIn(problem, done.stderr)

    @staticmethod
    def rounded(*values):
        """Numbers to 15 digits: products may be fused."""
        return [value if isinstance(value, str) else float(f"{value:.14e}") for value in values]


if __name__ == "__main__":
    unittest.main()
