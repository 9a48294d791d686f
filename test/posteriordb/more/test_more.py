"""The further models compile; where data and references lie here, log densities and gradients agree with the original models'."""

import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))

import support  # noqa: E402
from vmodel_testing import compile_model  # noqa: E402

REFERENCES = {entry["model"]: entry for entry in support.read_json(HERE / "index.json")}


class Further(unittest.TestCase):
    """The cases; a class for each model is made below."""

    def test_compiles(self):
        compile_model(self.path)


class FurtherWithReferences(Further):
    def agree(self, lanes):
        reference = support.read_json(HERE / self.reference["log_density"])["points"]
        points = [point["constrained"] for point in reference]
        computed = support.log_density(compile_model(self.path), HERE / self.reference["data"], points, "--lanes", lanes)
        _, worst = support.compare_pairs(reference, computed)
        self.assertLessEqual(worst, 1, "log densities, in units of the tolerance")
        _, worst = support.compare_gradients(reference, computed)
        self.assertLessEqual(worst, 1, "gradients, in units of the tolerance")

    def test_one_lane(self):
        self.agree(1)

    def test_native_lanes(self):
        self.agree("native")


for _path in sorted(HERE.glob("*.vmodel")):
    _reference = REFERENCES.get(_path.stem)
    support.define_class(__name__, FurtherWithReferences if _reference else Further, _path.stem, path=_path, reference=_reference)
del Further, FurtherWithReferences  # only their subclasses are tests

if __name__ == "__main__":
    unittest.main()
