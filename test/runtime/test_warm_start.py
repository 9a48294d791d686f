"""A fit that starts from another fit block of the file."""

import json
import pathlib
import tempfile
import unittest

from vmodel_testing import compile_model, run

DATA = {"N": 6, "x": [-2, -1, 0, 1, 2, 3], "y": [-2.1, -0.8, 0.3, 0.9, 2.2, 2.8]}


class WarmStart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.executable = compile_model("test/runtime/models/warm_start.vmodel")

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.data = self.folder / "data.json"
        self.data.write_text(json.dumps(DATA))
        self.output = self.folder / "out"

    def fit(self, name, start, *options, status=0):
        """`start`: as a flag; None: as the file says."""
        flags = [] if start is None else ["--set", f"start={start}"]
        return run([self.executable, "fit", "--data", self.data, "--output", self.output, "--run", name, *flags, "--quiet", *options], status=status)

    def read(self, path):
        return json.loads((self.output / path).read_text())

    def test_makes_the_other_fit_once(self):
        done = self.fit("Second", None)
        self.assertIn("fit First:\nfamily mean_field, start: laplace\n", done.stdout)
        self.assertIn("family Joint, start: the fit First\n", done.stdout)
        first = (self.output / "First" / "fit.json").read_bytes()
        self.assertEqual(self.read("fit.json")["configuration"]["start"], "First")
        again = self.fit("Second", "First")
        self.assertNotIn("fit First:", again.stdout)
        # A flag goes before the file.
        self.assertNotIn("the fit First", self.fit("Second", "plain").stdout)
        self.fit("Second", None)
        self.assertEqual((self.output / "First" / "fit.json").read_bytes(), first)
        # The full covariance fits better than the independent normals that it began with.
        self.assertGreater(self.read("fit.json")["diagnostics"]["elbo"], self.read("First/fit.json")["diagnostics"]["elbo"])

    def test_same_family_takes_the_learnables(self):
        self.fit("Third", "First", "--steps", 0, "--set", "warm_up=off", "--set", "settle=0")
        self.assertEqual(self.read("fit.json")["state"]["phi"], self.read("First/fit.json")["state"]["phi"])

    def test_errors(self):
        done = self.fit("First", "First", status=1)
        self.assertEqual(done.stderr, "error: a fit starts from itself: First from First\n")
        done = self.fit("Second", "Fourth", status=1)
        self.assertEqual(done.stderr, "error: start = Fourth: expected one of auto, laplace, plain, or a fit of the file: First, Second, Third\n")
        self.fit("Second", "First")
        self.data.write_text(json.dumps({**DATA, "y": [0] * 6}))
        done = self.fit("Second", "First", status=1)
        self.assertEqual(done.stderr, f"error: {self.output}/First/fit.json: it is a fit of other data; remove it, and it is made again\n")


if __name__ == "__main__":
    unittest.main()
