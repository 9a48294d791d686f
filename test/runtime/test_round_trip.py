"""What families map from bases, forward and back: residuals and condition numbers, at the start and after training."""

import json
import math
import pathlib
import re
import tempfile
import unittest

from vmodel_testing import SOURCE, compile_model, run, slow

LIMIT = 1e-10
LINE = re.compile(r"maps of family (\w+) forward and back, (at its start|at the fit): residual (\S+), condition number (\S+?)(;.*)?$", re.M)


class Trips(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def check(self, executable, data, *options, status=0):
        """By name of family: residual, condition number, what more is said."""
        done = run([executable, "check", *(["--data", data] if data else []), *options], status=status)
        self.errors = done.stderr
        return {m[1]: (float(m[3]), float(m[4]), m[5] or "") for m in LINE.finditer(done.stdout)}

    def fit(self, executable, data, *options):
        done = run([executable, "fit", "--data", data, "--output", self.folder / "fit", "--seed", 1, "--quiet", *options], status=None)
        self.assertIn(done.returncode, (0, 2), done.stderr)
        return done, json.loads((self.folder / "fit" / "fit.json").read_text())["diagnostics"]

    def train(self, example, data, steps):
        executable = compile_model(SOURCE / "examples" / f"{example}.vmodel")
        done, diagnostics = self.fit(executable, SOURCE / data, "--steps", steps)
        start, result = diagnostics["round_trip_at_start"], diagnostics["round_trip_at_result"]
        for trip in (start, result):
            self.assertLessEqual(trip["residual"], LIMIT)
            self.assertGreater(trip["residual"], 0)
            self.assertGreater(trip["condition"], 1)
        self.assertNotEqual(start, result)
        self.assertRegex(done.stdout, r"maps forward and back: at the start residual \S+, condition number \S+; at the result residual")
        # The command tells the same of the fit that is stored.
        (residual, condition, more), = self.check(executable, None, "--fit", self.folder / "fit" / "fit.json").values()
        self.assertEqual(more, "")
        self.assertAlmostEqual(residual / result["residual"], 1, delta=0.06)
        self.assertAlmostEqual(condition / result["condition"], 1, delta=0.006)


class Examples(Trips):
    def test_eight_schools(self):
        self.train("flows/eight_schools", "examples/eight_schools.json", 300)

    def test_slcp(self):
        self.train("softcvi/slcp", "examples/softcvi/slcp.json", 300)

    @slow
    def test_trained(self):
        for example, data in (("flows/eight_schools", "examples/eight_schools.json"), ("flows/seeds", "examples/flows/seeds.json"), ("softcvi/slcp", "examples/softcvi/slcp.json")):
            with self.subTest(example):
                self.train(example, data, 20000)


class Maps(Trips):
    @classmethod
    def setUpClass(cls):
        cls.executable = compile_model("test/runtime/models/maps.vmodel")

    def data(self, n=4, far=1e8):
        path = self.folder / "data.json"
        path.write_text(json.dumps({"N": n, "far": far}))
        return path

    def test_families_with_maps_alone(self):
        found = self.check(self.executable, self.data(), status=2)
        self.assertEqual(set(found), {"Sheared", "Far", "Walk", "Wrong", "Flows"})

    def test_condition_of_a_matrix(self):
        residual, condition, _ = self.check(self.executable, self.data(), status=2)["Sheared"]
        # Nearly the quotient of the singular values of [[1, 0], [3, 1]], which draws in the worst direction have.
        worst = (3 + math.sqrt(13)) ** 2 / 4
        self.assertLess(residual, 1e-14)
        self.assertLess(condition, worst * 1.001)
        self.assertGreater(condition, 0.95 * worst)

    def test_residual_that_rounding_explains(self):
        residual, condition, more = self.check(self.executable, self.data(), status=2)["Far"]
        self.assertGreater(residual, 1e-9)
        self.assertLess(residual, 1e-7)
        self.assertAlmostEqual(condition / 1e8, 1, delta=0.01)
        self.assertIn("above in a, the limit is 1e-10", more)
        done, _ = self.fit(self.executable, self.data(), "--family", "Far", "--steps", 20)
        self.assertIn("note: the maps of a and their inverses are apart: residual", done.stderr)
        self.assertNotIn("their inverses are apart: residual", "".join(line for line in done.stderr.splitlines() if "relied" in line))

    def test_elements_one_after_the_other(self):
        for n in (1, 4):
            residual, condition, _ = self.check(self.executable, self.data(n), status=2)["Walk"]
            self.assertLess(residual, 1e-11)
            # Of b[n]: |10 b[n - 1] + x| against |x|, a few hundred; were events differentiated together, 1e4 and more.
            self.assertLess(condition, 1e4 if n > 1 else 50)

    def test_flows(self):
        residual, condition, _ = self.check(self.executable, self.data(), status=2)["Flows"]
        self.assertLess(residual, 1e-12)
        self.assertLess(condition, 1e3)

    def test_wrong_inverse(self):
        residual, _, more = self.check(self.executable, self.data(), status=2)["Wrong"]
        self.assertAlmostEqual(residual, 1e-3, delta=1e-4)
        self.assertIn("WRONG in b", more)
        self.assertIn("not to be relied on: maps and their inverses are further apart than rounding can be", self.errors)
        done, _ = self.fit(self.executable, self.data(), "--family", "Wrong", "--steps", 20)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"not to be relied on: the maps of b and their inverses are apart: residual 0.00\S+, .* more than rounding can be")


