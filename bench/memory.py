"""Peak memory of a fit, and how it grows with data, particles and threads."""

from __future__ import annotations

import dataclasses
import json
import random
import tempfile
from pathlib import Path

from models import cases
from peers.vmodel import PLAIN_FIT, Model

STEPS = 50


def measure_fits(case, tools):
    """Peak memory and time of a fit with 64 particles, from the start that needs no search: bounded for large models, too."""
    model = Model(tools.compiler.compile(case), case)
    with tempfile.TemporaryDirectory(dir=tools.folder) as folder:
        used = model.fit(folder, "--family", "mean_field", "--steps", "200", settings=(*PLAIN_FIT, "particles=64"), meter=tools.meter)
    return {"model": case.name, "memory_kib": used.memory_kib, "seconds": used.wall}


# Observations, particles, threads.
GROWTH = ((434, 64, 1), (43_400, 64, 1), (434_000, 64, 1), (434, 4096, 1), (434, 64, 4), (434_000, 64, 4))


def measure_growth(tools, say):
    """Peak memory of kidscore_momiq's fit for sizes of data, particles and threads; the larger data are made up."""
    case = cases(["kidscore_momiq"])[0]
    executable = tools.compiler.compile(case)
    records = []
    for observations, particles, threads in GROWTH:
        say(f"memory: {observations} observations, {particles} particles, {threads} threads")
        with tempfile.TemporaryDirectory(dir=tools.folder) as folder:
            data = Path(folder) / "data.json"
            data.write_text(json.dumps(made_up(observations)))
            model = Model(executable, dataclasses.replace(case, data=data))
            options = ("--family", "mean_field", "--steps", str(STEPS), "--threads", str(threads))
            used = model.fit(Path(folder) / "fit", *options, settings=(*PLAIN_FIT, f"particles={particles}"), meter=tools.meter)
            records.append(
                {"observations": observations, "particles": particles, "threads": threads, "memory_kib": used.memory_kib, "data_kib": data.stat().st_size // 1024}
            )
    return records


def made_up(observations):
    generator = random.Random(1)
    iq = [round(generator.gauss(100, 15), 3) for _ in range(observations)]
    return {"N": observations, "kid_score": [round(26 + 0.6 * x + generator.gauss(0, 18), 2) for x in iq], "mom_iq": iq}
