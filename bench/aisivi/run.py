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
import references
from experiments import Results, fit_all
from peers.vmodel import Compiler
from progress import write_whole
from references import REFERENCES
from targets import EXAMPLES, ROOT, TARGETS

PAGE = ROOT / "docs" / "aisivi.md"
SEEDS = 5
NAMES = [*TARGETS, *REFERENCES]


@dataclass(frozen=True)
class Case:
    """What the compiler needs to know of a target. Programs of posteriors with reference draws are made of their models, in `folder`."""

    name: str
    folder: Path

    @property
    def source(self):
        if self.name in TARGETS:
            return EXAMPLES / f"{self.name}.vmodel"
        made = self.folder / f"{self.name}.vmodel"
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(made, REFERENCES[self.name].program)
        return made


def work_of(name, executable, options):
    """(run, measure, executable) for all fits of a target, seed after seed."""
    fits = experiment.runs_of(name) if name in TARGETS else references.FITS
    measure = experiment.measure if name in TARGETS else references.measure
    return [[(experiment.Run(name, method, seed, options.steps), measure, executable) for method in fits if method in options.methods] for seed in range(1, options.seeds + 1)]


def parse(arguments):
    parser = argparse.ArgumentParser(prog="./dev bench aisivi", description="Repeats the experiments of the semi-implicit papers.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"only these: {', '.join(NAMES)}; or `page`: write the page again")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="build folder of VModel (default: build)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"seeds of each fit (default {SEEDS})")
    parser.add_argument("--steps", type=int, help="steps of every fit, for a trial; writes no page")
    parser.add_argument("--methods", nargs="+", choices=experiment.METHODS, default=list(experiment.METHODS), help="only these fits")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="fits at a time, each with one thread (default: a core each)")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.targets if name not in (*NAMES, "page")]
    if unknown:
        parser.error(f"no target is called {unknown[0]}")
    return options


def main(arguments):
    options = parse(arguments)
    begin = time.monotonic()

    def say(text):
        print(f"aisivi: {time.monotonic() - begin:5.0f} s  {text}", file=sys.stderr, flush=True)

    folder = options.build.resolve() / "bench" / "aisivi"
    names = [name for name in options.targets if name != "page"] or NAMES
    try:
        compiler = Compiler(options.build.resolve(), folder)
        executables = {name: compiler.compile(Case(name, folder)) for name in names}
    except RuntimeError as error:
        print(f"aisivi: error: {error}", file=sys.stderr)
        return 1
    identities = {name: compiler.identity() + hashlib.sha256(Case(name, folder).source.read_bytes()).hexdigest()[:12] for name in names}
    results = Results(folder / "results.json", identities)
    failures = 0
    if "page" not in options.targets:
        results.value["machine"] = machine.describe()
        results.value["jobs"] = options.jobs
        results.save()
        # Seed after seed, so that a run that is cut off has something of every target.
        by_target = [work_of(name, executables[name], options) for name in names]
        work = [entry for seeds in zip(*by_target) for fits in seeds for entry in fits]
        failures = fit_all(work, results, options.jobs, say)
    whole = set(names) == set(NAMES) and options.steps is None
    target = PAGE if whole else folder / "aisivi.md"
    page.write(results.value, target)
    say(f"wrote {target}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