class Below(Trips):
    """Maps below others: joint ones, of what is mixed over, of proposals."""

    @classmethod
    def setUpClass(cls):
        cls.executable = compile_model("test/runtime/models/mixed_maps.vmodel")

    def setUp(self):
        super().setUp()
        self.data = self.folder / "data.json"
        self.data.write_text('{"N": 3}')
        self.found = self.check(self.executable, self.data, status=2)

    def test_right_ones(self):
        for family in ("Joint", "Sheared", "Bent", "Library", "Context"):
            residual, _, more = self.found[family]
            self.assertLess(residual, 1e-12, family)
            self.assertEqual(more, "", family)
        # |100 + x| of the joint ones. The triangle shear(3) has 10.9 as the square of its greatest singular value.
        self.assertAlmostEqual(self.found["Joint"][1] / 102, 1, delta=0.03)
        self.assertLess(self.found["Sheared"][1], (3 + math.sqrt(13)) ** 2 / 4 * 1.001)
        # The base is hardly wider than its locations, which differ from draw to draw: nearly all directions are met.
        self.assertGreater(self.found["Sheared"][1], 0.95 * (3 + math.sqrt(13)) ** 2 / 4)
        # The proposal of the library begins as the precision's factor sqrt(1 + (0.95 / 0.3)^2) with a mean.
        self.assertGreater(self.found["Library"][1], math.sqrt(1 + (0.95 / 0.3) ** 2))

    def test_wrong_ones(self):
        for family, residual, place in (("JointWrong", 0.002, "b"), ("MixWrong", 0.001, "e"), ("ProposalWrong", 0.003, "proposal.e"), ("BentWrong", 0.004, "proposal.e")):
            self.assertAlmostEqual(self.found[family][0], residual, delta=residual * 0.01)
            self.assertIn(f"WRONG in {place},", self.found[family][2])

    def test_fit_of_a_proposal(self):
        done, diagnostics = self.fit(self.executable, self.data, "--family", "Library", "--steps", 20)
        self.assertLess(diagnostics["round_trip_at_result"]["residual"], LIMIT)
        self.assertNotEqual(diagnostics["round_trip_at_result"], diagnostics["round_trip_at_start"])
        done, _ = self.fit(self.executable, self.data, "--family", "ProposalWrong", "--steps", 20)
        self.assertEqual(done.returncode, 2)
        self.assertIn("the maps of proposal.e and their inverses are apart", done.stderr)


if __name__ == "__main__":
    unittest.main()
