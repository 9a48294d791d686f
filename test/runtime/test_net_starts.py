"""Default fits of families with nets by the ELBO: weights that hardly a draw activates must not lead away, flows begin at the posterior's place and scale."""

import json
import pathlib
import tempfile
import unittest

from vmodel_testing import compile_model, run


class Nets(unittest.TestCase):
    def test_default_fits(self):
        # Both families hold independent normals, whose ELBO is -7.02 (standard error 0.02); weights without a unit ended at -17 and below -2000.
        executable = compile_model("test/runtime/models/nets.vmodel")
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "data.json").write_text(json.dumps({"y": [1, 2, 3]}))
            for family in ("Masked", "Coupled"):
                for seed in (1, 2):
                    run([executable, "fit", "--data", folder / "data.json", "--output", folder, "--family", family, "--seed", seed, "--quiet"])
                    value = json.loads((folder / "fit.json").read_text())["diagnostics"]["elbo"]
                    self.assertGreater(value, -7.2, f"{family}, seed {seed}")
                    self.assertLess(value, -6.9, f"{family}, seed {seed}")

    def test_far_and_narrow(self):
        # The log of the evidence is 0. Splines that had to move and to narrow their base themselves ended at -67 (standard error 29).
        executable = compile_model("test/runtime/models/narrow.vmodel")
        with tempfile.TemporaryDirectory() as name:
            for family in ("Splines", "Triangle"):
                run([executable, "fit", "--output", name, "--family", family, "--steps", "20", "--set", "settle=0", "--quiet"])
                found = json.loads((pathlib.Path(name) / "fit.json").read_text())["diagnostics"]
                self.assertEqual(found["start"], "maximum likelihood of Laplace draws")
                # KL(q, p) of a good start: the moments of 512 points and more have errors of 1 / sqrt(512), half their squares' sum for six of them is 0.006.
                self.assertGreater(found["elbo"] + 4 * found["elbo_standard_error"], -0.02, family)
                self.assertLess(found["elbo"] - 4 * found["elbo_standard_error"], 0, family)


if __name__ == "__main__":
    unittest.main()
