"""Source files that are no programs at all, through vmodelc."""

import json
import pathlib
import subprocess
import tempfile
import unittest

from vmodel_testing import VMODELC


def compile_bytes(data, *options):
    """Runs vmodelc --emit=ast on a file with these bytes; returns status and stderr."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.vmodel"
        path.write_bytes(data)
        process = subprocess.run([VMODELC, path, "--emit=ast", *options], capture_output=True, timeout=60)
    return process.returncode, process.stderr.decode(errors="replace")


class Sources(unittest.TestCase):
    def refused(self, data, code):
        status, text = compile_bytes(data)
        self.assertEqual(status, 1, text)
        self.assertIn(code, text)
        return text

    def test_bytes_that_are_not_utf8(self):
        self.refused(b"model M { // \xff\n}", "[invalid-utf8]")
        self.refused(b"model M { // \xed\xa0\x80\n}", "[invalid-utf8]")
        self.refused(b"model M { // \xc0\x80\n}", "[invalid-utf8]")
        self.refused(b"model M { // \xe2\x82", "[invalid-utf8]")

    def test_zero_byte(self):
        self.refused(b"model M {\0}", "[invalid-utf8]")

    def test_utf8_in_comments_and_strings(self):
        status, text = compile_bytes('model M { // äöü 中 \U0001f600\n require a, "größer"; }'.encode())
        self.assertEqual((status, text), (0, ""))

    def test_nesting(self):
        for opening in (b"(", b"[", b"f(", b"-", b"2^", b"a + ", b"a ? b : "):
            self.refused(b"model M { let x = " + opening * 100000 + b"1; }", "[nesting-too-deep]")
        self.refused(b"model M { " + b"for i in 1:2 { " * 100000, "[nesting-too-deep]")

    def test_size(self):
        self.refused(b"// comment\n" * 500000, "[source-too-large]")

    def test_missing_file(self):
        process = subprocess.run([VMODELC, "/nonexistent/model.vmodel", "--emit=ast"], capture_output=True, text=True, timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assertIn("No such file or directory", process.stderr)
        self.assertIn("[file-not-readable]", process.stderr)

    def test_folder(self):
        process = subprocess.run([VMODELC, "/", "--emit=ast"], capture_output=True, text=True, timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assertIn("[file-not-readable]", process.stderr)

    def test_json(self):
        status, text = compile_bytes(b"model M {\n  let a = (1;\n}\n", "--diagnostics-format=json")
        self.assertEqual(status, 1)
        (diagnostic,) = json.loads(text)
        self.assertEqual(diagnostic["code"], "unclosed-bracket")
        self.assertEqual(diagnostic["severity"], "error")
        self.assertEqual(diagnostic["range"]["start"], {"line": 2, "column": 13, "offset": 22})
        self.assertEqual(diagnostic["range"]["end"], {"line": 2, "column": 14, "offset": 23})
        self.assertEqual(diagnostic["labels"][0]["message"], "'(' opened here")

    def test_json_without_diagnostics(self):
        status, text = compile_bytes(b"model M { }", "--diagnostics-format=json")
        self.assertEqual((status, json.loads(text)), (0, []))
