#!/usr/bin/env python3
"""Writes docs/gold.md: the distance of every fit to the reference draws, whatever it is. Run by hand; takes a while.

    python3 test/posteriordb/gold_table.py [--only MODEL] [--output docs/gold.md]

Each model with reference draws is fitted with the defaults, with each built-in family and three seeds, and 40,000 draws are compared with the
summaries in gold/.
"""

import argparse
import concurrent.futures
import os
import sys
from pathlib import Path

import support

FAMILIES = ("mean_field", "full_rank", "laplace")
SEEDS = (1, 2, 3)
DRAWS = 40_000
HEAD = """# Distance to the gold standard

Fits with the defaults (`EXE fit --family FAMILY --seed 1`, `2` and `3`) against posteriordb's reference draws (10,000 a model). Each entry is the worst of all
parameters on their constrained scale and of the three seeds; sd is that of the reference draws.

- **means**: largest |mean - reference mean| / sd
- **sds**: smallest and largest sd / reference sd
- **quantiles**: largest |quantile - reference quantile| / sd over the 2.5, 5, 25, 50, 75, 95 and 97.5 % quantiles
- **status**: exit status of the fits (2: the fit itself says that it is not to be trusted; 1: no fit)

The reference draws' own Monte-Carlo error is about 0.01 in these units, that of the 40,000 draws about 0.005. A Gaussian family cannot reach a skewed
posterior: the numbers say how far it is, not only how well the search went. `test/posteriordb/gold_table.py` writes this page.

| model | family | means | sds | quantiles | status |
|---|---|---|---|---|---|
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="one model")
    parser.add_argument("--output", type=Path, default=support.HERE.parent.parent / "docs" / "gold.md")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 1) // 2))
    arguments = parser.parse_args()
    chosen = [p for p in support.posteriors() if p["gold"] and arguments.only in (None, p["model"])]
    with concurrent.futures.ProcessPoolExecutor(arguments.jobs) as pool:
        rows = [row for part in pool.map(rows_of, chosen) for row in part]
    text = HEAD + "".join(rows)
    if arguments.only:
        sys.stdout.write(text)
    else:
        arguments.output.write_text(text)


def rows_of(posterior):
    executable = support.executable_of(posterior)
    gold = support.read_json(support.HERE / posterior["gold"])
    rows = []
    for family in FAMILIES:
        fits = [support.fit_and_sample(executable, support.HERE / posterior["data"], family, DRAWS, seed) for seed in SEEDS]
        distances = [distance(gold, fit.draws) for fit in fits if fit.draws]
        status = ", ".join(str(s) for s in sorted({fit.status for fit in fits}))
        if distances:
            means, low, high, quantiles = (f(d[k] for d in distances) for k, f in enumerate((max, min, max, max)))
            cells = f"{means:.3f} | {low:.3f} to {high:.3f} | {quantiles:.3f}"
        else:
            cells = "– | – | –"
        rows.append(f"| {posterior['model']} | {family} | {cells} | {status} |\n")
    print(posterior["model"], file=sys.stderr, flush=True)
    return rows


def distance(gold, draws):
    """Largest standardised error of the means, smallest and largest ratio of sds, largest standardised error of the quantiles."""
    errors, ratios, quantile_errors = [], [], []
    for name, reference in gold["summary"].items():
        mean, sd = support.mean_and_sd(draws[name])
        errors.append(abs(mean - reference["mean"]) / reference["sd"])
        ratios.append(sd / reference["sd"])
        got = support.quantiles(draws[name], gold["probabilities"])
        quantile_errors += [abs(a - b) / reference["sd"] for a, b in zip(got, reference["quantiles"], strict=True)]
    return max(errors), min(ratios), max(ratios), max(quantile_errors)


if __name__ == "__main__":
    main()
