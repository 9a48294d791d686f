"""VModel: compiles a model and runs the commands of its executable."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import tempfile
from pathlib import Path

import machine
from models import flat

# A step of an optimiser and nothing else: no search for a start, no preconditioner, no averages.
PLAIN_FIT = ("start=plain", "precondition=off", "warm_up=off", "settle=0", "average=0", "estimator=total")


class Compiler:
    """bin/vmodelc of a build folder; executables go to `folder`."""

    def __init__(self, build, folder):
        self.program = Path(build) / "bin" / "vmodelc"
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def identity(self):
        """Changes whenever the compiler or the runtime that it links do."""
        runtime = self.program.parent.parent / "lib" / "vmodel"
        digest = hashlib.sha256()
        for path in [self.program, *sorted(path for path in runtime.rglob("*") if path.is_file())]:
            digest.update(path.read_bytes())
        return digest.hexdigest()[:12]

    def compile(self, case, *options):
        """The executable's path. Compiled anew every time: it takes less than a second."""
        executable = self.folder / "-".join([case.name, *(re.sub(r"\W+", "_", option.strip("-")) for option in options)])
        machine.run([self.program, case.source, "-o", executable, *options])
        return executable

    def usage(self, case, meter=None, core=None):
        """Time and memory of one compilation, and the milliseconds of its phases as --time tells them; on one core they are its processor's."""
        with tempfile.TemporaryDirectory() as folder:
            used = machine.run([self.program, case.source, "-o", Path(folder) / "model", "--time"], meter=meter, core=core)
        return used, phases(used.errors + used.output)


def phases(text):
    """Milliseconds by phase from the table that --time prints: `parse  0.8  0 %`."""
    return {name: float(ms) for name, ms in re.findall(r"^(\S+) +([0-9.]+) +\d+ %$", text, re.M)}


class Model:
    """An executable with data."""

    def __init__(self, executable, case, core=None):
        self.executable, self.case, self.core = Path(executable), case, core
        self.at = None  # points on the constrained scale

    def command(self, name, *options):
        return machine.run([self.executable, name, "--data", self.case.data, *options], core=self.core).output

    def evaluate(self, points):
        """Unconstrained coordinates, and (log density with Jacobian, gradient), at points on the constrained scale.

        By the kernels without sufficient statistics: sums over the data, as every peer's (agreement.py says why)."""
        self.at = self.executable.with_name(self.executable.name + ".points.json")
        self.at.write_text(json.dumps(points))
        answers = json.loads(self.command("log-density", "--plain", "--at", self.at))
        return [self.coordinates(answer["unconstrained"]) for answer in answers], self.densities_of(answers)

    def with_statistics(self):
        """(log density with Jacobian, gradient) at the points last evaluated, by the kernels that fits run."""
        return self.densities_of(json.loads(self.command("log-density", "--at", self.at)))

    def densities_of(self, answers):
        return [(float(a["log_density_with_jacobian"]), self.coordinates(a["gradient_with_jacobian"])) for a in answers]

    def coordinates(self, values):
        return [float(x) for name in self.case.dimension_names for x in flat(values[name])]

    def benchmark(self, particles, *options):
        """What the command `benchmark` prints, at the points last evaluated."""
        return json.loads(self.command("benchmark", "--particles", str(particles), "--at", self.at, *options))

    def has_statistics(self):
        """Whether the executable has sufficient statistics, which `--plain` does without."""
        return self.benchmark(1)["sufficient_statistics"]

    def fit(self, output, *options, settings=(), meter=None):
        """Time and memory of a fit (its exit status may be 2: only its speed is of interest)."""
        given = [part for setting in settings for part in ("--set", setting)]
        command = [self.executable, "fit", "--data", self.case.data, "--output", output, *options, *given]
        used = machine.run(command, core=self.core, check=False, meter=meter)
        if used.status not in (0, 2):
            raise RuntimeError(f"$ {' '.join(map(str, command))}\n{used.errors}")
        return used

    def step_seconds(self, particles, *more, shortest=0.5):
        """Seconds of one step of mean-field ELBO, from the trace of a fit that takes at least `shortest` seconds of steps; `more` options of `fit`.

        Raises RuntimeError where more than one step in a hundred was skipped: a skipped step is not a whole one."""

        def run(steps):
            with tempfile.TemporaryDirectory() as folder:
                options = ("--family", "mean_field", "--steps", str(steps), *more)
                self.fit(folder, *options, settings=(*PLAIN_FIT, f"particles={particles}"))
                return step_times(folder)

        return machine.long_enough(run, 200, shortest)[0]


def step_times(folder):
    """(seconds, steps that they hold) from the trace of the fit in a folder; RuntimeError where more than one step in a hundred was skipped."""
    with open(Path(folder) / "trace.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    first, last = rows[0], rows[-1]
    if int(last["skipped"]) > 0.01 * int(last["step"]):
        raise RuntimeError(f"{last['skipped']} of {last['step']} steps were skipped")
    return float(last["seconds"]) - float(first["seconds"]), int(last["step"]) - int(first["step"])
