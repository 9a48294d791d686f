"""Matplotlib for the project's pictures. In the peers' environment only."""

import io
import re

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

# The same results give the same bytes; text stays text.
matplotlib.rcParams.update({"path.simplify_threshold": 0.25, "svg.hashsalt": "vmodel", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9})


# Hundredths of a point are finer than any screen.
DIGITS = re.compile(r"(\d\.\d\d)\d+")


def save(figure, path):
    """The figure as SVG, with as many digits as can be seen."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    path.write_text(re.sub(r' (d|x|y)="[^"]*"', lambda found: DIGITS.sub(r"\1", found[0]), text.getvalue()))
