"""The tools with which the other tests run."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

from vmodel_testing import SOURCE

sys.path.insert(0, str(SOURCE / "test"))
import run as runner  # noqa: E402


class CheckError(unittest.TestCase):
    """check_error.py against a compiler that always gives one error in line 2."""

    def check(self, model, status=1):
        with tempfile.TemporaryDirectory() as scratch:
            compiler = pathlib.Path(scratch, "compiler")
            compiler.write_text(f'#!/bin/sh\necho "$1:2:3: error: no prior for x [missing-prior]" >&2\nexit {status}\n')
            compiler.chmod(0o755)
            file = pathlib.Path(scratch, "model.vmodel")
            file.write_text(model)
            command = [sys.executable, SOURCE / "test/tools/check_error.py", "--vmodelc", compiler, file]
            return subprocess.run(command, capture_output=True, text=True)

    def test_announced_diagnostic_passes(self):
        self.assertEqual(self.check("model M {\n  param x;\n  //! error: no prior [missing-prior]\n}\n").returncode, 0)

    def test_wrong_line_fails(self):
        self.assertEqual(self.check("model M {\n  param x;\n}\n  //! error: no prior [missing-prior]\n").returncode, 1)

    def test_other_code_fails(self):
        process = self.check("model M {\n  param x;\n  //! error: no prior [other]\n}\n")
        self.assertEqual(process.returncode, 1)
        self.assertIn("announced, but not given", process.stdout)
        self.assertIn("given, but not announced", process.stdout)

    def test_crash_fails(self):
        process = self.check("model M {\n  param x;\n  //! error: no prior [missing-prior]\n}\n", status=139)
        self.assertIn("status 139", process.stdout)

    def test_file_without_announcement_fails(self):
        self.assertEqual(self.check("model M {\n}\n").returncode, 1)


class Runner(unittest.TestCase):
    """test/run.py"""

    def test_last_line(self):
        passed, failed, skipped = (runner.Result("x", s) for s in ("passed", "failed", "skipped"))
        self.assertEqual(runner.count([passed, passed, failed]), "2 passed, 1 failed")
        self.assertEqual(runner.count([passed, skipped]), "1 passed, 0 failed, 1 skipped")

    def test_slow_names(self):
        self.assertTrue(runner.is_slow_unit_case("A.LongSlow"))
        self.assertTrue(runner.is_slow_unit_case("I/P.LongSlow/3"))
        self.assertFalse(runner.is_slow_unit_case("A.SlowStart"))

    def test_output_of_a_case(self):
        text = "[ RUN      ] A.B\nreason\n[  FAILED  ] A.B (0 ms)\n[ RUN      ] A.C\n[       OK ] A.C (0 ms)\n"
        self.assertEqual(runner.case_outputs(text), {"A.B": "reason\n", "A.C": ""})
