"""Runs every code block of README.md, docs/tutorial.md, docs/language.md and of other pages in docs/.

The conventions are described in CONTRIBUTING.md, "Code in the documentation". Each page is a test
class, each block a case named after its line. The blocks of a page run in order in one temporary
folder.
"""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

from vmodel_testing import BUILD, SOURCE, VMODELC

# In these pages every block must carry a tag. In other pages only those blocks run that are tagged.
STRICT = ["README.md", "docs/tutorial.md", "docs/language.md"]
KNOWN = {"vmodel", "vmodel-part", "console", "json", "text"}
NEVER_RUN = {"text"}

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>```+)(?P<info>[^`]*)$")
PREAMBLE = re.compile(r"<!-- preamble(?: (?P<name>[\w-]+))?\n(?P<text>.*?)-->|<!-- preamble (?P<reuse>[\w-]+) -->", re.DOTALL)


class Block:
    """A fenced code block: line, tag, options of its info string, text, and preamble if it has one."""

    def __init__(self, line, info, text, preamble):
        words = shlex.split(info)
        self.line = line
        self.tag = words[0] if words else ""
        self.options = words[1:]
        self.text = text
        self.preamble = preamble

    def option(self, name):
        """Value of `name=value`."""
        return next((word[len(name) + 1 :] for word in self.options if word.startswith(name + "=")), None)

    @property
    def expected_error(self):
        """The code after the word `expect-error`."""
        if "expect-error" not in self.options:
            return None
        return self.options[self.options.index("expect-error") + 1]


def blocks_of(text):
    """All fenced blocks of a page, in order."""
    preambles = {m["name"]: m["text"] for m in PREAMBLE.finditer(text) if m["name"]}
    lines = text.splitlines()
    result, number, before = [], 0, []
    while number < len(lines):
        match = FENCE.match(lines[number])
        if not match:
            before.append(lines[number])
            number += 1
            continue
        start, body, indent = number + 1, [], len(match["indent"])
        number += 1
        while number < len(lines) and lines[number].strip() != match["ticks"]:
            body.append(lines[number][indent:])
            number += 1
        number += 1
        preamble = None
        between = "\n".join(before).rstrip()
        for found in PREAMBLE.finditer(between):
            if found.end() == len(between):  # directly before the block
                preamble = preambles.get(found["reuse"], "") if found["reuse"] else found["text"]
        result.append(Block(start, match["info"].strip(), "\n".join(body) + "\n", preamble))
        before = []
    return result


def complete(block):
    """The program that is compiled: a line `...` of the preamble is where the block goes."""
    if block.preamble is None:
        return block.text
    before, found, after = block.preamble.partition("\n...\n")
    return before + "\n" + block.text + (after if found else "")


def matches(expected, actual):
    """Whether output fits what the page shows: `...` alone on a line is any lines, inside one any text."""
    pattern = ""
    for line in expected:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*?".join(re.escape(part) for part in re.split(r"\.\.\.", line.rstrip())) + "[ \t]*\n"
    return re.fullmatch(pattern, actual if actual.endswith("\n") or not actual else actual + "\n") is not None


def commands_of(text):
    """Pairs (command, expected lines) of a console block."""
    result = []
    continued = False
    for line in text.splitlines():
        if continued:
            result[-1][0] += "\n" + line
        elif line.startswith("$ "):
            result.append([line[2:], []])
        elif result:
            result[-1][1].append(line)
        else:
            raise AssertionError("a console block starts with a line `$ command`")
        continued = (continued or line.startswith("$ ")) and line.endswith("\\")
    return result


