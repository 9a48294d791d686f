"""Every diagnostic has an entry in docs/diagnostics.md and a test that provokes it."""

import re
import unittest

from vmodel_testing import SOURCE


def codes():
    """Codes of compiler/diagnostics/codes.def, as the user sees them."""
    text = (SOURCE / "compiler/diagnostics/codes.def").read_text()
    return [name.replace("_", "-") for name in re.findall(r"^VMODEL_DIAGNOSTIC\((\w+),", text, re.MULTILINE)]


class Diagnostics(unittest.TestCase):
    def test_codes_are_read(self):
        self.assertTrue(codes())
        self.assertEqual(len(codes()), len(set(codes())), "a code stands twice in codes.def")

    def test_each_has_a_page_entry(self):
        page = (SOURCE / "docs/diagnostics.md").read_text()
        entries = set(re.findall(r"^### `?([\w-]+)`?$", page, re.MULTILINE))
        self.assertEqual(sorted(set(codes()) - entries), [], "without an entry `### code` in docs/diagnostics.md")
        self.assertEqual(sorted(entries - set(codes())), [], "entries of docs/diagnostics.md that no diagnostic has")

    def test_each_is_provoked(self):
        mentioned = set()
        for path in (SOURCE / "test").rglob("*"):
            if path.suffix in (".vmodel", ".vir", ".test", ".py") and path.name != "test_diagnostics.py":
                mentioned |= set(re.findall(r"\[([\w-]+)\]", path.read_text(errors="replace")))
        self.assertEqual(sorted(set(codes()) - mentioned), [], "without a test that mentions [code]")
