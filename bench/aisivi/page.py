"""Writes docs/aisivi.md from the results of a run: distances to each target by kind of fit, published figures beside them, draws of the toys as pictures."""

from __future__ import annotations

import textwrap

import numpy as np
from contourpy import contour_generator
from drawing import plt, save
from experiment import METHODS, runs_of
from progress import write_whole
from references import REFERENCES
from targets import TARGETS, HeavyTailed, Posterior

TITLES = {
    "banana": "Banana",
    "multimodal": "Two modes",
    "x_shaped": "X",
    "eight_gaussians": "Eight Gaussians",
    "heavy_tailed": "Heavy tails",
    "waveform": "WAVEFORM logistic regression",
    "diffusion": "Conditioned diffusion",
}
# Forward KL divergences of table 1 of Pielok, Bischl and Rügamer (2025); None: not given there.
PUBLISHED = {"banana": (0.0853, 0.3022), "multimodal": (0.0044, 0.0017), "x_shaped": (0.0072, 0.0034)}
# What the project aims at with its defaults, for every seed: quantity -> the most.
AIMS = {
    "banana": {"forward_kl": 0.012},
    "multimodal": {"forward_kl": 0.0008},
    "x_shaped": {"forward_kl": 0.002},
    "eight_gaussians": {"forward_kl": 0.02},
    "waveform": {"forward_kl": 0.045, "reverse_kl": 0.04},
    "diffusion": {"forward_kl": 0.11},
}
# And with a proposal that is learned alone.
AIMS_LEARNED = {"diffusion": {"forward_kl": 1.0}}
COLUMNS = {
    "forward_kl": ("KL(p, q)", 4),
    "reverse_kl": ("KL(q, p)", 4),
    "sliced_wasserstein": ("sliced W2", 4),
    "correlation_rmse": ("correlation rmse", 4),
    "coordinate_marginals": ("coordinate marginals", 2),
    "seconds": ("seconds", 1),
}


def write(results, target):
    """The page at `target` (a Path) and its picture beside it in pictures/."""
    target.parent.mkdir(parents=True, exist_ok=True)
    pictures = target.parent / "pictures"
    pictures.mkdir(exist_ok=True)
    groups = {}
    for record in results["fits"].values():
        groups.setdefault(record["task"], {}).setdefault(record["method"], []).append(record)
    draw_toys(groups, pictures / "aisivi_toys.svg")
    sections = [heading(results), missing(groups), *(section(name, groups[name]) for name in TARGETS if name in groups), references_section(groups), pictures_section(groups)]
    write_whole(target, "\n\n".join(part for part in sections if part) + "\n")


def heading(results):
    machine = results.get("machine", {})
    return textwrap.dedent(
        f"""\
        # Semi-implicit families beside Gaussians and flows

        `./dev bench aisivi` writes this page. The targets of Pielok, Bischl and Rügamer (2025) and of their rivals (`examples/aisivi/`), each fitted by a semi-implicit family with the defaults, by the same family without a proposal, by what was
        published as far as one core carries it, by a full-rank Gaussian and by a flow. Double precision, one thread a fit. Every cell: median (range) over seeds; a single figure is of one seed. KL(p, q) of the plane's targets is by quadrature, of the posteriors over 20,000 exact draws; KL(q, p) is of
        5,000 draws of a semi-implicit q (2,000 for posteriors) and of 20,000 of the others, distances of 20,000. Densities that are integrals are estimated with 2,048 inner samples for KL(q, p), of posteriors with 8,192, and for KL(p, q) with so many, 512 to 8,192, that half of the variance of log q, its bias, is
        below a twentieth of the divergence or 0.00005. Seconds are of the processor, for the fit with its report of the result.

        Measured on: {machine.get("processor", "unknown")}, {machine.get("cores", "?")} cores, {results.get("jobs", "?")} fits at a time."""
    )


def missing(groups):
    """What the page lacks, and of how few seeds the rest is."""
    targets = [title for name, title in TITLES.items() if name not in groups] + [name for name in REFERENCES if name not in groups]
    fits = [method.title for name, method in METHODS.items() if not any(name in methods for methods in groups.values())]
    seeds = min((len(records) for methods in groups.values() for records in methods.values()), default=0)
    lines = [f"No fit of these targets is in the results: {', '.join(targets)}."] if targets else []
    lines += [f"None of these kinds of fits is: {', '.join(fits)}."] if fits else []
    lines += ["Some figures are of a single seed, and say little of others."] if seeds == 1 else []
    return "\n".join(lines)