class Page(unittest.TestCase):
    """Base of the classes that are made below, one for each page."""

    path = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="vmodel-docs-")
        # What a reader has before them in the root of the repository.
        for name, target in (("build", BUILD), ("examples", SOURCE / "examples"), ("test", SOURCE / "test")):
            os.symlink(target, os.path.join(cls.folder, name))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def compile(self, block):
        name = block.option("file") or f"line_{block.line}.vmodel"
        path = pathlib.Path(self.folder, name)
        path.write_text(complete(block))
        process = subprocess.run(
            [VMODELC, name, "-o", f"line_{block.line}"], cwd=self.folder, capture_output=True, text=True, timeout=120
        )
        output = process.stdout + process.stderr
        shown = f"{self.path}:{block.line}\n{complete(block)}\n{output}"
        if block.expected_error:
            self.assertEqual(process.returncode, 1, f"this block must be refused\n{shown}")
            self.assertIn(f"[{block.expected_error}]", output, shown)
        else:
            self.assertEqual(process.returncode, 0, shown)

    def converse(self, block):
        environment = dict(os.environ, PATH=f"{BUILD / 'bin'}:{os.environ['PATH']}", LC_ALL="C")
        commands = commands_of(block.text)
        for number, (command, expected) in enumerate(commands):
            process = subprocess.run(
                ["bash", "-o", "pipefail", "-c", command],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=600,
            )
            wanted = int(block.option("exit") or 0) if number == len(commands) - 1 else 0
            shown = f"{self.path}:{block.line}: $ {command}\n{process.stdout}"
            self.assertEqual(process.returncode, wanted, shown)
            if expected:
                self.assertTrue(matches(expected, process.stdout), "the page shows\n" + "\n".join(expected) + f"\nbut {shown}")

    def check(self, block):
        if block.tag in ("vmodel", "vmodel-part"):
            if block.tag == "vmodel-part":
                self.assertIsNotNone(block.preamble, f"{self.path}:{block.line}: no preamble comment before this part")
            self.compile(block)
        elif block.tag == "console":
            self.converse(block)
        elif block.tag == "json":
            json.loads(block.text)
            if block.option("file"):
                pathlib.Path(self.folder, block.option("file")).write_text(block.text)


def make_case(block):
    return lambda self: self.check(block)


def make_page(name):
    """A test class with one case for each block of the page."""
    members = {"path": name, "__module__": __name__}
    untagged = []
    for block in blocks_of((SOURCE / name).read_text()):
        if block.tag not in KNOWN and name in STRICT:
            untagged.append(f"{name}:{block.line}: tag {block.tag!r}; blocks that are not run are tagged `text`")
        if block.tag in KNOWN - NEVER_RUN:
            members[f"test_line_{block.line:05d}_{block.tag.replace('-', '_')}"] = make_case(block)
    members["test_every_block_is_tagged"] = lambda self: self.assertEqual(untagged, [])
    return type("Page_" + re.sub(r"\W", "_", name), (Page,), members)


def pages():
    names = [name for name in STRICT if (SOURCE / name).exists()]
    return names + sorted(
        path.relative_to(SOURCE).as_posix() for path in (SOURCE / "docs").rglob("*.md") if path.relative_to(SOURCE).as_posix() not in STRICT
    )


for page in pages():
    globals()[f"Page_{re.sub(chr(92) + 'W', '_', page)}"] = make_page(page)


class Conventions(unittest.TestCase):
    """The tools of this file."""

    def test_pages_exist(self):
        for name in STRICT:
            self.assertTrue((SOURCE / name).exists(), f"{name} is missing")

    def test_dots_match_text_and_lines(self):
        self.assertTrue(matches(["a ... c", "...", "end"], "a b c\nx\ny\nend\n"))
        self.assertTrue(matches(["..."], ""))
        self.assertFalse(matches(["a"], "a\nb\n"))

    def test_part_goes_into_its_preamble(self):
        [block] = blocks_of("<!-- preamble\nmodel M {\n...\n}\n-->\n```vmodel-part\nx\n```\n")
        self.assertEqual(complete(block).split(), ["model", "M", "{", "x", "}"])

    def test_preamble_by_name(self):
        blocks = blocks_of("<!-- preamble p\nA\n-->\n```vmodel-part\nx\n```\n\n<!-- preamble p -->\n```vmodel-part\ny\n```\n")
        self.assertEqual([complete(block).split() for block in blocks], [["A", "x"], ["A", "y"]])

    def test_commands_with_continuation(self):
        self.assertEqual(commands_of("$ a \\\n  b\nout\n$ c\n"), [["a \\\n  b", ["out"]], ["c", []]])
