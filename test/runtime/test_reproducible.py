"""The same seed gives the same bytes of fits, traces and draws for 1, 2 and 4 threads and for a repeated run; another seed gives others."""

import pathlib
import tempfile
import unittest

from vmodel_testing import SOURCE, compile_model, run

FOLDER = SOURCE / "test" / "posteriordb"


class Reproducible:
    """`particles` is no multiple of any number of lanes, so that the last block is padded."""

    family = "mean_field"
    particles = 37

    def draws(self, folder, threads, seed):
        executable = compile_model(FOLDER / f"{self.model}.vmodel")
        data = FOLDER / "data" / f"{self.data}.json"
        fit = [executable, "fit", "--data", data, "--output", folder, "--family", self.family, "--seed", seed, "--threads", threads]
        # The fit is far from its end (status 2), which is no matter here.
        run([*fit, "--steps", 60, "--set", f"particles={self.particles}"], status=None)
        run([executable, "sample", "--fit", folder / "fit.json", "--draws", 101, "--output", folder / "draws.csv", "--data", data, "--seed", seed])
        # A trace tells the time, in its second column.
        trace = [line.split(",") for line in (folder / "trace.csv").read_text().splitlines()]
        return (folder / "draws.csv").read_bytes(), (folder / "fit.json").read_bytes(), [[row[0], *row[2:]] for row in trace]

    def test_threads_and_repetition(self):
        with tempfile.TemporaryDirectory() as scratch:
            seen = [self.draws(pathlib.Path(scratch) / str(k), threads, 3) for k, threads in enumerate((1, 2, 4, 1))]
            other = self.draws(pathlib.Path(scratch) / "other", 1, 4)
        for k in (1, 2, 3):
            self.assertEqual(seen[k], seen[0])
        for k in range(3):
            self.assertNotEqual(other[k], seen[0][k])


class EightSchools(Reproducible, unittest.TestCase):
    model, data, family = "eight_schools_noncentered", "eight_schools", "full_rank"


class Garch(Reproducible, unittest.TestCase):
    """A recurrence with a workspace."""

    model, data = "garch11", "garch"


class Radon(Reproducible, unittest.TestCase):
    """Sums over many rows."""

    model, data = "radon_pooled", "radon_mn"


class HiddenMarkov(Reproducible, unittest.TestCase):
    """Simplexes, and sums over states."""

    model, data, family = "hmm_example", "hmm_example", "full_rank"


if __name__ == "__main__":
    unittest.main()
