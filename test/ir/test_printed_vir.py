"""VIR of the models of test/posteriordb as text: it reads back as the same text, and every pass leaves what the verifier accepts."""

import re
import tempfile
import unittest

from vmodel_testing import BUILD, SOURCE, VMODELC, run

VIR_OPT = BUILD / "bin" / "vir-opt"
MODELS = sorted((SOURCE / "test" / "posteriordb").glob("*.vmodel"))


def verify(text):
    with tempfile.NamedTemporaryFile("w", suffix=".vir") as file:
        file.write(text)
        file.flush()
        return run([VIR_OPT, "--verify", file.name])


def read_and_print(text):
    with tempfile.NamedTemporaryFile("w", suffix=".vir") as file:
        file.write(text)
        file.flush()
        return run([VIR_OPT, file.name]).stdout


class RoundTrip(unittest.TestCase):
    def test_models(self):
        self.assertGreater(len(MODELS), 15)
        for model in MODELS:
            with self.subTest(model.stem):
                text = run([VMODELC, model, "--emit=vir"]).stdout
                self.assertIn("func @log_density_gradient(", text)
                self.assertEqual(read_and_print(text), text)


class Passes(unittest.TestCase):
    """Shapes of programs: a recurrence, rows, states, families of the file."""

    def test_each_pass_prints_what_verifies(self):
        names = run([VMODELC, SOURCE / "examples" / "eight_schools.vmodel", "--print-after=?"], status=1).stderr
        passes = re.search(r"--print-after takes one of (.*)", names).group(1).split(", ")
        self.assertLessEqual({"lower", "inline", "derivatives", "simplify"}, set(passes))
        for model in ("garch11", "radon_pooled", "hmm_example", "eight_schools_noncentered"):
            for name in passes:
                with self.subTest(model=model, after=name):
                    text = run([VMODELC, SOURCE / "test" / "posteriordb" / f"{model}.vmodel", f"--print-after={name}"]).stdout
                    # A pass that runs several times is printed several times.
                    parts = re.split(rf"^// after {name}\n", text, flags=re.MULTILINE)
                    self.assertEqual(parts[0], "")
                    self.assertGreater(len(parts), 1)
                    for part in parts[1:]:
                        verify(part)


if __name__ == "__main__":
    unittest.main()
