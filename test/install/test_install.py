"""The installed tree can be moved, and needs nothing of the toolchain."""

import os
import pathlib
import re
import shutil
import tempfile
import unittest

from vmodel_testing import BUILD, SOURCE, run

# Shared libraries that every Debian machine has.
ALLOWED = {
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libgcc_s.so.1",
    "libm.so.6",
    "libmvec.so.1",
    "libstdc++.so.6",
}
SANITIZED = bool(re.search(r"^VMODEL_SANITIZE:\w+=.+", (BUILD / "CMakeCache.txt").read_text(), re.MULTILINE))


def needed(path):
    """Shared libraries that a program names."""
    text = run(["/usr/lib/llvm-19/bin/llvm-readelf", "--needed-libs", path]).stdout
    return {line.strip() for line in text.splitlines() if ".so" in line}


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = pathlib.Path(tempfile.mkdtemp(prefix="vmodel-install-"))
        run(["cmake", "--install", BUILD, "--prefix", cls.scratch / "first"])
        cls.tree = cls.scratch / "moved" / "tree"
        cls.tree.parent.mkdir()
        (cls.scratch / "first").rename(cls.tree)
        cls.compiler = cls.tree / "bin" / "vmodelc"
        # No program of the toolchain can be found, and nothing of the build tree is named.
        cls.environment = {"PATH": str(cls.scratch / "nothing"), "LC_ALL": "C"}

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.scratch)

    def compile(self):
        executable = self.scratch / "eight_schools"
        run(
            [self.compiler, SOURCE / "examples" / "eight_schools.vmodel", "-o", executable],
            env=self.environment,
            cwd=self.scratch,
        )
        return executable

    def test_tree_has_its_parts(self):
        for name in ("bin/vmodelc", "lib/vmodel/model-runtime", "share/doc/vmodel/README.md"):
            self.assertTrue((self.tree / name).exists(), f"{name} is missing")

    @unittest.skipIf(SANITIZED, "sanitizers bring libraries of their own")
    def test_programs_need_common_libraries_only(self):
        for path in (self.compiler, self.tree / "lib/vmodel/model-runtime"):
            self.assertLessEqual(needed(path), ALLOWED, path.name)

    def test_moved_compiler_makes_an_executable(self):
        executable = self.compile()
        self.assertTrue(os.access(executable, os.X_OK))
        run([executable, "info"], env=self.environment, cwd=self.scratch)

    def test_executable_runs_without_the_tree(self):
        executable = self.compile()
        hidden = self.tree.with_name("hidden")
        self.tree.rename(hidden)
        try:
            run([executable, "info"], env=self.environment, cwd=self.scratch)
        finally:
            hidden.rename(self.tree)
