"""The parser survives mutated programs: a few seconds always, a minute with ./dev test --all."""

import tempfile
import unittest

from vmodel_testing import BUILD, SOURCE, run, slow

CORPUS = ["test/fuzz/corpus", "test/syntax", "examples", "test/posteriordb"]


def fuzz(seconds, seed):
    folders = [SOURCE / folder for folder in CORPUS if (SOURCE / folder).exists()]
    with tempfile.TemporaryDirectory() as scratch:
        run([BUILD / "test" / "fuzz" / "parser_fuzzer", "--seconds", str(seconds), "--seed", str(seed), *folders], cwd=scratch)


class ParserFuzz(unittest.TestCase):
    def test_five_seconds(self):
        fuzz(5, seed=1)

    @slow
    def test_a_minute(self):
        fuzz(60, seed=2)
