"""Time from source to an executable, and from source to draws from the posterior."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import machine
from models import ROOT, cases
from peers.numpyro import NumPyro

REPEATS = 5
# Programs that are compiled while nothing else runs, for Stan's compile time.
ALONE = ("eight_schools_noncentered", "kidscore_momiq")

STANLI_DRAWS = """
import sys, stanli
fit = stanli.Model(stan_file=sys.argv[1], data=sys.argv[2]).sample(seed=1, chains=4, warmup=1000, samples=1000, parallel_chains=1, refresh=0)
print(len(fit["mu"]))
"""


def measure_vmodelc(case, tools, repeats=REPEATS):
    """A record: the best of the repeats, of processor time and by the clock, and of both over LLVM's own share of a compilation on one core.

    LLVM's share is known by the clock only, which on one core is the processor's time."""
    metered, _ = tools.compiler.usage(case, meter=tools.meter)  # reads what the files' cache lacks, too
    runs = [tools.compiler.usage(case) for _ in range(repeats)]
    on_core = [tools.compiler.usage(case, core=tools.core) for _ in range(repeats)]
    fastest, phases = min(runs, key=lambda run: run[0].wall)
    return {
        "model": case.name,
        "cpu": min(used.cpu for used, _ in runs),
        "wall": fastest.wall,
        "memory_kib": metered.memory_kib,
        "phases": phases,
        "over_llvm": [1e3 * used.cpu / phases["LLVM"] for used, phases in on_core],
    }


def measure_stan(case, tools):
    """Stan's compile time of one program, nothing beside it."""
    wall, cpu = tools.stan.compile_alone(case.program)
    return {"model": case.name, "wall": wall, "cpu": cpu}


def measure_draws(tools, repeats, say):
    """Seconds from source to 4000 draws of the eight schools' posterior: {"who": [seconds...]}, all commands included."""
    source, data = ROOT / "examples" / "eight_schools.vmodel", ROOT / "examples" / "eight_schools.json"
    case = cases(["eight_schools_noncentered"])[0]
    found = {"vmodel": [], "stanli": [], "numpyro": []}
    for repeat in range(repeats):
        say(f"from source to draws, {repeat + 1} of {repeats}")
        with tempfile.TemporaryDirectory(dir=tools.folder) as scratch:
            executable, fit = Path(scratch) / "model", Path(scratch) / "fit"
            begin = time.monotonic()
            machine.run([tools.compiler.program, source, "-o", executable])
            machine.run([executable, "fit", "--data", data, "--output", fit, "--seed", "1"])
            machine.run([executable, "sample", "--fit", fit / "fit.json", "--draws", "4000", "--output", fit / "draws.csv"])
            found["vmodel"].append(time.monotonic() - begin)
        found["stanli"].append(machine.run([tools.environment.python, "-c", STANLI_DRAWS, case.program, case.data]).wall)
    found["numpyro"].append(numpyro_draws(tools, case))
    return found


def numpyro_draws(tools, case, particles=64, steps=2000):
    """NumPyro: start, a mean field fitted by as many steps as VModel's default, 4000 draws."""
    with NumPyro(tools.environment, case, None, tools.folder) as peer:
        peer.worker.ask(f"fit {particles} {steps} 4000")
        return peer.seconds_since_start()
