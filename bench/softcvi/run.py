"""`./dev bench softcvi`: seeds x objectives on the tasks of the SoftCVI paper, and the time of a step beside the same step in JAX.

Runs in the peers' environment (NumPy, JAX, Matplotlib). Results are saved after every fit into build/bench/softcvi/results.json and are
kept there for the same executables, so that a run that was cut off goes on. `./dev bench softcvi additive_nets` fits the nets of the paper, which
takes hours, and has a page of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import experiment
import machine
import nets
import page
import step_times
from experiments import Results, fit_all
from peers.vmodel import Compiler
from progress import write_whole
from tasks import METHODS, ROOT, STEPS, TASKS

PAGE = ROOT / "docs" / "softcvi.md"
SEEDS = 50


def parse(arguments):
    parser = argparse.ArgumentParser(prog="./dev bench softcvi", description="Repeats the experiments of the SoftCVI paper.")
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"only these: {', '.join(TASKS)}; {nets.NAME}; or `page`: write the page again")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="build folder of VModel (default: build)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"seeds of each task and objective (default {SEEDS}; of {nets.NAME} at most {nets.SEEDS})")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"steps of a fit (default {STEPS}); fewer write no page")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="only these objectives")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="fits at a time, each with one thread (default: a core each)")
    parser.add_argument("--core", type=int, default=machine.default_core(), help="the core that steps are timed on (default: the last)")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.tasks if name not in (*TASKS, nets.NAME, "page")]
    if unknown:
        parser.error(f"no task is called {unknown[0]}")
    return options


def case_of(name):
    """Name and source of a task, as the compiler wants them."""
    return nets.CASE if name == nets.NAME else TASKS[name]


def compile_models(compiler, names):
    """Executables by name of task."""
    objectives = ",".join(sorted({objective for objective, _ in METHODS.values()}))
    return {name: compiler.compile(case_of(name), f"--objectives={objectives}") for name in names}


def identities(compiler, names):
    """What changes by name of task whenever its results may."""
    return {name: compiler.identity() + hashlib.sha256(case_of(name).source.read_bytes()).hexdigest()[:12] for name in names}


def fits_wanted(options, executables):
    """(run, what measures it, executable) of all fits, as `fit_all` takes them."""
    wanted = [
        experiment.Run(task, method, seed, options.steps)
        for seed in range(1, options.seeds + 1)
        for task in executables
        if task != nets.NAME
        for method in options.methods
    ]
    wanted_nets = [
        nets.Run(width, method, seed, nets.LENGTHS[-1] * options.steps // STEPS)
        for seed in range(1, min(options.seeds, nets.SEEDS) + 1)
        if nets.NAME in executables
        for width in nets.WIDTHS
        for method in options.methods
    ]
    return [(run, experiment.measure, executables[run.task]) for run in wanted] + [(run, nets.measure, executables[nets.NAME]) for run in wanted_nets]


def main(arguments):
    options = parse(arguments)
    begin = time.monotonic()

    def say(text):
        print(f"softcvi: {time.monotonic() - begin:5.0f} s  {text}", file=sys.stderr, flush=True)

    folder = options.build.resolve() / "bench" / "softcvi"
    names = [name for name in options.tasks if name != "page"] or list(TASKS)
    try:
        compiler = Compiler(options.build.resolve(), folder)
        executables = compile_models(compiler, names)
    except RuntimeError as error:
        print(f"softcvi: error: {error}", file=sys.stderr)
        return 1
    results = Results(folder / "results.json", identities(compiler, names))
    failures = 0
    if "page" not in options.tasks:
        results.value["machine"] = machine.describe()
        results.value["jobs"] = options.jobs
        timed = {name: executable for name, executable in executables.items() if name in TASKS}
        results.value.setdefault("steps", {}).update(step_times.measure(timed, options.core, folder, say))
        results.save()
        fits = time.monotonic()
        failures = fit_all(fits_wanted(options, executables), results, options.jobs, say)
        if nets.NAME not in names:
            results.value["fit_seconds"] = results.value.get("fit_seconds", 0) + time.monotonic() - fits
        results.save()
    whole = options.steps == STEPS and options.methods == list(METHODS)
    if set(names) & set(TASKS):
        target = PAGE if whole and set(TASKS) <= set(names) else folder / "softcvi.md"
        page.write(results.value, target)
        say(f"wrote {target}")
    if nets.NAME in names:
        target = (PAGE.parent if whole else folder) / f"{nets.NAME}.md"
        write_whole(target, nets.page(results.value))
        say(f"wrote {target}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
