"""What the tests of the standard library share: building models and evaluating densities at points."""

import atexit
import concurrent.futures
import functools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

SOURCE = pathlib.Path(os.environ.get("VMODEL_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("VMODEL_BUILD_DIR", SOURCE / "build"))
COMPILER = BUILD / "bin" / "vmodelc"
TABLES = SOURCE / "test" / "tables"


@functools.lru_cache(maxsize=None)
def scratch():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="vmodel-stdlib-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def run(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(str(c) for c in command)}\nended with {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def build(name, text):
    """Compiles a model; the path of the executable."""
    source, executable = scratch() / f"{name}.vmodel", scratch() / name
    source.write_text(text)
    run([COMPILER, source, "-o", executable])
    return executable


def build_all(texts):
    """Compiles models given by name, a few at once."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        return dict(zip(texts, pool.map(lambda item: build(*item), texts.items())))


def write_json(name, value):
    path = scratch() / name
    path.write_text(json.dumps(value))
    return path


def number(value):
    """A number of a result or a table, where infinities are strings."""
    return float("nan") if value is None else float(value)


def evaluate(executable, data, points, lanes="1", tag="points"):
    """(value, {parameter: gradient}) of the log density at each point."""
    unique = f"{executable.name}-{tag}-{lanes}"
    output = json.loads(run([executable, "log-density", "--data", write_json(f"{unique}-data.json", data),
                             "--at", write_json(f"{unique}-points.json", points), "--lanes", lanes]))
    return [(number(point["log_density"]), point["gradient_with_jacobian"]) for point in output]
