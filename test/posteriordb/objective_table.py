#!/usr/bin/env python3
"""Writes docs/objective_fits.md: what each objective makes of a few posteriors with reference draws. Run by hand; takes minutes.

    python3 test/posteriordb/objective_table.py [--only NAME] [--output docs/objective_fits.md]
"""

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import support
from vmodel_testing import compile_model, run

ROOT = support.HERE.parent.parent
sys.path.insert(0, str(ROOT / "bench" / "softcvi"))

import metrics  # noqa: E402

OBJECTIVES = ("elbo", "softcvi(alpha = 0.75)", "softcvi(alpha = 1)", "snis_forward_kl", "renyi(alpha = 0.5)", "dreg", "iwae", "chi2")
FAMILIES = ("mean_field", "full_rank")
MODELS = ("eight_schools_noncentered", "garch11", "kidscore_momiq", "eight_schools_centered")
# Examples with flows, by the objective and steps of their own fit blocks, and the models of their posteriors.
FLOWS = (
    ("examples/flows/eight_schools.vmodel", "eight_schools_centered"),
    ("examples/softcvi/garch_posteriordb.vmodel", "garch11"),
)
DRAWS = 4_000
HEAD = """# Objectives, measured

`test/posteriordb/objective_table.py` writes this page: fits with the defaults of each objective (one seed, one thread) beside reference draws of posteriordb. [objectives.md](objectives.md) says what to make of it.

- **log q**: mean log density of the family at the reference draws, on the scale of the parameters. Higher is closer, in the forward divergence; differences are in nats.
- **means**: largest |mean - reference mean| / reference sd; **sds**: smallest and largest sd / reference sd, over the parameters
- **50 %**, **90 %**: share of the reference draws within the region of highest density that holds so much of the family
- **labels**: what the labels of K particles are worth, mean over the averaged steps
- **status**: exit status of the fit (2: it says itself that it is not to be relied on)

"""
COLUMNS = "| family | objective | log q | means | sds | 50 % | 90 % | labels | seconds | status |\n|---|---|---|---|---|---|---|---|---|---|\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="one model")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "objective_fits.md")
    arguments = parser.parse_args()
    text = HEAD
    for model in MODELS:
        if arguments.only in (None, model):
            text += table(support.posterior_of(model))
            print(model, file=sys.stderr, flush=True)
    if arguments.only:
        sys.stdout.write(text)
    else:
        arguments.output.write_text(text.rstrip() + "\n")


def table(posterior):
    names = ",".join(dict.fromkeys(objective.split("(")[0] for objective in OBJECTIVES))
    executable = compile_model(support.HERE / f"{posterior['model']}.vmodel", f"--objectives={names}")
    gold = support.read_json(support.HERE / posterior["gold"])
    data = support.HERE / posterior["data"]
    rows = [row(executable, data, gold, family, objective, "--family", family, "--objective", objective) for family in FAMILIES for objective in OBJECTIVES]
    for source, model in FLOWS:
        if model == posterior["model"]:
            rows.append(row(compile_model(ROOT / source), data, gold, f"`{source}`", None))
    return f"## {posterior['posterior']}\n\n{COLUMNS}" + "".join(rows) + "\n"


def row(executable, data, gold, family, objective, *options):
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        begin = time.monotonic()
        done = run([executable, "fit", "--data", data, "--output", folder, "--seed", 1, "--threads", 1, "--quiet", *options], status=None)
        seconds = time.monotonic() - begin
        fit = folder / "fit.json"
        name = objective or done.stdout.splitlines()[1]
        if done.returncode not in (0, 2) or not fit.exists():
            return f"| {family} | {name} |" + " – |" * 7 + f" {done.returncode} |\n"
        labels = json.loads(fit.read_text())["diagnostics"].get("labels")
        own = draws_of(executable, fit, folder)
        names = list(gold["thinned"])
        at_draws = log_q(executable, data, fit, folder, own)
        at_gold = log_q(executable, data, fit, folder, gold["thinned"])
        errors, ratios = [], []
        for parameter in names:
            mean, sd = support.mean_and_sd(own[parameter])
            reference = gold["summary"][parameter]
            errors.append(abs(mean - reference["mean"]) / reference["sd"])
            ratios.append(sd / reference["sd"])
        curve = metrics.coverage(at_gold, at_draws)
        level = lambda percent: curve[min(range(100), key=lambda k: abs(metrics.LEVELS[k] - percent))]
        worth = f"{labels['effective_size_last']:.1f} of {labels['particles']}" if labels else ""
        cells = [family, name, number(statistics.fmean(at_gold)), number(max(errors)), f"{min(ratios):.2f} to {max(ratios):.2f}", f"{level(50):.2f}", f"{level(90):.2f}", worth, f"{seconds:.1f}", str(done.returncode)]
        return "| " + " | ".join(cells) + " |\n"


def number(value):
    return f"{value:.2f}" if abs(value) < 1000 else f"{value:.2g}"


def draws_of(executable, fit, folder):
    path = folder / "draws.csv"
    run([executable, "sample", "--fit", fit, "--draws", DRAWS, "--seed", 1, "--output", path])
    return support.read_draws(path)


def log_q(executable, data, fit, folder, columns):
    """At draws given as columns, in the names of the reference."""
    names = {}
    for name in json.loads(run([executable, "info"]).stdout)["parameters"]:
        own = name["name"]
        names[own] = [column for column in columns if column == own or column.startswith(own + "[")]
    count = len(columns[names[next(iter(names))][0]])
    points = [{own: columns[own][i] if parts == [own] else [columns[part][i] for part in parts] for own, parts in names.items()} for i in range(count)]
    at = folder / "points.json"
    at.write_text(json.dumps(points))
    answers = json.loads(run([executable, "log-q", "--fit", fit, "--data", data, "--at", at]).stdout)
    return [-math.inf if answer["log_q"] is None else float(answer["log_q"]) for answer in answers]


if __name__ == "__main__":
    main()
