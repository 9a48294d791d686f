#!/usr/bin/env python3
"""Makes the files of this folder, and examples/aisivi/{waveform,diffusion}.json, from the originals (README.md here names them and their licences).

    python3 generate.py BENCHMARKS

BENCHMARKS holds waveform_train.csv, diffusion_y20.csv and the two *_exact_mean_cov.csv. Needs NumPy.
"""

import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[2] / "examples" / "aisivi"


def read(path):
    return np.loadtxt(path, delimiter=",")


def main(benchmarks):
    train, observed = read(benchmarks / "waveform_train.csv"), read(benchmarks / "diffusion_y20.csv")
    waveform = {"N": len(train), "D": train.shape[1] - 1, "X": train[:, 1:].tolist(), "y": train[:, 0].astype(int).tolist()}
    (EXAMPLES / "waveform.json").write_text(json.dumps(waveform) + "\n")
    (EXAMPLES / "diffusion.json").write_text(json.dumps({"T": 100, "K": len(observed), "y": observed.tolist()}) + "\n")
    moments = {}
    for name in ("waveform", "diffusion"):
        rows = read(benchmarks / f"{name}_exact_mean_cov.csv")
        moments |= {f"{name}_mean": rows[0], f"{name}_covariance": rows[1:]}
    np.savez_compressed(HERE / "moments.npz", **moments)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
