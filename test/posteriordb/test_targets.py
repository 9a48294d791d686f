"""Every model for every instruction set that this machine has: log densities and gradients for one lane and for the target's width.

Each is compared with the original model's as in test_log_density.py; the lanes with each other by what may differ between them, the order of sums
and contraction.
"""

import unittest
from pathlib import Path

import support
from vmodel_testing import compile_model, slow

TARGETS = {"x86-64-v2": 2, "x86-64-v3": 4, "x86-64-v4": 8}
FLAG = {"x86-64-v2": "sse4_2", "x86-64-v3": "avx2", "x86-64-v4": "avx512f"}
QUICK = {"eight_schools-eight_schools_noncentered", "garch-garch11", "low_dim_gauss_mix-low_dim_gauss_mix"}


def flags_of_processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return set(line.split())
    return set()


class Targets(unittest.TestCase):
    """The cases; a class for each posterior is made below."""

    def agree(self, target):
        if FLAG[target] not in flags_of_processor():
            self.skipTest(f"this processor has no {FLAG[target]}")
        executable = compile_model(support.HERE / f"{self.posterior['model']}.vmodel", "--march", target)
        data = support.HERE / self.posterior["data"]
        reference = support.read_json(support.HERE / self.posterior["log_density"])
        one, wide = [], []
        for kind in ("points", "extra_points"):
            at = [point["constrained"] for point in reference[kind]]
            for lanes, results in ((1, one), (TARGETS[target], wide)):
                computed = support.log_density(executable, data, at, "--lanes", lanes)
                self.assertLessEqual(support.compare_pairs(reference[kind], computed)[1], 1, "log densities, in units of the tolerance")
                self.assertLessEqual(support.compare_gradients(reference[kind], computed)[1], 1, "gradients, in units of the tolerance")
                results += computed
        for a, b in zip(one, wide, strict=True):
            x, y = support.number(a["log_density_with_jacobian"]), support.number(b["log_density_with_jacobian"])
            # The sum of the terms' absolute values is at least that of the sum.
            self.assertLessEqual(abs(x - y), 64 * 2.0**-52 * max(abs(x), self.terms(data)), "lanes 1 and more")

    def terms(self, data):
        """A lower bound of the terms' absolute values near the mode: one for each observed number."""
        return len(data.read_text().split(","))

    def test_sse(self):
        self.agree("x86-64-v2")

    def test_avx2(self):
        self.agree("x86-64-v3")

    def test_avx512(self):
        self.agree("x86-64-v4")


@slow
class SlowTargets(Targets):
    """The cases of the other posteriors."""


for chosen, base in ((True, Targets), (False, SlowTargets)):
    support.define_classes(__name__, base, [p for p in support.posteriors() if (p["posterior"] in QUICK) == chosen])
del Targets, SlowTargets, base  # only their subclasses are tests

if __name__ == "__main__":
    unittest.main()
