#!/usr/bin/env python3
"""Rebuilds this folder's points, and the packed data of test/posteriordb/more, from posteriordb's originals.

    python3 generate.py ORIGINALS

ORIGINALS holds index.json, data/, draws/ and log_density/. Standard library only.
"""

import gzip
import json
import re
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MORE = HERE.parent.parent / "test" / "posteriordb" / "more"

# Model: its posterior (data first), as posteriordb names it.
POSTERIORS = {
    "2pl_latent_reg_irt": "fims_Aus_Jpn_irt-2pl_latent_reg_irt",
    "GLMM_Poisson_model": "GLMM_Poisson_data-GLMM_Poisson_model",
    "Mt_model": "Mt_data-Mt_model",
    "bym2_offset_only": "traffic_accident_nyc-bym2_offset_only",
    "diamonds": "diamonds-diamonds",
    "dogs": "dogs-dogs",
    "election88_full": "election88-election88_full",
    "gp_pois_regr": "gp_pois_regr-gp_pois_regr",
    "gp_regr": "gp_pois_regr-gp_regr",
    "hierarchical_gp": "state_wide_presidential_votes-hierarchical_gp",
    "irt_2pl": "irt_2pl-irt_2pl",
    "ldaK2": "three_docs1200-ldaK2",
    "logistic_regression_rhs": "ovarian-logistic_regression_rhs",
    "prophet": "rstan_downloads-prophet",
    "radon_hierarchical_intercept_noncentered": "radon_all-radon_hierarchical_intercept_noncentered",
    "seeds_model": "seeds_data-seeds_model",
    "state_space_stochastic_level_stochastic_seasonal": "uk_drivers-state_space_stochastic_level_stochastic_seasonal",
    "surgical_model": "surgical_data-surgical_model",
    "wells_interaction_model": "wells_data-wells_interaction_model",
}
SIMPLEXES = {("ldaK2", "theta"), ("ldaK2", "phi"), ("hierarchical_gp", "prop_var")}
GOLD = ("diamonds", "gp_regr")  # reference draws hold all parameters
DRAWS = 64


def main(originals):
    for model, posterior in POSTERIORS.items():
        names = re.findall(r"^  (?:noncentered )?param (\w+):", (MORE / f"{model}.vmodel").read_text(), re.M)
        if model in GOLD:
            points = gold(originals, posterior, names)
            source = f"posteriordb's reference draws of {posterior}"
        else:
            # The first two are random, the others states of a short run of Hamiltonian Monte Carlo.
            points = [point["constrained"] for point in json.loads(read(originals / "log_density", posterior))["points"][2:]]
            source = f"states of a short run on {posterior} (posteriordb's log densities)"
        values = {name: [tidy(point[name], (model, name) in SIMPLEXES) for point in points] for name in names}
        data = posterior.split("-")[0]
        head = {"posterior": posterior, "source": source, "data": data_of(originals, data)}
        write(HERE / f"{model}.json", json.dumps(head | {"points": values}) + "\n", 60_000)


def read(folder, name):
    plain = folder / f"{name}.json"
    return plain.read_text() if plain.exists() else gzip.decompress(plain.with_name(plain.name + ".gz").read_bytes())


def write(path, text, largest):
    """A file, packed where it is larger than `largest`; the same text gives the same bytes."""
    packed = path.with_name(path.name + ".gz")
    for old in (path, packed):
        old.unlink(missing_ok=True)
    if len(text) <= largest:
        path.write_text(text)
    else:
        packed.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def data_of(originals, name):
    """The data file relative to test/posteriordb; copied to more/data if it is not there yet."""
    for path in (f"data/{name}.json", f"more/data/{name}.json", f"more/data/{name}.json.gz"):
        if (MORE.parent / path).exists():
            return path
    write(MORE / "data" / f"{name}.json", (originals / "data" / f"{name}.json").read_text(), 60_000)
    return data_of(originals, name)


def gold(originals, posterior, names):
    """As many draws as points are measured, evenly spread over all chains."""
    archive = zipfile.ZipFile(originals / "draws" / f"{posterior}.json.zip")
    chains = json.loads(archive.read(archive.namelist()[0]))
    draws = [{name: values[k] for name, values in chain.items()} for chain in chains for k in range(len(chain[next(iter(chain))]))]
    chosen = [draws[k * len(draws) // DRAWS] for k in range(DRAWS)]

    def nested(draw, name):
        elements = [(int(key[len(name) + 1 : -1]), value) for key, value in draw.items() if key.startswith(f"{name}[")]
        return [value for _, value in sorted(elements)] if elements else draw[name]

    return [{name: nested(draw, name) for name in names} for draw in chosen]


def tidy(value, simplex):
    """Seven significant digits; a simplex keeps its sum."""
    if not isinstance(value, list):
        return float(f"{value:.7g}")
    result = [tidy(x, simplex) for x in value]
    if simplex and not isinstance(result[0], list):
        result[-1] = 1 - sum(result[:-1])
    return result


if __name__ == "__main__":
    main(Path(sys.argv[1]))
