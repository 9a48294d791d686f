"""What Python tests share: where things are, compiling models, running them.

    import unittest
    from vmodel_testing import compile_model, run, slow

    class Garch(unittest.TestCase):
        def test_log_density(self):
            executable = compile_model("test/posteriordb/garch11.vmodel")
            output = run([executable, "info"]).stdout

Each class runs in a process of its own, in parallel with others; its cases run one after the other.
"""

import fcntl
import hashlib
import os
import pathlib
import subprocess
import unittest

SOURCE = pathlib.Path(os.environ.get("VMODEL_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("VMODEL_BUILD_DIR", SOURCE / "build"))
VMODELC = BUILD / "bin" / "vmodelc"
RUN_SLOW = bool(os.environ.get("VMODEL_ALL"))

slow = unittest.skipUnless(RUN_SLOW, "slow: runs with ./dev test --all")
"""Decorator of a case or class that runs with `./dev test --all` only."""


def run(command, status=0, timeout=600, **keywords):
    """Runs a command and returns the CompletedProcess, with text output.

    `status` is the expected exit status (None: any). Another one raises AssertionError with both
    outputs.
    """
    command = [str(part) for part in command]
    process = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout, **keywords)
    if status is not None and process.returncode != status:
        raise AssertionError(
            f"$ {' '.join(command)}\nstatus {process.returncode}, not {status}\n{process.stdout}{process.stderr}"
        )
    return process


def compiler_identity():
    """Changes whenever vmodelc, the runtime or the standard library change."""
    files = [VMODELC, *sorted(p for p in (BUILD / "lib" / "vmodel").rglob("*") if p.is_file())]
    parts = [f"{path}:{path.stat().st_size}:{path.stat().st_mtime_ns}" for path in files if path.exists()]
    return "\n".join(parts)


def compile_model(path, *options):
    """Compiles a model (path relative to the repository, or absolute) and returns the executable.

    Executables are kept in BUILD/test/models and compiled once for all tests that ask for the same
    model and options; a changed compiler, runtime, library or model leads to a new one.
    """
    path = SOURCE / path
    key = hashlib.sha256(
        "\0".join([str(path), path.read_text(), compiler_identity(), *map(str, options)]).encode()
    ).hexdigest()[:16]
    folder = BUILD / "test" / "models"
    folder.mkdir(parents=True, exist_ok=True)
    executable = folder / f"{path.stem}-{key}"
    with open(folder / f"{path.stem}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want the same model
        if not executable.exists():
            for old in folder.glob(f"{path.stem}-{'[0-9a-f]' * 16}"):
                # Of earlier compilers; those of other options are compiled again when asked for.
                if old.stat().st_mtime < VMODELC.stat().st_mtime:
                    old.unlink()
            run([VMODELC, path, "-o", executable, *options])
    return executable
