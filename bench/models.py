"""The models that are measured: those of test/posteriordb that have a Stan program in stan/, with their data and points."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
from dataclasses import dataclass
from pathlib import Path

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
POSTERIORDB = ROOT / "test" / "posteriordb"
UNPACKED = ROOT / "build" / "bench" / "data"

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
    parameters: list  # name and shape, in the order of the coordinates
    draws: Path  # of test/posteriordb/gold or points/
    program: Path  # .stan, the statement of the model
    tuned: Path | None  # .stan, with what Stan has for speed
    hand: Path | None  # C++ with vector intrinsics

    @property
    def dimension_names(self):
        """The parameters in the order in which all programs take their coordinates."""
        return [parameter["name"] for parameter in self.parameters]

    def points(self, count=POINTS):
        """Points as objects on the constrained scale: draws from the posterior, evenly spread over those that are kept, or mixtures of them."""
        kept = json.loads(read(self.draws))
        if "thinned" in kept:
            columns = kept["thinned"]
            size = min(len(column) for column in columns.values())
            return [{p["name"]: value(columns, p["name"], p["shape"], k * size // count) for p in self.parameters} for k in range(count)]
        size = len(next(iter(kept["points"].values())))
        if size >= count:
            return [{name: values[k * size // count] for name, values in kept["points"].items()} for k in range(count)]
        return mixtures(kept["points"], size, count)


def mixtures(points, size, count):
    """Few points as many: each of them in turn, moved towards the others by a few per cent that are drawn once and for all.

    Supports are convex, so the means lie inside; and near a state of the posterior, where halfway between two may be far out."""
    generator = random.Random(1)
    found = []
    for k in range(count):
        weights = [0.05 * generator.expovariate(1) for _ in range(size)]
        weights[k % size] += 1
        weights = [weight / sum(weights) for weight in weights]
        found.append({name: mean(values, weights) for name, values in points.items()})
    return found


def mean(values, weights):
    """Of numbers, or of lists of the same shape element by element."""
    if isinstance(values[0], list):
        return [mean(elements, weights) for elements in zip(*values)]
    return sum(weight * x for weight, x in zip(weights, values))


def read(path):
    """The text of a file, packed or not."""
    return gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()


def unpacked(path):
    """A data file that programs can read: packed ones are unpacked into the build folder, once."""
    if path.suffix != ".gz":
        return path
    plain = UNPACKED / path.stem
    if not plain.exists() or plain.stat().st_mtime < path.stat().st_mtime:
        UNPACKED.mkdir(parents=True, exist_ok=True)
        partial = plain.with_suffix(f".{os.getpid()}")
        partial.write_text(read(path))
        partial.rename(plain)
    return plain


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
        if CHOSEN.get(name, entry["posterior"]) == entry["posterior"]:
            found[name] = case(name, POSTERIORDB / f"{name}.vmodel", entry["data"], entry["parameters"], POSTERIORDB / entry["gold"])
    for draws in sorted((BENCH / "points").glob("*.json*")):
        name, kept = draws.name.split(".")[0], json.loads(read(draws))
        parameters = [{"name": parameter, "shape": shape(values[0])} for parameter, values in kept["points"].items()]
        found[name] = case(name, POSTERIORDB / "more" / f"{name}.vmodel", kept["data"], parameters, draws)
    for name in wanted:
        if name not in found:
            raise ValueError(f"there is no model {name} to measure; there are {', '.join(sorted(found))}")
    return [found[name] for name in wanted or sorted(found)]


def case(name, source, data, parameters, draws):
    tuned, hand = BENCH / "stan" / "tuned" / f"{name}.stan", BENCH / "hand" / f"{name}.cpp"
    return Case(
        name=name,
        source=source,
        data=unpacked(POSTERIORDB / data),
        parameters=parameters,
        draws=draws,
        program=BENCH / "stan" / f"{name}.stan",
        tuned=tuned if tuned.exists() else None,
        hand=hand if hand.exists() else None,
    )


def shape(value):
    """The extents of nested lists; none of a number."""
    return [len(value), *shape(value[0])] if isinstance(value, list) else []


def flat(value):
    """Nested lists as one list, row-major; a number as a list of one."""
    return list(itertools.chain.from_iterable(map(flat, value))) if isinstance(value, list) else [value]


def write_points(path, points):
    """Unconstrained points as the programs of loop/ read them."""
    lines = [f"{len(points)} {len(points[0])}"] + [" ".join(repr(float(x)) for x in point) for point in points]
    Path(path).write_text("\n".join(lines) + "\n")
