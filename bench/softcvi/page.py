"""Writes docs/softcvi.md from the results of a run: our figures beside the published ones, coverage curves as pictures, times of a step."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import claims
import numpy as np
from drawing import plt, save
from metrics import LEVELS, coverage_error
from progress import write_whole
from step_times import AIMS, YARDSTICK
from tasks import METHODS, TASKS

PUBLISHED = json.loads((Path(__file__).resolve().parent / "data" / "published.json").read_text())
NOTES = Path(__file__).resolve().parent / "notes.md"  # what was found where our figures and the published ones differ
BOOTSTRAPS = 400
COVERAGE_MARGIN = 0.01  # what the mean absolute coverage error may be above the published one
TITLES = {"eight_schools": "Eight schools", "linear_regression": "Linear regression", "slcp": "SLCP", "garch": "GARCH"}
COLOURS = ("#0072b2", "#56b4e9", "#009e73", "#d55e00")


def write(results, target):
    """The page at `target` (a Path) and its pictures beside it in pictures/."""
    target.parent.mkdir(parents=True, exist_ok=True)
    summary = summarise(record for record in results["fits"].values() if record["task"] in TASKS)
    pictures = target.parent / "pictures"
    pictures.mkdir(exist_ok=True)
    draw_coverage(summary, pictures / "softcvi_coverage.svg")
    sections = [
        heading(results, summary),
        *(task_section(task, summary) for task in TASKS if task in summary),
        coverage_section(),
        claims.section(summary),
        NOTES.read_text().strip() if NOTES.exists() else None,
        step_section(results),
    ]
    write_whole(target, "\n\n".join(section for section in sections if section) + "\n")


def summarise(records):
    """{task: {method: {quantity: [median, q1, q3], "coverage": mean curve, ...}}}."""
    found = {}
    for record in records:
        found.setdefault(record["task"], {}).setdefault(record["method"], []).append(record)
    return {task: {method: of_records(list_) for method, list_ in methods.items()} for task, methods in found.items()}


def of_records(records):
    def quartiles(name):
        # A family without density at a reference draw has log q = -inf, which sorts below everything.
        values = np.sort([record[name] for record in records])
        return [float(np.quantile(values, share, method="median_unbiased")) for share in (0.5, 0.25, 0.75)]

    curves = np.array([record["coverage"] for record in records])
    curve = np.mean(curves, axis=0)
    return {
        "runs": len(records),
        "steps": sorted({record["steps"] for record in records}),
        "log_q": quartiles("log_q"),
        "mean_accuracy": quartiles("mean_accuracy"),
        "coverage_curve": curve,
        "coverage_error": coverage_error(curve),
        "coverage_error_deviation": bootstrap_deviation(curves),
        "seconds": quartiles("seconds"),
        "untrusted": sum(record["status"] == 2 for record in records),
    }


def bootstrap_deviation(curves):
    """Standard error of the coverage error of the mean curve, by drawing the runs again (Efron 1979)."""
    generator = np.random.default_rng(1)
    return float(np.std([coverage_error(curves[generator.integers(len(curves), size=len(curves))].mean(axis=0)) for _ in range(BOOTSTRAPS)]))


def heading(results, summary):
    machine = results.get("machine", {})
    steps = sorted({step for methods in summary.values() for value in methods.values() for step in value["steps"]})
    head = textwrap.dedent(
        f"""\
        # SoftCVI beside its paper

        `./dev bench softcvi` writes this page. The four tasks of Ward, Beaumont and Fasiolo (2025), with the paper's models, families, initial values and optimiser (`examples/softcvi/`): K = 8 particles, Adam with
        clipping at a norm of 10, constant rate, the last iterate of {" and ".join(f"{step:,}" for step in steps)} steps; the paper has 50 seeds of each. In double precision; the published runs were in single precision. Its nets of 1,500 and 3,000 weights have [a page of their own](additive_nets.md)."""
    )
    where = f"Measured on: {machine.get('processor', 'unknown')}, {machine.get('cores', '?')} cores, {results.get('jobs', '?')} {'fit' if results.get('jobs') == 1 else 'fits'} at a time."
    took = results.get("fit_seconds")
    return head + "\n\n" + where + (f" All fits with their draws and densities took {took / 60:.1f} minutes." if took else "")


def interval(values, digits):
    median, low, high = values
    return f"{median:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def mark(good):
    return "yes" if good else "**no**"


def task_section(task, summary):
    published = PUBLISHED[task]
    rows = [
        f"## {TITLES[task]}",
        "",
        f"Median [quartiles] over {' or '.join(str(runs) for runs in sorted({value['runs'] for value in summary[task].values()}))} runs; higher is better for both. The error of coverage is the mean of |coverage - nominal| over 100 levels, of the curve averaged over runs, and has its standard error over runs beside it. Within: our median is not below the published lower",
        f"quartile; our coverage error is at most {COVERAGE_MARGIN} above the published one.",
        "",
        "| objective | log q(reference) | published | within | accuracy of the mean | published | within | coverage error | published | within | seconds a fit |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for method in METHODS:
        ours = summary[task].get(method)
        if ours is None:
            continue
        cells = [method]
        for quantity, digits in (("log_q", 3), ("mean_accuracy", 3)):
            theirs = published[quantity][method]
            cells += [interval(ours[quantity], digits), interval(theirs, digits), mark(ours[quantity][0] >= theirs[1])]
        theirs = published["coverage_error"][method]
        cells += [f"{ours['coverage_error']:.4f} ± {ours['coverage_error_deviation']:.4f}", f"{theirs:.4f}", mark(ours["coverage_error"] <= theirs + COVERAGE_MARGIN), f"{ours['seconds'][0]:.2f}"]
        rows.append("| " + " | ".join(cells) + " |")
    untrusted = {method: value["untrusted"] for method, value in summary[task].items() if value["untrusted"]}
    if untrusted:
        rows += ["", "Fits that said themselves that they are not to be relied on: " + ", ".join(f"{method} {count}" for method, count in untrusted.items()) + "."]
    return "\n".join(rows)


def coverage_section():
    return textwrap.dedent(
        """\
        ## Coverage

        Coverage minus nominal coverage, averaged over runs: above zero is conservative, below is overconfident. Thin lines: published.

        ![Coverage minus nominal coverage of the four tasks](pictures/softcvi_coverage.svg)"""
    )


def step_section(results):
    rows = [
        "## Time of a step",
        "",
        "One thread, softcvi(0.75), K = 8: draws, densities, labels, one reverse pass, Adam. JAX: the same step in double precision inside one compiled `fori_loop` (`bench/softcvi/jax_steps.py`), compiled beforehand. The aim holds for a core with",
        f"AVX2 at 3 GHz, on which `bench/loop/yardstick.cpp` takes {YARDSTICK} ns; it is scaled by what that takes here, in the same run.",
        "",
        "| task | ours, µs (range) | aim, µs | within | JAX, µs | JAX / ours | JAX compiles, s |",
        "|---|---|---|---|---|---|---|",
    ]
    for task, found in results.get("steps", {}).items():
        ours, jax = [1e6 * value for value in found["vmodel"]], 1e6 * found["jax"]
        aim = AIMS[task] * found["yardstick"] / YARDSTICK
        best = float(np.median(ours))
        rows.append(
            f"| {TITLES[task]} | {best:.2f} ({min(ours):.2f} to {max(ours):.2f}) | {aim:.1f} | {mark(best <= aim)} | {jax:.1f} | {jax / best:.1f} | {found['jax_compile']:.1f} |"
        )
    return "\n".join(rows)


def draw_coverage(summary, path):
    figure, panels = plt.subplots(1, max(1, len(summary)), figsize=(2.6 * max(1, len(summary)), 2.8), layout="constrained", squeeze=False)
    for axes, task in zip(panels[0], (task for task in TASKS if task in summary)):
        for method, colour in zip(METHODS, COLOURS):
            axes.plot(LEVELS, PUBLISHED[task]["coverage_curve"][method], color=colour, linewidth=0.6, alpha=0.7)
            if method in summary[task]:
                axes.plot(LEVELS, [value - level / 100 for value, level in zip(summary[task][method]["coverage_curve"], LEVELS)], color=colour, linewidth=1.6, label=method if task == next(iter(summary)) else None)
        axes.axhline(0, color="#666666", linewidth=0.8)
        axes.set_title(TITLES[task], fontsize=10)
        axes.set_xlabel("nominal coverage, %")
    panels[0][0].set_ylabel("coverage - nominal")
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    save(figure, path)
