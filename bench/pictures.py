"""Draws the charts that report.pictures describes (JSON on standard input) as SVG files into a folder. Runs in the peers' environment."""

import json
import sys
from pathlib import Path

from drawing import plt, save

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
MARKERS = ("o", "s", "D", "^")


def draw(chart, folder):
    """A row a model, a logarithmic axis, a mark with its spread for each series."""
    names = []
    for series in chart["series"]:
        names += [point[0] for point in series["points"] if point[0] not in names]
    if not names:
        return
    first = {point[0]: point[1] for point in chart["series"][0]["points"]}
    names.sort(key=lambda name: first.get(name, 0))
    figure, axes = plt.subplots(figsize=(7.5, 1.6 + 0.24 * len(names)), layout="constrained")
    for index, series in enumerate(chart["series"]):
        points = series["points"]
        at = [names.index(point[0]) for point in points]
        values = [point[1] for point in points]
        spread = [[v - p[2] for v, p in zip(values, points)], [p[3] - v for v, p in zip(values, points)]]
        colour = COLOURS[index % len(COLOURS)]
        axes.errorbar(values, at, xerr=spread, fmt=MARKERS[index % len(MARKERS)], color=colour, markersize=4.5, elinewidth=1, alpha=0.85, label=series["name"])
    axes.set_xscale("log")
    if chart.get("axis") is None:
        axes.axvline(1, color="#666666", linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel(chart.get("axis") or "times faster (logarithmic)")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(axis="x", which="both", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_title(chart["title"], fontsize=10)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    save(figure, Path(folder) / chart["file"])


for chart in json.load(sys.stdin):
    draw(chart, sys.argv[1])
