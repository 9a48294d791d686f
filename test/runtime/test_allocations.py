"""Steps of a fit allocate nothing."""

import os
import pathlib
import tempfile
import unittest

from vmodel_testing import BUILD, SOURCE, compile_model, run

LIBRARY = BUILD / "test" / "runtime" / "libcount_allocations.so"
POSTERIORS = SOURCE / "test" / "posteriordb"


@unittest.skipUnless(LIBRARY.exists(), "with sanitizers, allocations are theirs")
class Allocations(unittest.TestCase):
    # With so many steps trace.csv has the same number of rows: every second step, every fourth.
    few, many = 20_000, 40_000

    def count(self, model, data, *options):
        executable = compile_model(POSTERIORS / f"{model}.vmodel", "--objectives=softcvi")
        with tempfile.TemporaryDirectory() as scratch:
            counted = pathlib.Path(scratch) / "count"
            command = [executable, "fit", "--data", POSTERIORS / "data" / f"{data}.json", "--output", scratch, "--quiet", *options]
            run(command, status=None, env={**os.environ, "LD_PRELOAD": str(LIBRARY), "COUNT_ALLOCATIONS": str(counted)})
            return int(counted.read_text())

    def assert_no_allocations(self, model, data, *options):
        fixed = ["--set", "start=plain", "--set", "warm_up=off", "--set", "particles=8"]
        counts = [self.count(model, data, *fixed, *options, "--steps", steps) for steps in (self.few, self.many)]
        self.assertGreater(counts[0], 1000, "the counter counts nothing")
        # The lengths of the numbers written differ a little.
        self.assertLess(abs(counts[1] - counts[0]), 200, counts)

    def test_adam(self):
        for family in ("mean_field", "full_rank"):
            for estimator in ("total", "stl"):
                self.assert_no_allocations("eight_schools_noncentered", "eight_schools", "--family", family, "--set", f"estimator={estimator}", "--set", "settle=0")

    def test_threads(self):
        self.assert_no_allocations("eight_schools_noncentered", "eight_schools", "--threads", 2, "--set", "particles=20", "--set", "settle=0")

    def test_competing_particles(self):
        """In one block of lanes and in several, with one thread and two."""
        for objective in ("softcvi", "dreg"):
            for particles, threads in ((8, 1), (20, 2)):
                self.assert_no_allocations(
                    "eight_schools_noncentered", "eight_schools", "--family", "full_rank", "--objective", objective, "--set", f"particles={particles}", "--threads", threads
                )

    def test_last_phase(self):
        counts = []
        for steps, settle in ((0, self.few), (0, self.many)):
            counts.append(self.count("garch11", "garch", "--steps", steps, "--set", f"settle={settle}", "--set", "particles=8", "--set", "estimator=total"))
        self.assertLess(abs(counts[1] - counts[0]), 200, counts)


if __name__ == "__main__":
    unittest.main()