def cell(records, quantity, digits):
    values = [record[quantity] for record in records if quantity in record]
    if not values:
        return ""
    if not np.all(np.isfinite(values)):
        return f"not finite in {sum(not np.isfinite(v) for v in values)} of {len(values)}"
    spread = f" ({min(values):.{digits}f} to {max(values):.{digits}f})" if len(values) > 1 else ""
    return f"{np.median(values):.{digits}f}{spread}"


def section(name, methods):
    columns = {q: c for q, c in COLUMNS.items() if any(q in record for records in methods.values() for record in records)}
    rows = [f"## {TITLES[name]}", "", *notes(name), "| fit | seeds | " + " | ".join(title for title, _ in columns.values()) + " | not to be trusted |", "|---" * (len(columns) + 3) + "|"]
    for method, description in METHODS.items():
        if method in methods:
            records = methods[method]
            cells = [description.title, str(len(records)), *(cell(records, q, digits) for q, (_, digits) in columns.items()), str(sum(r["status"] == 2 for r in records))]
            rows.append("| " + " | ".join(cells) + " |")
    lacking = [METHODS[method].title for method in runs_of(name) if method not in methods]
    if lacking:
        rows += ["", f"Not fitted in these results: {', '.join(lacking)}."]
    for method, what, aims in (("SemiImplicit", "the defaults", AIMS), ("LearnedProposal", "a proposal that is learned alone", AIMS_LEARNED)):
        ours = methods.get(method, [])
        for quantity, most in aims.get(name, {}).items():
            if ours:
                within = sum(record[quantity] <= most for record in ours)
                rows += ["", f"Aim of the project for {COLUMNS[quantity][0]} with {what}: at most {most} for every seed; {within} of {len(ours)} are."]
    if name == "eight_gaussians":
        for method in ("SemiImplicit", "Published", "Flow"):
            if method in methods:
                off = [max(abs(8 * np.array(record["mode_weights"]) - 1)) for record in methods[method]]
                rows += ["", f"Weights of the modes, {METHODS[method].title}: at most {100 * max(off):.0f} % off in the worst seed, {100 * np.median(off):.0f} % in the median one."]
    if name == "diffusion":
        exact = next(iter(methods.values()))[0]["coordinate_marginals_exact"]
        rows += ["", f"Coordinate marginals of as many exact draws on the same 1,000 reference points: {exact:.2f}."]
    return "\n".join(rows)


def references_section(groups):
    """The posteriors that are known by reference draws: wins and losses as they are."""
    found = [name for name in REFERENCES if name in groups]
    if not found:
        return ""
    rows = [
        textwrap.dedent(
            """\
            ## Posteriors with reference draws

            The same family (as many mixed variables as coordinates) and the same objective, with the defaults, on posteriors of posteriordb (`test/posteriordb/`) beside a full-rank Gaussian and a flow by the ELBO: eight schools centred, a funnel; a mixture of two normals; GARCH(1, 1), skewed and against a bound.
            **log q**: mean log density at 500 reference draws; **more than full rank**: the mean difference of the same seed's fits at the same draws, with its standard error; positive is closer to the posterior in KL(p, q). **Means**, **quantiles** (2.5 to 97.5 %): largest difference of a parameter's from those of
            10,000 reference draws, **sds** the smallest and largest ratio, in standard deviations of the reference. Median (range) over seeds; of sds the range over all."""
        ),
        "",
        "| posterior | fit | seeds | log q | more than full rank | means | sds | quantiles | seconds | not to be trusted |",
        "|---" * 10 + "|",
    ]
    for name in found:
        gaussian = {record["seed"]: record for record in groups[name].get("Gaussian", [])}
        for method, description in METHODS.items():
            if method in groups[name]:
                records = [record | {"log_q_mean": float(np.mean(record["log_q"]))} for record in groups[name][method]]
                sds = [ratio for record in records for ratio in record["sds"]]
                cells = [name, description.title, str(len(records)), cell(records, "log_q_mean", 3), gain(records, gaussian) if method != "Gaussian" else "", cell(records, "means", 3)]
                cells += [f"{min(sds):.2f} to {max(sds):.2f}", cell(records, "quantiles", 3), cell(records, "seconds", 1), str(sum(r["status"] == 2 for r in records))]
                rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def gain(records, gaussian):
    """The median over seeds of the mean difference of log q from the Gaussian's, and the largest of its standard errors."""
    differences = [np.subtract(record["log_q"], gaussian[record["seed"]]["log_q"]) for record in records if record["seed"] in gaussian]
    if not differences or not np.all(np.isfinite(differences)):
        return ""
    return f"{np.median([d.mean() for d in differences]):+.3f} ± {max(d.std() / np.sqrt(len(d)) for d in differences):.3f}"


