#!/usr/bin/env python3
"""Makes the files of this folder from the originals (README.md here names them and their licences).

    python3 generate.py POSTERIORDB BENCHMARKS

POSTERIORDB holds draws/NAME.json.zip and data/NAME.json; BENCHMARKS the SLCP observations and reference draws of sbibm, and the
published figures of SoftCVI. Needs NumPy.
"""

import csv
import gzip
import json
import re
import sys
import zipfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
METHODS = {"SoftCVI0.75": "softcvi(0.75)", "SoftCVI1": "softcvi(1)", "SNIS-fKL": "snis_forward_kl", "ELBO": "elbo"}
TASKS = {"eight": "eight_schools", "linreg": "linear_regression", "slcp": "slcp", "garch": "garch"}
QUANTITIES = {"logp": "log_q", "pmacc": "mean_accuracy"}


def draws(path, names):
    """The draws of all chains, a column a name; single precision, which is a hundredth of what 10,000 draws resolve."""
    with zipfile.ZipFile(path) as archive:
        chains = json.loads(archive.read(archive.namelist()[0]))
    return np.array([[value for chain in chains for value in chain[name]] for name in names]).T.astype(np.float32)


def slcp(folder):
    with gzip.open(folder / "slcp_reference.csv.gz", "rt") as file:
        rows = np.array([[float(value) for value in row] for row in list(csv.reader(file))[1:]])
    with open(folder / "slcp_obs.csv") as file:
        observations = np.array([[float(value) for value in row] for row in list(csv.reader(file))[1:]])
    reference = np.stack([rows[rows[:, 0] == number, 1:] for number in observations[:, 0]])
    return observations[:, 1:].reshape(-1, 4, 2), reference.astype(np.float32)


def published(folder):
    """Medians and quartiles by task, quantity and method, and the coverage curves."""
    found = {task: {"log_q": {}, "mean_accuracy": {}, "coverage_error": {}, "coverage_curve": {}} for task in TASKS.values()}
    for line in (folder / "softcvi_paperfig_metrics_k-8_negative-proposal.txt").read_text().splitlines():
        kind, task, method = re.match(r"\('(\w+)', '(\w+)'\) (\S+)", line).groups()
        if kind == "coverage":
            found[TASKS[task]]["coverage_error"][METHODS[method]] = float(re.search(r"mean\|diff\|=(\S+)", line).group(1))
        else:
            values = re.search(r"med (\S+) q1 (\S+) q3 (\S+)", line).groups()
            found[TASKS[task]][QUANTITIES[kind]][METHODS[method]] = [float(value) for value in values]
    with open(folder / "softcvi_coverage_minus_nominal_k8_proposal.csv") as file:
        rows = list(csv.DictReader(file))
    for short, task in TASKS.items():
        for name, method in METHODS.items():
            found[task]["coverage_curve"][method] = [float(row[f"{short}:{name}"]) for row in rows]
    return found


def main():
    posteriordb, benchmarks = map(Path, sys.argv[1:])
    theta = [f"theta[{j}]" for j in range(1, 9)]
    eight = draws(posteriordb / "draws" / "eight_schools-eight_schools_noncentered.json.zip", ["mu", "tau", *theta])
    garch = draws(posteriordb / "draws" / "garch-garch11.json.zip", ["mu", "alpha0", "alpha1", "beta1"])
    observations, reference = slcp(benchmarks)
    np.savez_compressed(HERE / "references.npz", eight_schools=eight, garch=garch, slcp=reference, slcp_observations=observations)
    (HERE / "published.json").write_text(json.dumps(published(benchmarks)) + "\n")


if __name__ == "__main__":
    main()
