"""The time of a step of SoftCVI: ours, the same in JAX inside one compiled loop, and the yardstick of the machine."""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from pathlib import Path

import experiment
import machine
from tasks import ROOT, TASKS

METHOD = "softcvi(0.75)"
SEED = 1
REPEATS = 5
SHORTEST = 0.5  # seconds of a timed run
# Nanoseconds of loop/yardstick.cpp on a core with AVX2 at 3 GHz, for which the aims below were set.
YARDSTICK = 0.68
# Microseconds a step on that core.
AIMS = {"eight_schools": 10, "linear_regression": 10, "slcp": 48, "garch": 17}
BENCH = ROOT / "bench"


def measure(executables, core, folder, say):
    """{task: {"vmodel": [seconds a step], "jax": seconds a step, "jax_compile": seconds, "yardstick": nanoseconds}}."""
    yardstick = folder / "yardstick"
    machine.run([machine.compiler(), "-std=c++20", "-O3", "-march=haswell", f"-I{BENCH}", BENCH / "loop" / "yardstick.cpp", "-o", yardstick])
    found = {}
    for name, executable in executables.items():
        say(f"{name}: time of a step")
        with tempfile.TemporaryDirectory() as scratch:
            data = Path(scratch) / "data.json"
            data.write_text(json.dumps(TASKS[name].problem(SEED).data))
            jax = in_jax(name, data, core)
            found[name] = {
                "yardstick": min(float(machine.run([yardstick], core).output) for _ in range(3)),
                "vmodel": [ours(executable, TASKS[name], data, core, scratch) for _ in range(REPEATS)],
                **jax,
            }
    return found


def ours(executable, task, data, core, folder):
    """Seconds of a step, from the trace of a fit long enough."""
    steps = 2000
    while True:
        options = experiment.settings(task, METHOD, steps)
        machine.run([executable, "fit", "--data", data, "--output", folder, "--seed", SEED, "--threads", 1, *options], core, check=False)
        with open(Path(folder) / "trace.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        seconds = float(rows[-1]["seconds"]) - float(rows[0]["seconds"])
        if seconds >= SHORTEST:
            return seconds / (int(rows[-1]["step"]) - int(rows[0]["step"]))
        steps = int(steps * min(100, 1.3 * SHORTEST / max(seconds, 1e-6))) + 1


def in_jax(name, data, core):
    script = Path(__file__).resolve().parent / "jax_steps.py"
    steps = 1000
    while True:
        answer = json.loads(machine.run([sys.executable, script, name, data, steps], core).output.splitlines()[-1])
        if answer["seconds"] >= SHORTEST:
            return {"jax": answer["seconds"] / steps, "jax_compile": answer["compile"]}
        steps = int(steps * min(100, 1.3 * SHORTEST / max(answer["seconds"], 1e-6))) + 1
