"""Whole steps of the ELBO: draws, objective, gradients, Adam; VModel beside NumPyro's compiled loop."""

from __future__ import annotations

import agreement
from peers.numpyro import NumPyro
from peers.vmodel import Model
from peers.worker import WorkerError

MODELS = ("diamonds", "eight_schools_noncentered", "garch11", "hmm_example", "kidscore_momiq")
PARTICLES = (8, 64)


def measure(case, tools, repeats, say):
    """Records for results.json, one for each number of particles: seconds a step of both, `repeats` each, in turn."""
    model = Model(tools.compiler.compile(case), case, tools.core)
    points, reference = model.evaluate(case.points(8))
    records = []
    try:
        with NumPyro(tools.environment, case, tools.core, tools.folder) as peer:
            say(f"{case.name}: NumPyro's first step")
            peer.prepare(PARTICLES[0])
            first_step = peer.seconds_since_start()
            found = agreement.compare(reference, peer.densities(points), agreement.limit(case.name))
            for particles in PARTICLES:
                record = {"model": case.name, "particles": particles, "agreement": found, "first_step": first_step, "times": {}}
                records.append(record)
                if not found["agrees"]:
                    record["refused"] = f"NumPyro's model does not agree: density {found['density']}, gradient {found['gradient']}"
                    continue
                peer.prepare(particles)
                peer.step_seconds()  # compiles the loop
                timers = {"vmodel": lambda: model.step_seconds(particles), "numpyro": peer.step_seconds}
                if model.has_statistics():
                    timers["vmodel_plain"] = lambda: model.step_seconds(particles, "--plain")
                for repeat in range(repeats):
                    say(f"{case.name}: steps of {particles} particles, {repeat + 1} of {repeats}")
                    for name in sorted(timers, reverse=repeat % 2 == 0):
                        record["times"].setdefault(name, []).append(timers[name]())
                record["memory_kib"] = peer.memory_kib()
    except (WorkerError, RuntimeError) as error:
        records.append({"model": case.name, "particles": None, "refused": str(error).splitlines()[-1][:200], "times": {}})
    return records
