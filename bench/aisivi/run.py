"""`./dev bench aisivi`: seeds x fits on the targets of the semi-implicit papers, beside Gaussians and flows.

Runs in the peers' environment (NumPy, Matplotlib). Results are saved after every fit into build/bench/aisivi/results.json and are
kept there for the same executables, so that a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import experiment
import machine
import page
from experiments import Results, fit_all
from peers.vmodel import Compiler
from targets import EXAMPLES, ROOT, TARGETS

PAGE = ROOT / "docs" / "aisivi.md"
SEEDS = 5


@dataclass(frozen=True)
class Case:
    """What the compiler needs to know of a target."""

    name: str

    @property
    def source(self):
        return EXAMPLES / f"{self.name}.vmodel"


def parse(arguments):
    parser = argparse.ArgumentParser(prog="./dev bench aisivi", description="Repeats the experiments of the semi-implicit papers.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"only these: {', '.join(TARGETS)}; or `page`: write the page again")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="build folder of VModel (default: build)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"seeds of each fit (default {SEEDS})")
    parser.add_argument("--steps", type=int, help="steps of every fit, for a trial; writes no page")
    parser.add_argument("--methods", nargs="+", choices=experiment.METHODS, default=list(experiment.METHODS), help="only these fits")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="fits at a time, each with one thread (default: a core each)")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.targets if name not in (*TARGETS, "page")]
    if unknown:
        parser.error(f"no target is called {unknown[0]}")
    return options


def main(arguments):
    options = parse(arguments)
    begin = time.monotonic()

    def say(text):
        print(f"aisivi: {time.monotonic() - begin:5.0f} s  {text}", file=sys.stderr, flush=True)

    folder = options.build.resolve() / "bench" / "aisivi"
    names = [name for name in options.targets if name != "page"] or list(TARGETS)
    try:
        compiler = Compiler(options.build.resolve(), folder)
        executables = {name: compiler.compile(Case(name)) for name in names}
    except RuntimeError as error:
        print(f"aisivi: error: {error}", file=sys.stderr)
        return 1
    identities = {name: compiler.identity() + hashlib.sha256(Case(name).source.read_bytes()).hexdigest()[:12] for name in names}
    results = Results(folder / "results.json", identities)
    failures = 0
    if "page" not in options.targets:
        results.value["machine"] = machine.describe()
        results.value["jobs"] = options.jobs
        results.save()
        work = [
            (experiment.Run(target, method, seed, options.steps), experiment.measure, executables[target])
            for seed in range(1, options.seeds + 1)
            for target in names
            for method in experiment.runs_of(target)
            if method in options.methods
        ]
        failures = fit_all(work, results, options.jobs, say)
    whole = set(names) == set(TARGETS) and options.steps is None
    target = PAGE if whole else folder / "aisivi.md"
    page.write(results.value, target)
    say(f"wrote {target}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