def notes(name):
    found = []
    if name in PUBLISHED:
        aisivi, bsivi = PUBLISHED[name]
        found.append(f"Published KL(p, q): AISIVI {aisivi}, BSIVI {bsivi} (estimated there with 128 inner samples, which biases it upwards).")
    if isinstance(TARGETS[name], HeavyTailed):
        found.append("Student t with two degrees of freedom: KL(p, q) is infinite for every family here, whose tails are those of normals, and moments do not exist; KL(q, p) is what there is. The semi-implicit fit is not tempered (`temper = 1`): to the power .1 of the default's first steps this density has no integral, and the default ends at 1.4, not to be trusted.")
    if name == "waveform":
        found.append("400 observations, 22 coefficients. The Gaussian with the exact moments has KL(q, p) .148 and KL(p, q) .1415. The semi-implicit fit takes 2,000 steps instead of 8,000, that by bsivi as many with 64 outer and 512 inner samples. The flow is affine autoregressive with 64 particles and 2,000 steps. As published but for 64 inner samples instead of 9,182, and couplings of width 16 instead of 64.")
    if name == "diffusion":
        found.append(
            "100 coordinates. The semi-implicit fit takes 64 outer and 32 inner samples and 2,000 steps instead of the defaults. The posterior is Gaussian to all that can be measured, so that a full-rank Gaussian is exact: this target can show that a semi-implicit family loses little, not that it gains. "
            "The proposal that is learned alone knows the family's location and triangle, by which it takes the point back to standard coordinates, and nothing of its linear map (`follow = false`): it is a Gaussian whose mean is linear in these, after couplings, learned in 2,000 steps before those of the family. "
            "As published, 32 couplings of width 400 and 32,768 inner samples a step are beyond a core: there is no such fit. "
            "\"Coordinate marginals\" is what was published as a log marginal likelihood (AISIVI 74.062, KSIVI 74.521 a point; other reference points): the mean over exact draws of the sum over coordinates of the logarithms of "
            "kernel densities. It does not see dependence: a mean field with the right variances reaches it."
        )
    return [text for line in found for text in (line, "")]


def draw_toys(groups, path):
    toys = [name for name in TARGETS if name in groups and not isinstance(TARGETS[name], Posterior)]
    shown = [method for method in METHODS if any("sketch" in record for name in toys for record in groups[name].get(method, []))]
    if not shown:
        return
    figure, panels = plt.subplots(len(shown), len(toys), figsize=(2.1 * len(toys), 2.1 * len(shown)), layout="constrained", squeeze=False)
    for axes, name in zip(panels[0], toys):
        axes.set_title(TITLES[name], fontsize=10)
    for row, method in zip(panels, shown):
        for axes, name in zip(row, toys):
            axes.set_xticks([])
            axes.set_yticks([])
            records = [record for record in groups[name].get(method, []) if "sketch" in record]
            if records:
                contour(axes, TARGETS[name])
                points = np.array(records[0]["sketch"])
                axes.plot(points[:, 0], points[:, 1], ",", color="#0072b2", alpha=0.8, rasterized=True)
        row[0].set_ylabel(METHODS[method].title)
    save(figure, path)


def contour(axes, target):
    exact = target.draws(4_000, np.random.default_rng(0))
    low, high = np.quantile(exact, [0.005, 0.995], axis=0)
    low, high = low - 0.3 * (high - low), high + 0.3 * (high - low)
    x, y = np.meshgrid(np.linspace(low[0], high[0], 80), np.linspace(low[1], high[1], 80))
    log_p = target.log_density(np.column_stack([x.ravel(), y.ravel()])).reshape(x.shape)
    # Regions that hold 50, 90 and 99 % of the mass.
    levels = np.quantile(target.log_density(exact), [0.01, 0.1, 0.5])
    # As lines, which are drawn with as few points as the eye needs; contours would keep one for each cell that they cross.
    for level in levels:
        for line in contour_generator(x, y, log_p).lines(level):
            axes.plot(line[:, 0], line[:, 1], color="#d55e00", linewidth=0.7)
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])


def pictures_section(groups):
    if not any("sketch" in record for methods in groups.values() for records in methods.values() for record in records):
        return ""
    return "## Draws\n\nA thousand draws of the first seed's fit (blue); regions that hold 50, 90 and 99 % of the target (orange).\n\n![Draws of the fits of the plane's targets](pictures/aisivi_toys.svg)"
