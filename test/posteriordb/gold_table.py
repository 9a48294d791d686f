#!/usr/bin/env python3
"""Writes docs/gold.md: the distance of every fit to the reference draws and to its family's own optimum. Run by hand; takes a while.

    python3 test/posteriordb/gold_table.py [--only MODEL] [--output docs/gold.md]

Each posterior is fitted with the defaults, with each built-in family and three seeds, and 40,000 draws are compared with the summaries in gold/ and with
optimum/.
"""

import argparse
import concurrent.futures
import itertools
import os
import sys
from pathlib import Path

import support

FAMILIES = ("mean_field", "full_rank", "laplace")
SEEDS = (1, 2, 3)
DRAWS = 40_000
HEAD = """# Distance to the gold standard

Fits with the defaults (`EXE fit --family FAMILY --seed 1`, `2` and `3`) compared with two references. Each entry is the worst of all parameters and of the
three seeds. `test/posteriordb/gold_table.py` writes this page, whatever it says.

- **means**: largest |mean - reference mean| / reference sd
- **sds**: smallest and largest sd / reference sd
- **quantiles**: largest |quantile - reference quantile| / reference sd over the 2.5, 5, 25, 50, 75, 95 and 97.5 % quantiles
- **status**: exit status of the fits (2: the fit itself says that it is not to be trusted; 1: no fit)

The Monte-Carlo error of the fits' 40,000 draws is about 0.005 in these units.

## Reference draws of the posterior

10,000 reference draws a posterior, posteriordb's where it has them, otherwise (marked *) those of a Hamiltonian Monte Carlo run
(`test/posteriordb/reference_draws.py`); parameters on their constrained scale. The reference's own Monte-Carlo error is about 0.01. A Gaussian family
cannot reach a skewed posterior: the numbers say how far it is, not only how well the search went.

| posterior | family | means | sds | quantiles | status |
|---|---|---|---|---|---|
"""
OPTIMUM_HEAD = """
## The family's own optimum

The maximum of the ELBO within the family, found with quasi-random draws (`test/posteriordb/optimum.py`), coordinates on the unconstrained scale. This says
how well the search went.

| posterior | family | means | sds | status |
|---|---|---|---|---|
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="one model")
    parser.add_argument("--output", type=Path, default=support.HERE.parent.parent / "docs" / "gold.md")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 1) // 2))
    arguments = parser.parse_args()
    chosen = [p for p in support.posteriors() if arguments.only in (None, p["model"])]
    with concurrent.futures.ProcessPoolExecutor(arguments.jobs) as pool:
        gold_rows, optimum_rows = zip(*pool.map(rows_of, chosen), strict=True)
    text = HEAD + "".join(itertools.chain(*gold_rows)) + OPTIMUM_HEAD + "".join(itertools.chain(*optimum_rows))
    if arguments.only:
        sys.stdout.write(text)
    else:
        arguments.output.write_text(text)


def rows_of(posterior):
    """The rows of a posterior in the two tables."""
    executable = support.executable_of(posterior)
    gold = support.read_json(support.HERE / posterior["gold"])
    gold_rows, optimum_rows = [], []
    for family in FAMILIES:
        optimum = support.optimum_of(posterior, family)
        fits = [support.fit_and_sample(executable, support.HERE / posterior["data"], family, DRAWS, seed) for seed in SEEDS]
        status = ", ".join(str(s) for s in sorted({fit.status for fit in fits}))
        draws = [fit.draws for fit in fits if fit.draws]
        means, low, high, quantiles = worst([distance_to_gold(gold, d) for d in draws])
        name = posterior["posterior"] + ("" if gold["source"].startswith("posteriordb") else " *")
        gold_rows.append(f"| {name} | {family} | {means} | {low} to {high} | {quantiles} | {status} |\n")
        if optimum:
            means, low, high, _ = worst([distance_to_optimum(posterior, optimum, d) for d in draws])
            optimum_rows.append(f"| {posterior['posterior']} | {family} | {means} | {low} to {high} | {status} |\n")
    print(posterior["posterior"], file=sys.stderr, flush=True)
    return gold_rows, optimum_rows


def worst(distances):
    """Of the seeds, as text."""
    if not distances:
        return ("–",) * 4
    return tuple(f"{pick(column):.3f}" for pick, column in zip((max, min, max, max), zip(*distances)))


def distance_to_gold(gold, draws):
    """Largest standardised error of the means, smallest and largest ratio of sds, largest standardised error of the quantiles."""
    errors, ratios, quantile_errors = [], [], []
    for name, reference in gold["summary"].items():
        mean, sd = support.mean_and_sd(draws[name])
        errors.append(abs(mean - reference["mean"]) / reference["sd"])
        ratios.append(sd / reference["sd"])
        got = support.quantiles(draws[name], gold["probabilities"])
        quantile_errors += [abs(a - b) / reference["sd"] for a, b in zip(got, reference["quantiles"], strict=True)]
    return max(errors), min(ratios), max(ratios), max(quantile_errors)


def distance_to_optimum(posterior, optimum, draws):
    """The same without quantiles, for the unconstrained coordinates."""
    errors, ratios = [], []
    for name, columns in support.unconstrained_columns(posterior, draws).items():
        for column, best_mean, best_sd in zip(columns, optimum["mean"][name], optimum["sd"][name], strict=True):
            mean, sd = support.mean_and_sd(column)
            errors.append(abs(mean - best_mean) / best_sd)
            ratios.append(sd / best_sd)
    return max(errors), min(ratios), max(ratios), 0.0


if __name__ == "__main__":
    main()
