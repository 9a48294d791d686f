"""The command line of bench/run: what is measured in which order, and where the results go."""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import compile_times
import gradients
import machine
import memory
import report
import steps
from models import ROOT, cases
from peers.install import Environment, install
from peers.stan import Stan, Stanli, compile_loop
from peers.vmodel import Compiler
from progress import OutOfTime, Progress

QUICK_MODELS = ("eight_schools_noncentered", "kidscore_momiq")
PAGE = ROOT / "docs" / "benchmarks.md"
PICTURES = ROOT / "docs" / "pictures"


@dataclass
class Tools:
    """What every measurement needs."""

    compiler: Compiler
    environment: Environment
    stan: Stan
    stanli: Stanli
    meter: Path  # the program of loop/usage.cpp
    machine: dict
    core: int
    folder: Path


def main(arguments):
    options = parse(arguments)
    folder = options.build / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    if options.models[:1] == ["parts"]:
        return subprocess.run([options.build / "bin" / "bench-parts", *options.models[1:]]).returncode
    if options.models[:1] in (["softcvi"], ["aisivi"]):
        script = ROOT / "bench" / options.models[0] / "run.py"
        return subprocess.run([install(folder / "peers").python, script, "--build", options.build, *options.models[1:]]).returncode
    if options.models == ["report"]:
        results = json.loads((folder / "results.json").read_text())
        write_report(results, install(folder / "peers"), folder)
        return 0
    try:
        found = cases(options.models or (QUICK_MODELS if options.quick else ()))
        results, environment = measure(options, folder, found)
    except ValueError as error:
        print(f"bench: error: {error}", file=sys.stderr)
        return 1
    write_report(results, environment, folder)
    if not results["finished"]:
        print("bench: not finished; the same command with --resume goes on", file=sys.stderr)
        return 2
    return 1 if results["failures"] else 0


def is_partial(options):
    """Of some models, or with too few repeats: not what the documentation should show."""
    return bool(options.models) or options.quick


def parse(arguments):
    parser = argparse.ArgumentParser(prog="bench/run", description="Measures VModel beside Stan Math, stanli and NumPyro.")
    parser.add_argument("models", nargs="*", metavar="MODEL", help="only these models; or `parts`, `softcvi`, `aisivi`, or `report`")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="build folder of VModel (default: build)")
    parser.add_argument("--quick", action="store_true", help="two models and one repeat: does everything work?")
    parser.add_argument("--repeats", type=int, help="pairs of runs of every figure (default 3; --quick: 1)")
    parser.add_argument("--core", type=int, default=machine.default_core(), help="the core that everything timed runs on (default: the last)")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was cut off")
    parser.add_argument("--minutes", type=float, help="begin no measurement after as many minutes; --resume goes on later")
    options, rest = parser.parse_known_args(arguments)
    if rest and options.models[:1] not in (["parts"], ["softcvi"], ["aisivi"]):
        parser.error(f"unknown argument {rest[0]}")
    options.models += rest
    options.build = options.build.resolve()
    options.repeats = options.repeats or (1 if options.quick else 3)
    return options


def measure(options, folder, found):
    """All measurements as a value for results.json (partial.json of a partial run), which is saved as they come."""
    begin = time.monotonic()

    def say(text):
        print(f"bench: {time.monotonic() - begin:5.0f} s  {text}", file=sys.stderr, flush=True)

    environment = install(folder / "peers")
    tools = Tools(
        compiler=Compiler(options.build, folder / "models"),
        environment=environment,
        stan=Stan(environment, folder / "stan"),
        stanli=Stanli(environment, folder / "stanli"),
        meter=folder / "usage",
        machine=machine.describe(),
        core=options.core,
        folder=folder,
    )
    head = {
        "schema": 2,
        "date": datetime.date.today().isoformat(),
        "repeats": options.repeats,
        "partial": is_partial(options),
        "models": [case.name for case in found],
        "core": options.core,
        "machine": tools.machine,
        "versions": versions(tools),
        "load_before": machine.load(),
    }
    path = folder / ("partial.json" if is_partial(options) else "results.json")
    progress = Progress(path, head, options.resume, options.minutes, say)
    try:
        measure_all(options, tools, found, progress, say)
        progress.results["finished"] = True
        say("done")
    except OutOfTime:
        say("the minutes are over")
    progress.results["load_after"] = machine.load()
    progress.save()
    return progress.results, environment


def measure_all(options, tools, found, progress, say):
    """Everything, what matters most first."""
    results, whole = progress.results, not is_partial(options)
    say("compiling what measures")
    tools.stanli.compile()
    compile_loop(ROOT / "bench" / "loop" / "usage.cpp", tools.meter)
    # What is compiled now is compiled several at a time; compile times are taken from programs compiled alone.
    programs = [program for case in found for program in (case.program, case.tuned) if program]
    results["stan_compiled_together"] |= tools.stan.compile_all(programs, say)
    progress.save()
    progress.each("gradients", "gradients", found, lambda case: gradients.measure(case, tools, options.repeats, say))
    stepped = [case for case in found if case.name in steps.MODELS][: 1 if options.quick else None]
    progress.each("steps", "steps", stepped, lambda case: steps.measure(case, tools, options.repeats, say))
    progress.each("vmodelc", "compiling", found, lambda case: compile_times.measure_vmodelc(case, tools))
    progress.once("draws", "from source to draws", lambda: compile_times.measure_draws(tools, options.repeats, say))
    if whole:
        progress.each("stan_compilations", "compiling with Stan, nothing beside it", cases(compile_times.ALONE), lambda case: compile_times.measure_stan(case, tools))
    progress.each("fits", "memory of a fit", found, lambda case: memory.measure_fits(case, tools))
    if whole:
        progress.once("growth", "growth of memory", lambda: memory.measure_growth(tools, say))


def versions(tools):
    found = tools.environment.versions()
    wanted = ("httpstan", "stanli", "numpyro", "jax", "jaxlib")
    revision = machine.first_line(["git", "-C", ROOT, "describe", "--always", "--dirty"])
    return {"vmodel": revision, "build": tools.compiler.identity(), "programs": programs_identity(), "compiler": machine.compiler_version(), "stanc": tools.stan.version()} | {name: found.get(name) for name in wanted}


def programs_identity():
    """Changes whenever a program of this folder that is measured does."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in ("stan", "hand", "loop", "points") for path in (ROOT / "bench" / folder).rglob("*") if path.is_file()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def write_report(results, environment, folder):
    """The page, and its pictures, which matplotlib of the peers' environment draws; in docs/ only of a whole run."""
    whole = results["finished"] and not results["partial"]
    page, pictures = (PAGE, PICTURES) if whole else (folder / "partial" / "benchmarks.md", folder / "partial" / "pictures")
    page.parent.mkdir(parents=True, exist_ok=True)
    pictures.mkdir(parents=True, exist_ok=True)
    page.write_text(report.page(results, pictures.name))
    done = subprocess.run([environment.python, ROOT / "bench" / "pictures.py", pictures], input=json.dumps(report.pictures(results)), text=True)
    if done.returncode != 0:
        raise RuntimeError("the pictures could not be drawn")
    print(f"bench: wrote {page} and {pictures}", file=sys.stderr)
