"""The models that are measured: those of test/posteriordb that have a Stan program in stan/, with their data and points."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
POSTERIORDB = ROOT / "test" / "posteriordb"

# Where a model has several data sets, the one that is measured.
CHOSEN = {"radon_pooled": "radon_all-radon_pooled"}

# Points of a throughput measurement: as many as particles.
POINTS = 64


@dataclass
class Case:
    """A model with its data."""

    name: str
    source: Path  # .vmodel
    data: Path
    parameters: list  # of test/posteriordb/index.json: name, shape, map
    draws: Path  # draws from the posterior
    program: Path  # .stan, the statement of the model
    tuned: Path | None  # .stan, with what Stan has for speed
    hand: Path | None  # C++ with vector intrinsics

    @property
    def dimension_names(self):
        """The parameters in the order in which all programs take their coordinates."""
        return [parameter["name"] for parameter in self.parameters]

    def points(self, count=POINTS):
        """Draws from the posterior, evenly spread over those that are kept: objects on the constrained scale."""
        columns = json.loads(self.draws.read_text())["thinned"]
        kept = min(len(column) for column in columns.values())
        count = min(count, kept)
        return [{p["name"]: value(columns, p["name"], p["shape"], k * kept // count) for p in self.parameters} for k in range(count)]


def value(columns, name, shape, draw):
    """One draw of a parameter as nested lists, from columns named theta[1], b[2,1]."""

    def build(prefix, rest):
        if not rest:
            return columns[f"{name}[{','.join(map(str, prefix))}]" if prefix else name][draw]
        return [build((*prefix, k), rest[1:]) for k in range(1, rest[0] + 1)]

    return build((), tuple(shape))


def cases(wanted=()):
    """All cases, or those of the names wanted (ValueError names one that does not exist)."""
    found = {}
    for entry in json.loads((POSTERIORDB / "index.json").read_text()):
        name = entry["model"]
        program = BENCH / "stan" / f"{name}.stan"
        if CHOSEN.get(name, entry["posterior"]) != entry["posterior"] or not program.exists():
            continue
        tuned, hand = BENCH / "stan" / "tuned" / f"{name}.stan", BENCH / "hand" / f"{name}.cpp"
        found[name] = Case(
            name=name,
            source=POSTERIORDB / f"{name}.vmodel",
            data=POSTERIORDB / entry["data"],
            parameters=entry["parameters"],
            draws=POSTERIORDB / entry["gold"],
            program=program,
            tuned=tuned if tuned.exists() else None,
            hand=hand if hand.exists() else None,
        )
    for name in wanted:
        if name not in found:
            raise ValueError(f"there is no model {name} to measure; there are {', '.join(sorted(found))}")
    return [found[name] for name in wanted] if wanted else [found[name] for name in sorted(found)]


def flat(value):
    """Nested lists as one list, row-major; a number as a list of one."""
    return list(itertools.chain.from_iterable(map(flat, value))) if isinstance(value, list) else [value]


def write_points(path, points):
    """Unconstrained points as the programs of loop/ read them."""
    lines = [f"{len(points)} {len(points[0])}"] + [" ".join(repr(float(x)) for x in point) for point in points]
    Path(path).write_text("\n".join(lines) + "\n")
