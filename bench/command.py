"""The command line of bench/run: what is measured in which order, and where the results go."""

from __future__ import annotations

import argparse
import datetime
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
    if options.models == ["report"]:
        results = json.loads((folder / "results.json").read_text())
        write_report(results, install(folder / "peers"), PAGE, PICTURES)
        return 0
    try:
        found = cases(options.models or (QUICK_MODELS if options.quick else ()))
    except ValueError as error:
        print(f"bench: error: {error}", file=sys.stderr)
        return 1
    results, environment = measure(options, folder, found)
    if is_partial(options):
        (folder / "partial.json").write_text(json.dumps(results, indent=1) + "\n")
        write_report(results, environment, folder / "partial" / "benchmarks.md", folder / "partial" / "pictures")
    else:
        (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
        write_report(results, environment, PAGE, PICTURES)
    return 1 if results["failures"] else 0


def is_partial(options):
    """Of some models, or with too few repeats: not what the documentation should show."""
    return bool(options.models) or options.quick


def parse(arguments):
    parser = argparse.ArgumentParser(prog="bench/run", description="Measures VModel beside Stan Math, stanli and NumPyro.")
    parser.add_argument("models", nargs="*", metavar="MODEL", help="only these models; or `parts`, or `report`")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="build folder of VModel (default: build)")
    parser.add_argument("--quick", action="store_true", help="two models and one repeat: does everything work?")
    parser.add_argument("--repeats", type=int, help="pairs of runs of every figure (default 5; --quick: 1)")
    parser.add_argument("--core", type=int, default=machine.default_core(), help="the core that everything timed runs on (default: the last)")
    options, rest = parser.parse_known_args(arguments)
    if rest and options.models[:1] != ["parts"]:
        parser.error(f"unknown argument {rest[0]}")
    options.models += rest
    options.build = options.build.resolve()
    options.repeats = options.repeats or (1 if options.quick else 5)
    return options


def measure(options, folder, found):
    """All measurements as a value for results.json."""
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
    results = {"schema": 1, "date": datetime.date.today().isoformat(), "repeats": options.repeats, "partial": is_partial(options), "core": options.core, "machine": tools.machine}
    results["versions"] = versions(tools)
    results["load_before"] = machine.load()
    say("compiling what measures")
    tools.stanli.compile()
    compile_loop(ROOT / "bench" / "loop" / "usage.cpp", tools.meter)
    # What is compiled now is compiled several at a time; compile times are taken from programs compiled alone.
    programs = [program for case in found for program in (case.program, case.tuned) if program]
    results["stan_compiled_together"] = tools.stan.compile_all(programs, say)
    results["stan_compilations"] = [] if is_partial(options) else compile_times.measure_stan(tools, cases(compile_times.ALONE), say)
    failures = results["failures"] = []

    def attempt(what, measurement, otherwise):
        """A measurement, or `otherwise` where it fails: that is reported, and the others go on."""
        try:
            return measurement()
        except (RuntimeError, OSError, ValueError) as error:
            failures.append(f"{what}: {' '.join(str(error).split())[-300:]}")
            say(failures[-1])
            return otherwise

    def each(what, measurement, chosen=found):
        """The measurement of each model that does not fail."""
        done = []
        for case in chosen:
            say(f"{case.name}: {what}")
            done += attempt(f"{case.name}, {what}", lambda: [measurement(case)], [])
        return done

    results["vmodelc"] = each("compiling", lambda case: compile_times.measure_vmodelc(case, tools))
    results["gradients"] = each("gradients", lambda case: gradients.measure(case, tools, options.repeats, say))
    stepped = [case for case in found if case.name in steps.MODELS][: 1 if options.quick else None]
    results["steps"] = sum(each("steps", lambda case: steps.measure(case, tools, options.repeats, say), stepped), [])
    results["draws"] = attempt("from source to draws", lambda: compile_times.measure_draws(tools, options.repeats, say), {})
    results["fits"] = each("memory of a fit", lambda case: memory.measure_fits(case, tools))
    results["growth"] = [] if is_partial(options) else attempt("growth of memory", lambda: memory.measure_growth(tools, say), [])
    results["load_after"] = machine.load()
    results["minutes"] = (time.monotonic() - begin) / 60
    say("done")
    return results, environment


def versions(tools):
    found = tools.environment.versions()
    wanted = ("httpstan", "stanli", "numpyro", "jax", "jaxlib")
    revision = machine.first_line(["git", "-C", ROOT, "describe", "--always", "--dirty"])
    return {"vmodel": revision, "compiler": machine.compiler_version(), "stanc": tools.stan.version()} | {name: found.get(name) for name in wanted}


def write_report(results, environment, page, pictures):
    """The page, and its pictures, which matplotlib of the peers' environment draws."""
    page.parent.mkdir(parents=True, exist_ok=True)
    pictures.mkdir(parents=True, exist_ok=True)
    page.write_text(report.page(results, pictures.name))
    done = subprocess.run([environment.python, ROOT / "bench" / "pictures.py", pictures], input=json.dumps(report.pictures(results)), text=True)
    if done.returncode != 0:
        raise RuntimeError("the pictures could not be drawn")
    print(f"bench: wrote {page} and {pictures}", file=sys.stderr)
