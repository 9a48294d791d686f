"""What the SoftCVI paper concludes of its four tasks, held against our runs."""

from __future__ import annotations

from statistics import fmean

from metrics import LEVELS

TITLES = {"eight_schools": "eight schools", "linear_regression": "linear regression", "slcp": "SLCP", "garch": "GARCH"}
SOFT, FORWARD, ELBO = "softcvi(0.75)", "softcvi(1)", "elbo"


def best(summary, task, figure, smallest=False):
    """The objective with the best figure on a task."""
    return (min if smallest else max)(summary[task], key=lambda method: figure(summary[task][method]))


def log_q(value):
    return value["log_q"][0]


def accuracy(value):
    return value["mean_accuracy"][0]


def calibration(value):
    return value["coverage_error"]


def mean_difference(value):
    """Of coverage from nominal coverage: above zero is conservative."""
    return fmean(covered - level / 100 for covered, level in zip(value["coverage_curve"], LEVELS, strict=True))


def winners(summary, tasks, figure, wanted, smallest=False):
    """Who is best on each task, and whether that is `wanted` on all of them."""
    found = {task: best(summary, task, figure, smallest) for task in tasks}
    return ", ".join(f"{TITLES[task]}: {method}" for task, method in found.items()), all(method == wanted for method in found.values())


def conservative(summary):
    found = [method for method, value in summary["eight_schools"].items() if mean_difference(value) > 0]
    return "conservative: " + (", ".join(found) or "none"), found == [SOFT]


def tied(summary):
    """Medians closer than half of either one's interquartile range."""
    first, second = summary["slcp"][SOFT], summary["slcp"][FORWARD]
    range_ = min(first["log_q"][2] - first["log_q"][1], second["log_q"][2] - second["log_q"][1])
    return f"{log_q(first):.2f} and {log_q(second):.2f}", abs(log_q(first) - log_q(second)) < 0.5 * range_


CLAIMS = [
    ("softcvi(0.75) has the least coverage error on linear regression and SLCP", lambda s: winners(s, ("linear_regression", "slcp"), calibration, SOFT, smallest=True)),
    ("it alone is conservative on eight schools", conservative),
    ("it has the highest log q of the reference on eight schools, linear regression and GARCH", lambda s: winners(s, ("eight_schools", "linear_regression", "garch"), log_q, SOFT)),
    ("on SLCP it ties with softcvi(1)", tied),
    ("the ELBO has the best mean on linear regression, and slightly on GARCH", lambda s: winners(s, ("linear_regression", "garch"), accuracy, ELBO)),
]


def section(summary):
    """Markdown; nothing where a task or an objective is missing."""
    if any(task not in summary or len(summary[task]) < 4 for task in TITLES):
        return None
    rows = ["## What the paper concludes", "", "By our medians and coverage errors above.", "", "| claim | ours | holds |", "|---|---|---|"]
    for claim, judge in CLAIMS:
        figures, holds = judge(summary)
        rows.append(f"| {claim} | {figures} | {'yes' if holds else '**no**'} |")
    return "\n".join(rows)
