#!/usr/bin/env python3
"""Rebuilds the references of this folder from posteriordb's originals: data, log densities of the original models, summaries of the reference draws.

    python3 generate.py ORIGINALS [--only POSTERIOR]

ORIGINALS holds index.json, data/, draws/ (zipped JSON: a list of chains, each a map from flat name to draws) and log_density/. Needs NumPy.
The original log densities are rewritten by parameter name, and five points of the posterior are added to each (from the reference draws where there
are any, else from a short Hamiltonian Monte Carlo run), evaluated by densities.py. The report says how the two agree.
"""

from __future__ import annotations

import argparse
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np

import support
from densities import HERE, POSTERIORS, Simplex

EXTRA_POINTS = 5
THINNED_DRAWS = 500
PROBABILITIES = [0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("originals", type=Path)
    parser.add_argument("--only", help="rebuild the log densities of one posterior")
    arguments = parser.parse_args()
    originals = {(entry["data_file"].split("/")[1].split(".")[0], entry["model"]): entry
                 for entry in json.loads((arguments.originals / "index.json").read_text())}
    for folder in ("data", "gold", "log_density"):
        (HERE / folder).mkdir(exist_ok=True)
    posteriors = [p for p in POSTERIORS if arguments.only in (None, p.name)]
    print(f"{'posterior':<46}{'pairs':>7}{'worst':>9}{'gradients':>11}{'worst':>9}   (worst error / tolerance)")
    for posterior in posteriors:
        original = originals[posterior.data_file, posterior.model]
        copy_data(arguments.originals, posterior)
        gold = read_gold(arguments.originals, posterior)
        if gold:
            write_gold(posterior.gold, gold, f"posteriordb reference draws of {posterior.gold}")
        write_log_density(arguments.originals, posterior, original, gold)
    if not arguments.only:
        write_index()


def copy_data(originals, posterior):
    shutil.copyfile(originals / "data" / f"{posterior.data_file}.json", HERE / "data" / f"{posterior.data_file}.json")


def write_index():
    """The posteriors for the tests. `constant` is what the language's normalised priors add to the log densities of densities.py."""
    entries = []
    for posterior in POSTERIORS:
        data = posterior.data()
        entries.append({
            "posterior": posterior.name,
            "model": posterior.model,
            "data": f"data/{posterior.data_file}.json",
            "log_density": f"log_density/{posterior.name}.json",
            "gold": f"gold/{posterior.gold or posterior.name}.json",
            "constant": posterior.constant,
            "parameters": [{"name": q.name, "shape": list(posterior.shape(q, data)), "map": q.support.description()} for q in posterior.parameters],
        })
    (HERE / "index.json").write_text("[\n" + ",\n".join(" " + json.dumps(e) for e in entries) + "\n]\n")


# ---- log densities ----


def write_log_density(originals, posterior, original, gold):
    data = posterior.data()
    source = json.loads((originals / "log_density" / f"{posterior.name}.json").read_text())
    points = [rewrite_point(posterior, original, point, data) for point in source["points"]]
    report_agreement(posterior, points, [posterior.evaluate(p["constrained"], data) for p in points])
    chosen = points_from_gold(posterior, gold, data) if gold else points_from_run(posterior, data)
    extra = [{"constrained": values, **posterior.evaluate(values, data)} for values in chosen]
    head = {
        "posterior": posterior.name,
        "source": "points: the original model, additive constants dropped; extra_points: densities.py at "
                  + ("reference draws" if gold else "states of a short Hamiltonian Monte Carlo run") + ", constants complete",
    }
    lines = [f' {json.dumps(k)}: {json.dumps(v)},' for k, v in head.items()]
    lines.append(' "points": [\n' + ",\n".join("  " + json.dumps(p) for p in points) + "\n ],")
    lines.append(' "extra_points": [\n' + ",\n".join("  " + json.dumps(p) for p in extra) + "\n ]")
    (HERE / "log_density" / f"{posterior.name}.json").write_text("{\n" + "\n".join(lines) + "\n}\n")


def rewrite_point(posterior, original, point, data):
    """A point of the original file keyed by parameter name; matrices become row-major. A gradient is absent where the original has none."""
    by_name = {q.name: q for q in posterior.parameters}
    result = {"constrained": {q.name: point["constrained"][q.name] for q in posterior.parameters}}
    if "sampled_params" not in original:  # otherwise it is the density of other parameters than ours
        result["log_density"] = point["log_density"]
    result["log_density_with_jacobian"] = point["log_density_with_jacobian"]
    for key in ("unconstrained", "gradient_with_jacobian"):
        if key not in point:
            continue
        flat, position, values = point[key], 0, {}
        for ours, theirs in zip(original["params"], original.get("sampled_params", original["params"]), strict=True):
            shape = list(theirs["dims"])
            if isinstance(by_name[ours["name"]].support, Simplex):
                shape[-1] -= 1
            size = int(np.prod(shape))
            block = np.array(flat[position:position + size]).reshape(shape, order="F")
            values[ours["name"]] = block.reshape(-1).tolist()
            position += size
        assert position == len(flat), posterior.name
        result[key] = {q.name: values[q.name] for q in posterior.parameters}
    return result


def report_agreement(posterior, points, computed):
    pairs, worst_pair = support.compare_pairs(points, computed)
    gradients, worst_gradient = support.compare_gradients(points, computed)
    print(f"{posterior.name:<46}{pairs:>7}{worst_pair:>9.2g}{gradients:>11}{worst_gradient:>9.2g}")


def points_from_gold(posterior, gold, data):
    chains, count = len(gold), len(next(iter(gold[0].values())))
    chosen = []
    for i in range(EXTRA_POINTS):
        chain, draw = gold[(2 * i) % chains], (count // EXTRA_POINTS) * i + 17
        values = {}
        for q in posterior.parameters:
            shape = posterior.shape(q, data)
            flat = [chain[support.flat_name(q.name, index)][draw] for index in np.ndindex(*shape)]
            values[q.name] = tidy(q, np.array(flat).reshape(shape))
        chosen.append(values)
    return chosen


def tidy(parameter, value):
    """Nine significant digits; a simplex keeps its sum."""
    rounded = np.vectorize(lambda x: float(f"{x:.9g}"))(value)
    if isinstance(parameter.support, Simplex):
        rounded[..., -1] = 1 - rounded[..., :-1].sum(axis=-1)
    return rounded.tolist()


def points_from_run(posterior, data, warm_up=60, spacing=12, leapfrog=12, seed=20240229):
    """States of a short Hamiltonian Monte Carlo run, each coordinate scaled by its curvature at the start."""
    random = np.random.default_rng(seed)
    start = posterior.unconstrain(posterior.start(data), data)
    names, shapes = list(start), {k: np.shape(v) for k, v in start.items()}

    def pack(values):
        return np.concatenate([np.real(np.asarray(values[k])).reshape(-1) for k in names]).astype(float)

    def unpack(flat):
        result, position = {}, 0
        for k in names:
            size = int(np.prod(shapes[k]))
            result[k] = flat[position:position + size].reshape(shapes[k]).astype(np.longdouble)
            position += size
        return result

    def density(u):
        return float(posterior.log_density_with_jacobian(unpack(u), data).real)

    def gradient(u):
        return pack(posterior.gradient(unpack(u), data))

    u = pack(start)
    curvature = np.array([-(gradient(u + h)[i] - gradient(u - h)[i]) / (2e-4) for i, h in enumerate(1e-4 * np.eye(u.size))])
    scale = 1 / np.sqrt(np.maximum(curvature, 1e-12))
    step, chosen, accepted = 0.15, [], 0
    value = density(u)
    for iteration in range(warm_up + spacing * EXTRA_POINTS):
        momentum = random.standard_normal(u.size)
        size = step * random.uniform(0.7, 1.3)
        moved, force = u.copy(), momentum + 0.5 * size * scale * gradient(u)
        for k in range(leapfrog):
            moved = moved + size * scale * force
            force = force + (0.5 if k == leapfrog - 1 else 1.0) * size * scale * gradient(moved)
        new_value = density(moved)
        if np.log(random.uniform()) < new_value - value + 0.5 * (momentum @ momentum - force @ force):
            u, value, accepted = moved, new_value, accepted + 1
        if iteration >= warm_up and (iteration - warm_up + 1) % spacing == 0:
            p, _ = posterior.constrain(unpack(u))
            chosen.append({q.name: tidy(q, np.real(p[q.name]).astype(float)) for q in posterior.parameters})
    assert accepted > 0.6 * iteration, f"{posterior.name}: {accepted} of {iteration} accepted"
    return chosen


# ---- reference draws ----


def read_gold(originals, posterior):
    if not posterior.gold:
        return None
    with zipfile.ZipFile(originals / "draws" / f"{posterior.gold}.json.zip") as archive:
        return json.loads(archive.read(archive.namelist()[0]))


def write_gold(name, gold, source):
    names = list(gold[0])
    draws = {k: np.array([chain[k] for chain in gold]) for k in names}
    size = draws[names[0]].size
    lines = []
    for k in names:
        x = draws[k]
        effective = effective_sample_size(x)
        lines.append((k, {
            "mean": x.mean(), "sd": x.std(ddof=1), "quantiles": np.quantile(x, PROBABILITIES).tolist(),
            "effective_sample_size": round(effective, 1), "mcse_mean": x.std(ddof=1) / np.sqrt(effective),
        }))
    every = size // (THINNED_DRAWS if len(names) <= 20 else THINNED_DRAWS // 5)
    thinned = [(k, [float(f"{v:.8g}") for v in draws[k].reshape(-1)[::every]]) for k in names]

    def block(rows):
        return "{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in rows) + "\n }"

    (HERE / "gold" / f"{name}.json").write_text(
        f'{{\n "source": {json.dumps(source)},\n "draws": {size},\n "probabilities": {json.dumps(PROBABILITIES)},\n'
        f' "summary": {block(lines)},\n "thinned": {block(thinned)}\n}}\n')


def effective_sample_size(chains):
    """Of the mean, from split chains by Geyer's initial monotone sequence (Vehtari et al. 2021, section 3.2)."""
    half = chains.shape[1] // 2
    x = np.concatenate([chains[:, :half], chains[:, half:2 * half]])
    m, n = x.shape
    centred = x - x.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * n, axis=1)
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :n] / n
    within = covariance[:, 0].mean() * n / (n - 1)
    variance = within * (n - 1) / n + x.mean(axis=1).var(ddof=1)
    rho = 1 - (within - covariance.mean(axis=0) * n / (n - 1)) / variance
    total, last, t = 0.0, np.inf, 0
    while t + 1 < n:
        pair = (1.0 if t == 0 else rho[t]) + rho[t + 1]
        if pair < 0:
            break
        last = min(last, pair)
        total += last
        t += 2
    return m * n / (2 * total - 1)


if __name__ == "__main__":
    main()
