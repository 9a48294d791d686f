"""Default fits of families with nets by the ELBO: weights that hardly a draw activates must not lead away."""

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


if __name__ == "__main__":
    unittest.main()
