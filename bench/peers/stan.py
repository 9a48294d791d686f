"""Stan: stanc, Stan Math and its gradient in a C++ loop; and stanli's library with the same programs."""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import machine
from models import BENCH
from peers.worker import Worker

# As CmdStan builds models with its fastest settings: -O3, the machine's instructions, stanc's optimiser, a precompiled header.
FLAGS = ["-std=c++17", "-O3", "-march=native", "-DNDEBUG", "-DBOOST_DISABLE_ASSERTS", "-DEIGEN_MPL2_ONLY", "-D_REENTRANT", "-w"]
STANC_FLAGS = ["--O1"]
GIB_A_COMPILATION = 2.5


class Stan:
    """The tools of an environment of peers; what is compiled is kept in `folder`."""

    def __init__(self, environment, folder):
        self.root = environment.httpstan
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.compiler = machine.compiler()
        # What the precompiled header depends on, and all that an executable depends on besides its program.
        tools = [*FLAGS, *STANC_FLAGS, machine.compiler_version(), self.version(), str(self.root), machine.describe()["processor"]]
        loop = [(BENCH / "loop" / name).read_text() for name in ("worker.h", "stan_math.cpp")]
        self.toolchain, self.identity = "\0".join(tools), "\0".join([*loop, *tools])

    def version(self):
        return machine.first_line([self.root / "stanc", "--version"])

    def executable(self, program):
        key = hashlib.sha256((self.identity + Path(program).read_text()).encode()).hexdigest()[:12]
        kind = "tuned-" if Path(program).parent.name == "tuned" else ""
        return self.folder / f"{kind}{Path(program).stem}-{key}"

    def precompiled_header(self):
        """A folder to be searched before Stan's own headers. Built once for each set of flags; it has 800 MB, so older ones go."""
        key = hashlib.sha256(self.toolchain.encode()).hexdigest()[:12]
        folder = self.folder / f"header-{key}"
        compiled = folder / "stan" / "model" / "model_header.hpp.gch"
        if not compiled.exists():
            for old in self.folder.glob("header-*"):
                shutil.rmtree(old)
            compiled.parent.mkdir(parents=True, exist_ok=True)
            (compiled.parent / "model_header.hpp").write_text("#include_next <stan/model/model_header.hpp>\n")
            partial = compiled.with_suffix(".part")
            source = self.root / "include" / "stan" / "model" / "model_header.hpp"
            machine.run([self.compiler, *FLAGS, f"-I{self.root}/include", "-x", "c++-header", source, "-o", partial])
            partial.rename(compiled)
        return folder

    def compile(self, program, executable):
        """Compiles one program; returns what stanc and the C++ compiler used together, as (wall, cpu) seconds."""
        header = self.precompiled_header()
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            code, partial = Path(scratch) / "program.hpp", Path(scratch) / "program"
            # stanc names the C++ after the file; any name will do.
            translated = machine.run([self.root / "stanc", *STANC_FLAGS, "--name=program_model", program, "--o", code])
            library = self.root / "lib"
            compiled = machine.run(
                [self.compiler, *FLAGS, f"-I{header}", f"-I{self.root}/include", f"-I{BENCH}/loop", f"-I{scratch}", '-DVMODEL_BENCH_MODEL="program.hpp"']
                + [BENCH / "loop" / "stan_math.cpp", "-o", partial, library / "libtbb.so.2", f"-Wl,-rpath,{library}"]
            )
            partial.rename(executable)
        return translated.wall + compiled.wall, translated.cpu + compiled.cpu

    def compile_all(self, programs, say=lambda text: None):
        """Compiles what is not there yet, several at a time as memory allows. Returns (wall, cpu) by program of what was compiled."""
        missing = [program for program in programs if not self.executable(program).exists()]
        if not missing:
            return {}
        say(f"compiling {len(missing)} Stan programs")
        self.precompiled_header()
        by_memory = int(machine.available_gib() / GIB_A_COMPILATION)
        jobs = max(1, min(len(os.sched_getaffinity(0)), int(os.environ.get("VMODEL_JOBS", 64)), by_memory))
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            times = pool.map(lambda program: self.compile(program, self.executable(program)), missing)
            return dict(zip((str(program.relative_to(BENCH)) for program in missing), times))

    def compile_alone(self, program):
        """(wall, cpu) seconds of compiling one program while nothing else is compiled."""
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            return self.compile(program, Path(scratch) / "model")

    def worker(self, program, data, core):
        return Worker([self.executable(program), data], core, self.folder)


class Stanli:
    """stanli's library, called from C++ so that no interpreter stands between."""

    def __init__(self, environment, folder):
        self.library = environment.stanli_library
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.loop = self.folder / "loop"

    def compile(self):
        compile_loop(BENCH / "loop" / "stanli.cpp", self.loop, "-ldl")

    def worker(self, program, data, core, fast=False):
        return Worker([self.loop, self.library, program, data, "fast" if fast else "exact"], core, self.folder)


def compile_loop(source, executable, *options):
    """Compiles a program that includes loop/worker.h."""
    machine.run([machine.compiler(), "-std=c++20", "-O3", f"-I{BENCH}/loop", source, "-o", executable, *options])
    return executable
