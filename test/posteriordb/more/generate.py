#!/usr/bin/env python3
"""Rebuilds data/, log_density/ and index.json of this folder from posteriordb's originals.

    python3 generate.py ORIGINALS

Points of more than 300 dimensions: three of the five, without their unconstrained coordinates. Standard library only.
"""

import gzip
import json
import math
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
POSTERIORS = [
    ("wells_data", "wells_interaction_model"),
    ("radon_mn", "radon_hierarchical_intercept_noncentered"),
    ("seeds_data", "seeds_model"),
    ("surgical_data", "surgical_model"),
    ("dogs", "dogs"),
    ("irt_2pl", "irt_2pl"),
    ("Mt_data", "Mt_model"),
    ("GLMM_Poisson_data", "GLMM_Poisson_model"),
    ("three_docs1200", "ldaK2"),
    ("fims_Aus_Jpn_irt", "2pl_latent_reg_irt"),
    ("uk_drivers", "state_space_stochastic_level_stochastic_seasonal"),
    ("gp_pois_regr", "gp_regr"),
    ("state_wide_presidential_votes", "hierarchical_gp"),
]
SIMPLEXES = {("ldaK2", "theta"), ("ldaK2", "phi")}
MATRICES = {("hierarchical_gp", "GP_region_std"), ("hierarchical_gp", "GP_state_std")}  # column-major in the originals, row-major here
NONCENTERED = {("radon_hierarchical_intercept_noncentered", "alpha_raw"): "alpha"}  # their coordinate: our parameter


def main(originals):
    index = {(e["data_file"].split("/")[1].split(".")[0], e["model"]): e for e in json.loads((originals / "index.json").read_text())}
    entries = []
    for folder in ("data", "log_density"):
        (HERE / folder).mkdir(exist_ok=True)
    for data, model in POSTERIORS:
        name = f"{data}-{model}"
        shared = HERE.parent / "data" / f"{data}.json"
        if not shared.exists():
            shutil.copyfile(originals / "data" / f"{data}.json", HERE / "data" / f"{data}.json")
        points = read(originals / "log_density" / f"{name}.json")["points"]
        wide = len(points[0]["unconstrained"]) > 300
        rewritten = [rewrite(index[data, model], p, wide) for p in (points[::2] if wide else points)]
        (HERE / "log_density" / f"{name}.json").write_text(
            '{"points": [\n' + ",\n".join(" " + json.dumps(p) for p in rewritten) + "\n]}\n")
        entries.append({"posterior": name, "model": model, "log_density": f"log_density/{name}.json",
                        "data": f"../data/{data}.json" if shared.exists() else f"data/{data}.json"})
    (HERE / "index.json").write_text("[\n" + ",\n".join(" " + json.dumps(e) for e in entries) + "\n]\n")


def read(path):
    """A JSON file, packed or not."""
    return json.loads(path.read_text() if path.exists() else gzip.decompress(path.with_name(path.name + ".gz").read_bytes()))


def row_major(values, rows, columns):
    """From the columns one after the other."""
    return [values[j * rows + i] for i in range(rows) for j in range(columns)]


def rewrite(entry, point, wide):
    """A point keyed by parameter name, row-major. `log_density` is left out where it is the density of other parameters than ours."""
    model = entry["model"]
    theirs = entry["params"]
    ours = {q["name"]: NONCENTERED.get((model, q["name"]), q["name"]) for q in theirs}
    result = {"constrained": {name: point["constrained"][name] for name in ours.values()}}
    if all(name == own for name, own in ours.items()):
        result["log_density"] = point["log_density"]
    result["log_density_with_jacobian"] = point["log_density_with_jacobian"]
    for key in ("unconstrained", "gradient_with_jacobian"):
        if key not in point or (wide and key == "unconstrained"):
            continue
        values, position = {}, 0
        for q in theirs:
            shape = list(q["dims"])
            if (model, q["name"]) in SIMPLEXES:
                shape[-1] -= 1  # an array of simplexes: one after the other, as ours
            elif len(shape) > 1 and (model, q["name"]) not in MATRICES:
                raise ValueError(f"{q['name']}: the original's matrices are column-major")
            size = math.prod(shape)
            part = point[key][position:position + size]
            values[ours[q["name"]]] = row_major(part, *shape) if (model, q["name"]) in MATRICES else part
            position += size
        assert position == len(point[key])
        result[key] = values
    return result


if __name__ == "__main__":
    main(Path(sys.argv[1]))
