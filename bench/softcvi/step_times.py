"""The time of a step of SoftCVI: ours, the same in JAX inside one compiled loop, and the yardstick of the machine."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import experiment
import machine
from peers.vmodel import step_times
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
            model = experiment.model_of(executable, TASKS[name].problem(SEED).data, scratch, core)
            found[name] = {
                "yardstick": min(float(machine.run([yardstick], core).output) for _ in range(3)),
                "vmodel": [ours(model, TASKS[name]) for _ in range(REPEATS)],
                **in_jax(name, model.case.data, core),
            }
    return found


def ours(model, task):
    """Seconds of a step, from the trace of a fit long enough."""

    def run(steps):
        with tempfile.TemporaryDirectory() as folder:
            model.fit(folder, "--seed", SEED, "--threads", 1, *experiment.settings(task, METHOD, steps))
            return step_times(folder)

    return machine.long_enough(run, 2000, SHORTEST)[0]


def in_jax(name, data, core):
    script = Path(__file__).resolve().parent / "jax_steps.py"
    answer = {}

    def run(steps):
        answer.update(json.loads(machine.run([sys.executable, script, name, data, steps], core).output.splitlines()[-1]))
        return answer["seconds"], steps

    seconds, _ = machine.long_enough(run, 1000, SHORTEST)
    return {"jax": seconds, "jax_compile": answer["compile"]}
