"""Gradients a second: VModel with 64 particles and with one, Stan Math, stanli, and code written by hand."""

from __future__ import annotations

import contextlib

import agreement
import aims
from models import BENCH, POINTS
from peers.stan import compile_loop
from peers.vmodel import Model
from peers.worker import Worker, WorkerError

HAND_FLAGS = ("-mavx2", "-mfma", "-ffp-contract=fast")
# The instructions that the code written by hand uses; VModel is compiled for them as well to be compared with it.
HAND_MARCH = "--march=x86-64-v3"


def measure(case, tools, repeats, say):
    """A record for results.json: nanoseconds a gradient of every program, `repeats` each, taken in turn."""
    model = Model(tools.compiler.compile(case), case, tools.core)
    points, reference = model.evaluate(case.points())
    record = {"model": case.name, "dimension": len(points[0]), "agreement": {}, "refused": {}, "times": {}, "tuned": case.tuned is not None}
    record["agreement"]["vmodel"] = agreement.compare(reference, model.with_statistics(), agreement.limit(case.name))
    with contextlib.ExitStack() as stack:
        timers = dict(own_timers(model, reference))
        for name, start in peers(case, tools).items():
            try:
                peer = stack.enter_context(start())
                found = agreement.compare(reference, peer.densities(points), agreement.limit(case.name))
            except WorkerError as error:
                record["refused"][name] = str(error).splitlines()[0][:200]
                continue
            record["agreement"][name] = found
            if found["agrees"]:
                timers[name] = peer.time
            else:
                record["refused"][name] = f"does not agree: density {found['density']}, gradient {found['gradient']}"
        if can_run_avx2(tools) and ("hand" in timers or aims.known_ratio(case.name)):
            narrow = Model(tools.compiler.compile(case, HAND_MARCH), case, tools.core)
            narrow.at = model.at
            timers["vmodel_avx2"] = lambda: time(narrow, reference, POINTS, "--plain")
        for repeat in range(repeats):
            say(f"{case.name}: gradients, {repeat + 1} of {repeats}")
            order = list(timers) if repeat % 2 == 0 else list(reversed(timers))
            for name in order:
                try:
                    record["times"].setdefault(name, []).append(timers[name]())
                except RuntimeError as error:
                    # This column is lost, the others are not.
                    record["refused"][name] = str(error).splitlines()[-1][:200]
                    del timers[name], record["times"][name]
    return record


def can_run_avx2(tools):
    return {"avx2", "fma"} <= set(tools.machine["vector_units"])


def own_timers(model, reference):
    """VModel's columns, each without and with sufficient statistics."""
    return {
        name: lambda particles=particles, options=options: time(model, reference, particles, *options)
        for name, particles, options in (
            ("vmodel_plain", POINTS, ("--plain",)),
            ("vmodel", POINTS, ()),
            ("vmodel_one_plain", 1, ("--lanes", "1", "--plain")),
            ("vmodel_one", 1, ("--lanes", "1")),
        )
    }


def peers(case, tools):
    """How each peer is started. A tuned program stands beside the plain one where Stan has something better."""
    found = {"stan": lambda: tools.stan.worker(case.program, case.data, tools.core)}
    if case.tuned:
        found["stan_tuned"] = lambda: tools.stan.worker(case.tuned, case.data, tools.core)
    found["stanli"] = lambda: tools.stanli.worker(case.program, case.data, tools.core)
    if case.tuned:
        found["stanli_tuned"] = lambda: tools.stanli.worker(case.tuned, case.data, tools.core)
    found["stanli_fast"] = lambda: fastest_stanli(case, tools)
    if case.hand and can_run_avx2(tools):
        found["hand"] = lambda: hand_worker(case, tools)
    return found


def fastest_stanli(case, tools):
    """stanli in its fast mode, with the tuned program unless that uses what stanli does not have."""
    if case.tuned:
        worker = tools.stanli.worker(case.tuned, case.data, tools.core, fast=True)
        try:
            worker.ask("memory")
            return worker
        except WorkerError:
            worker.close()
    return tools.stanli.worker(case.program, case.data, tools.core, fast=True)


def hand_worker(case, tools):
    executable = tools.folder / f"hand-{case.name}"
    compile_loop(case.hand, executable, *HAND_FLAGS, f"-I{BENCH}/hand")
    return Worker([executable, case.data], tools.core, tools.folder)


def time(model, reference, particles, *options):
    """Nanoseconds a particle by the command `benchmark`, whose kernels must give what `log-density` gave."""
    answer = model.benchmark(particles, *options)
    expected, size = agreement.checksum(reference, particles)
    if not abs(float(answer["checksum"]) - expected) <= agreement.limit(model.case.name) * size:
        raise RuntimeError(f"{model.case.name}: benchmark {options} has the checksum {answer['checksum']}, not {expected}")
    return answer["ns_per_particle_gradient"]
