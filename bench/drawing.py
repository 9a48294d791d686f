"""Matplotlib for the project's pictures. In the peers' environment only."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

# The same results give the same bytes; text stays text.
matplotlib.rcParams.update({"svg.hashsalt": "vmodel", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9})


def save(figure, path):
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)
