"""Writes the page of the benchmarks from the results of a run (a value, as in results.json)."""

from __future__ import annotations

import textwrap

import aims
from ratios import figure, geometric_mean, median, ratio, times


def page(results, pictures="pictures"):
    """The whole page as Markdown; `pictures` is the folder of the SVG files, relative to the page."""
    sections = [
        heading(results),
        summary(results),
        gradient_section(results, pictures),
        single_section(results, pictures),
        step_section(results, pictures),
        compile_section(results, pictures),
        draws_section(results),
        memory_section(results),
        limit_section(results),
        below_section(results),
        agreement_section(results),
        METHOD,
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def table(header, rows, left=1):
    """A Markdown table; the first `left` columns are words, the others figures."""
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join("---" if i < left else "---:" for i in range(len(header))) + "|"]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def words(text):
    return textwrap.dedent(text).strip()


def heading(results):
    machine, versions = results["machine"], results["versions"]
    busy = max(results["load_before"] or 0, results["load_after"] or 0)
    caches = ", ".join(f"{level} {size}" for level, size in machine["caches"].items())
    peers = ", ".join(f"{name} {versions[name]}" for name in ("stanli", "numpyro", "jax", "httpstan") if versions.get(name))
    text = f"""# Benchmarks

Written by `./dev bench` on {results['date']}: VModel beside Stan Math, stanli and NumPyro, all measured in one run on one machine. Nothing here is typed by hand; run it on your machine for your figures. The ratios carry over from machine to machine better than the times.

{table(["", ""], [
    ["machine", f"{machine['processor']}{' (virtual)' if machine['virtual'] else ''}, {machine['cores']} cores, {machine['memory_gib']} GiB; caches of a core {caches or 'unknown'}"],
    ["vector units", ", ".join(machine["vector_units"]) or "none known"],
    ["system", f"{machine['system']}, Linux {machine['kernel']}"],
    ["VModel", versions["vmodel"]],
    ["peers", f"{peers}; {versions['stanc']}"],
    ["C++ compiler", versions["compiler"]],
    ["run", f"{results['repeats']} pairs of runs of every figure, one thread on core {results['core']}; {results['minutes']:.0f} minutes"],
], left=2)}"""
    if not results.get("finished", True):
        text += "\n\n**Not finished**: `./dev bench --resume` goes on."
    if results.get("partial"):
        text += "\n\n**Some models only**, or fewer repeats than a whole run has."
    if busy > 1.7:
        text += f"\n\n**The machine was busy** (load {results['load_before']:.1f} before, {results['load_after']:.1f} after the run): the spread of the ratios says how much that matters."
    return text


def ratios_of(results, slower, faster):
    """Paired ratios by model, for those that have both."""
    found = {}
    for record in results["gradients"]:
        value = ratio(record["times"].get(slower), record["times"].get(faster))
        if value:
            found[record["model"]] = value
    return found


def best_stan(record):
    """The times of the faster of the two Stan programs."""
    plain, tuned = record["times"].get("stan"), record["times"].get("stan_tuned")
    return tuned if tuned and (not plain or median(tuned) < median(plain)) else plain


def step_ratios(results, particles, mine):
    """NumPyro's step over ours by model; `mine` is vmodel or vmodel_plain (the same where there are no sufficient statistics)."""
    found = {}
    for record in results["steps"]:
        t = record["times"]
        value = ratio(t.get("numpyro"), t.get(mine) or t.get("vmodel")) if record["particles"] == particles else None
        if value:
            found[record["model"]] = value
    return found


def summary(results):
    rows = []

    def line(text, found, aim="-", reached=lambda found: None):
        """`reached` says of each row whether the aim is met, where there is one."""
        if found:
            worst = min(found, key=lambda name: found[name].median)
            met = reached(found)
            rows.append([text, times(geometric_mean(found.values())), f"{times(found[worst].median)} ({worst})", len(found), aim, "-" if met is None else "yes" if met else "no"])

    def at_least(mean, least):
        return lambda found: geometric_mean(found.values()) >= mean and all(found[name].median >= least(name) for name in found)

    plain = ratios_of(results, "stan", "vmodel_plain")
    except_for = "".join(f" ({name} {least})" for name, least in aims.GRADIENT_LEAST_OF.items())
    line("gradients, 64 particles, no sufficient statistics, against Stan Math", plain, f"{aims.GRADIENT}x, least {aims.GRADIENT_LEAST}x{except_for}", at_least(aims.GRADIENT, aims.gradient_least))
    against_best = {r["model"]: ratio(best_stan(r), r["times"].get("vmodel_plain")) for r in results["gradients"]}
    line("the same against Stan Math with the tuned program", {name: value for name, value in against_best.items() if value})
    line("gradients, 64 particles, with sufficient statistics, against Stan Math", ratios_of(results, "stan", "vmodel"))
    line("one gradient, W = 1, no sufficient statistics, against stanli", ratios_of(results, "stanli", "vmodel_one_plain"), f"{aims.SINGLE}x, least {aims.SINGLE_LEAST}x", at_least(aims.SINGLE, lambda name: aims.SINGLE_LEAST))
    line("one gradient, W = 1, with sufficient statistics, against stanli's fast mode", ratios_of(results, "stanli_fast", "vmodel_one"))
    for particles in sorted({record["particles"] for record in results["steps"] if record["particles"]}):
        for mine, without, special in (("vmodel", "with", aims.STEP_OF), ("vmodel_plain", "no", aims.STEP_PLAIN_OF)):
            found = step_ratios(results, particles, mine)
            text = f"a step of the ELBO, {particles} particles, {without} sufficient statistics, against NumPyro"
            usual = {name: value for name, value in found.items() if name not in special}
            line(text, usual, f"least {aims.STEP}x", at_least(0, lambda name: aims.STEP))
            for name, least in special.items():
                line(f"{text}: {name}", {name: found[name]} if name in found else {}, f"{least}x", at_least(0, lambda name, least=least: least))
    line("code written by hand with AVX2, against which VModel", ratios_of(results, "hand", "vmodel_avx2"), f"least {aims.HAND}x", at_least(0, lambda name: aims.HAND))
    stan = {record["model"]: median(record["times"].get("stan")) for record in results["gradients"]}
    limits = {name: ratio([stan[name]], [nanoseconds]) for name, (nanoseconds, _) in aims.by_hand(results).items() if stan.get(name)}
    line("the limit: code written by hand with AVX2, or an estimate of it (below), against Stan Math", limits)
    text = "How many times faster VModel is, and what the project aims at:\n\n" + table(["", "geometric mean", "least", "models", "aim", "met"], rows)
    return text + limit_of_aim(limits, plain)


def limit_of_aim(limits, plain):
    """Says so where the aim for gradients lies above the limit; `limits` and `plain` are ratios to Stan Math by model."""
    both = set(limits) & set(plain)
    if not both or geometric_mean(limits.values()) >= aims.GRADIENT:
        return ""
    limit, ours = (geometric_mean(found[name] for name in both) for found in (limits, plain))
    return "\n\n" + words(
        f"""
        **The aim of {aims.GRADIENT}x lies above the limit on this machine.** Hand-written AVX2 code, or its estimate, is {times(limit)} as fast as Stan Math over {len(both)} models (geometric mean), and VModel is {times(ours)} over the same ones.
        What each model below {aims.GRADIENT_GOAL}x waits for stands under *What stops each model*.
        """
    )


def gradient_section(results, pictures):
    rows = []
    for record in results["gradients"]:
        t = record["times"]
        rows.append(
            [record["model"], record["dimension"], figure(median(t.get("stan"))), figure(median(t.get("stan_tuned"))), figure(median(t.get("vmodel_plain")))]
            + [cell(ratio(t.get("stan"), t.get("vmodel_plain")), record, "stan"), cell(ratio(best_stan(record), t.get("vmodel_plain")), record, "stan")]
            + [figure(median(t.get("vmodel"))), cell(ratio(t.get("stan"), t.get("vmodel")), record, "stan")]
        )
    text = words(
        """
        ## Gradients of 64 particles

        Nanoseconds for the log density and its gradient at one particle: 64 draws from the posterior, VModel with the machine's lanes, Stan Math with `log_prob_grad` in a C++ loop.
        *Stan* is the model as one writes it, with vectorised statements; *tuned* the same posterior with what Stan has for speed (`normal_id_glm`, `hmm_marginal`, whole-vector algebra) where that differs. *Plain* is VModel with `--plain`: no sufficient
        statistics. Ratios are medians over pairs of runs, with the least and the greatest.
        """
    )
    header = ["model", "dimension", "Stan", "Stan, tuned", "VModel, plain", "Stan / plain", "best Stan / plain", "VModel", "Stan / VModel"]
    return f"{text}\n\n![Stan Math's time over VModel's, for each model]({pictures}/gradients.svg)\n\n" + table(header, rows)


def middle(value):
    """The median of a ratio, without its spread."""
    return times(value.median if value else None)


def cell(value, record, peer):
    if value:
        return value
    return "refused" if peer in record.get("refused", {}) else "-"


def single_section(results, pictures):
    rows = []
    for record in results["gradients"]:
        t = record["times"]
        rows.append(
            [record["model"], figure(median(t.get("stanli"))), figure(median(t.get("stanli_tuned"))), figure(median(t.get("vmodel_one_plain")))]
            + [cell(ratio(t.get("stanli"), t.get("vmodel_one_plain")), record, "stanli")]
            + [figure(median(t.get("stanli_fast"))), figure(median(t.get("vmodel_one"))), cell(ratio(t.get("stanli_fast"), t.get("vmodel_one")), record, "stanli_fast")]
        )
    text = words(
        """
        ## One gradient at a time

        Nanoseconds for one evaluation: VModel with one lane (W = 1), stanli (an interpreter of Stan programs over Stan Math's functions) called from C++. stanli's fast mode may rewrite sums over data as sufficient statistics, hence it stands beside
        VModel with them, and its exact mode beside `--plain`.
        """
    )
    header = ["model", "stanli", "stanli, tuned", "VModel, plain", "stanli / plain", "stanli, fast", "VModel", "fast / VModel"]
    return f"{text}\n\n![stanli's time over VModel's at one point, for each model]({pictures}/single.svg)\n\n" + table(header, rows)


def step_section(results, pictures):
    if not results["steps"]:
        return ""
    rows = []
    for record in results["steps"]:
        t = record["times"]
        rows.append(
            [record["model"], record["particles"] or "-", micro(t.get("numpyro")), micro(t.get("vmodel_plain") or t.get("vmodel")), cell_of_step(record, "vmodel_plain")]
            + [micro(t.get("vmodel")), cell_of_step(record, "vmodel")]
            + [f"{1 / median(t['vmodel']):,.0f}" if t.get("vmodel") else "-", f"{record['first_step']:.1f}" if record.get("first_step") else "-"]
        )
    text = words(
        """
        ## A whole step of the ELBO

        Microseconds for a step of a mean-field normal family: draws, objective, pathwise gradients, Adam; the same plain algorithm on both sides. NumPyro: `AutoNormal`, `Trace_ELBO`, float64, all steps inside one compiled loop. VModel: the executable's `fit` without
        start, preconditioner and averages, from the seconds of its trace; *plain* without sufficient statistics. *First step* is from the start of Python to the end of NumPyro's first step, which VModel's compile times below are to be compared with.
        """
    )
    header = ["model", "particles", "NumPyro, µs", "VModel, plain, µs", "NumPyro / plain", "VModel, µs", "NumPyro / VModel", "VModel, steps a second", "NumPyro's first step, s"]
    return f"{text}\n\n![NumPyro's time over VModel's for a step]({pictures}/steps.svg)\n\n" + table(header, rows)


def cell_of_step(record, mine):
    t = record["times"]
    return ratio(t.get("numpyro"), t.get(mine) or t.get("vmodel")) or f"refused: {record.get('refused', 'not measured')}"


def micro(seconds):
    return figure(1e6 * median(seconds)) if seconds else "-"


def compile_section(results, pictures):
    if not results["vmodelc"]:
        return ""
    rows = []
    for record in results["vmodelc"]:
        rows.append(
            [record["model"], f"{record['cpu']:.3f}", f"{record['wall']:.3f}", f"{record['phases']['LLVM'] / 1e3:.3f}"]
            + [f"{median(record['over_llvm']):.2f}x", f"{record['memory_kib'] / 1024:.0f}"]
        )
    cpu = [record["cpu"] for record in results["vmodelc"]]
    over_llvm = [median(record["over_llvm"]) for record in results["vmodelc"]]
    text = words(
        f"""
        ## From source to an executable

        `vmodelc` with the default families (mean_field, full_rank, laplace), best of five with a warm file cache: seconds of user and system time, of the clock, LLVM's share of the latter (by `--time`), and peak memory in MiB.
        The median is **{figure(median(cpu))} s** of user and system time, the longest {figure(max(cpu))} s. The aim is {aims.COMPILE} s and {figure(aims.COMPILE_MOST)} s, or else {aims.COMPILE_OVER_LLVM} times LLVM's own share:
        on one core, where that is the processor's time, the whole takes **{figure(median(over_llvm))} times** as long as LLVM alone (median; at most {figure(max(over_llvm))} times).
        """
    )
    stan = [[record["model"], f"{record['wall']:.1f}", f"{record['cpu']:.1f}"] for record in results["stan_compilations"]]
    if stan:
        text += "\n\nStan (stanc, then the C++ compiler with a precompiled header), one program at a time:\n\n" + table(["program", "wall, s", "user and system, s"], stan)
    together = results.get("stan_compiled_together")
    if together:
        cpu_of = [cpu for _, cpu in together.values()]
        text += f"\n\nThis run compiled {len(together)} Stan programs, several at a time: a median of {median(cpu_of):.1f} s of user and system time each."
    return f"{text}\n\n![Compile times]({pictures}/compile.svg)\n\n" + table(["model", "user and system, s", "wall, s", "LLVM, s", "over LLVM", "memory, MiB"], rows)


def draws_section(results):
    draws = results["draws"]
    names = {
        "vmodel": "VModel: `vmodelc`, `fit` with its defaults, `sample`",
        "stanli": "stanli: NUTS, 4 chains of 1000 draws after 1000 of warm-up (exact up to Monte-Carlo error, where a fitted family is not)",
        "numpyro": "NumPyro: mean field, 2000 steps of 64 particles",
    }
    rows = [[names[who], figure(median(seconds))] for who, seconds in draws.items() if seconds]
    if not rows:
        return ""
    return "## From source to 4000 draws of the eight schools\n\nSeconds of the clock, all processes and their start-up included (aim for VModel: below 1):\n\n" + table(["", "seconds"], rows)


def memory_section(results):
    if not results["fits"]:
        return ""
    rows = [[r["model"], f"{r['memory_kib'] / 1024:.1f}", f"{r['seconds']:.2f}"] for r in results["fits"]]
    peers = {r["model"]: r["memory_kib"] for r in results["steps"] if r.get("memory_kib")}
    text = "## Memory\n\nPeak resident memory of `fit` with 200 steps of 64 particles, one thread, and its time with reading the data"
    text += "; NumPyro's peak with 64 particles" if peers else ""
    header = ["model", "MiB", "seconds"] + (["NumPyro, MiB"] if peers else [])
    rows = [row + ([f"{peers[row[0]] / 1024:.0f}" if row[0] in peers else "-"] if peers else []) for row in rows]
    text += ".\n\n" + table(header, rows)
    if results["growth"]:
        grown = [[f"{r['observations']:,}", r["particles"], r["threads"], f"{r['data_kib']:,}", f"{r['memory_kib'] / 1024:.1f}"] for r in results["growth"]]
        text += "\n\nGrowth with observations, particles and threads (kidscore_momiq, larger data made up; the data file as JSON beside it):\n\n"
        text += table(["observations", "particles", "threads", "data file, KiB", "MiB"], grown, left=0)
    return text


def limit_section(results):
    rows = []
    for record in results["gradients"]:
        t = record["times"]
        if t.get("vmodel_avx2"):
            known, here = aims.known_ratio(record["model"]), ratio(t.get("stan"), t["vmodel_avx2"])
            rows.append(
                [record["model"], figure(median(t.get("hand"))), figure(median(t["vmodel_avx2"])), ratio(t.get("hand"), t["vmodel_avx2"]) or "-"]
                + [figure(median(t["vmodel_plain"])), middle(here), middle(ratio(t.get("stan"), t.get("hand"))), times(known)]
            )
    if not rows:
        return ""
    text = words(
        f"""
        ## The limit

        Nanoseconds a particle of gradients written by hand with AVX2 intrinsics, eight particles a call (`bench/hand/`), beside VModel without sufficient statistics, compiled for the same instructions (`--march=x86-64-v3`), and for this machine.
        A ratio of 1 would be as fast as the hand-written code; the aim is {aims.HAND}. Tested against the compiled gradient like every peer.
        *Known* is how many times faster than Stan Math hand-written code was on another machine ({aims.LIMITS["machine"]}), with another build of Stan.
        """
    )
    header = ["model", "by hand", "VModel, AVX2", "by hand / VModel", "VModel, this machine", "Stan / VModel, AVX2", "Stan / by hand", "known"]
    return f"{text}\n\n" + table(header, rows)


def below_section(results):
    """The models below what each could reach, with what is known of the limit."""
    rows, limits = [], aims.by_hand(results)
    for record in results["gradients"]:
        t, name = record["times"], record["model"]
        plain, one = ratio(t.get("stan"), t.get("vmodel_plain")), ratio(t.get("stanli"), t.get("vmodel_one_plain"))
        few, slow = plain and plain.median < aims.GRADIENT_GOAL, one and one.median < aims.SINGLE_LEAST
        if few or slow:
            nanoseconds, measured = limits.get(name, (None, True))
            limit = median(t["stan"]) / nanoseconds if nanoseconds and t.get("stan") else None
            rows.append(
                [name, aims.made_of(name) or "-", aims.bound_by(name, results) or "-", middle(plain), ("" if measured else "about ") + times(limit)]
                + [times(aims.known_ratio(name)), middle(one)]
            )
    if not rows:
        return ""
    text = words(
        f"""
        ## What stops each model

        Models with less than {aims.GRADIENT_GOAL} times Stan Math's throughput, or slower than stanli at one point, both without sufficient statistics. *By hand* is how many times faster than Stan Math hand-written AVX2 code is here; where a model has none, an estimate: what it is made of,
        each kind of term at what it costs in the hand-written code that consists of it (*bound by* gives the shares of that estimate). Machines with wider vectors can be above it. *Known* is the measured ratio on another machine ({aims.LIMITS["machine"]}), with another build of Stan.
        """
    )
    rows.sort(key=lambda row: row[0])
    return f"{text}\n\n" + table(["model", "made of", "bound by", "Stan / plain", "Stan / by hand", "known", "stanli / plain, W = 1"], rows, left=3)


def agreement_section(results):
    worst = {}
    refused = [f"- {failure}" for failure in results.get("failures", [])]
    for record in results["gradients"]:
        for peer, found in record["agreement"].items():
            before = worst.get(peer, (0.0, 0.0))
            worst[peer] = (max(before[0], float(found["density"])), max(before[1], float(found["gradient"])))
        refused += [f"- {record['model']}, {PEERS.get(peer, peer)}: {reason}" for peer, reason in record["refused"].items()]
    for record in results["steps"]:
        found = record.get("agreement")
        if found:
            before = worst.get("numpyro", (0.0, 0.0))
            worst["numpyro"] = (max(before[0], float(found["density"])), max(before[1], float(found["gradient"])))
        if record.get("refused"):
            refused.append(f"- {record['model']}, a step of {record['particles'] or 'any number of'} particles: {record['refused']}")
    rows = [[PEERS.get(peer, peer), f"{density:.1e}", f"{gradient:.1e}"] for peer, (density, gradient) in worst.items()]
    text = words(
        """
        ## Agreement

        Before anything is timed, every peer's log densities (differences between points) and gradients at the same draws are compared with VModel's without sufficient statistics, which are sums over the data like theirs; a row that differs by more than 1e-8 is refused
        (`bench/agreement.py` derives that from rounding, and says which models have a limit of their own). VModel's own row is what its sufficient statistics differ by. The worst relative errors over all models:
        """
    )
    text += "\n\n" + table(["peer", "differences of log densities", "gradients"], rows)
    if refused:
        text += "\n\nRefused in this run:\n\n" + "\n".join(refused)
    return text


PEERS = {
    "vmodel_plain": "VModel without sufficient statistics",
    "vmodel": "VModel",
    "vmodel_one_plain": "VModel, W = 1, without sufficient statistics",
    "vmodel_one": "VModel, W = 1",
    "vmodel_avx2": "VModel for AVX2",
    "stan": "Stan Math",
    "stan_tuned": "Stan Math, tuned programs",
    "stanli": "stanli",
    "stanli_tuned": "stanli, tuned programs",
    "stanli_fast": "stanli, fast mode",
    "hand": "by hand",
    "numpyro": "NumPyro",
}

METHOD = words(
    """
    ## How it is measured

    - Every figure is the least of seven batches of at least 50 ms each; that is done in turn for all programs of a model, in alternating order, as often as the head of this page says. A ratio is one of neighbouring runs.
    - One thread, pinned to one core. Points are 64 draws from the posterior, the same for all.
    - Stan programs and NumPyro models are written for this purpose from the mathematics of the posteriors (`bench/stan`, `bench/numpyro_models.py`). Stan is compiled with `stanc --O1`, `-O3 -march=native`, a precompiled header.
    - VModel's figures come from its own commands (`benchmark`, `fit`), the kernels that are timed are those that `log-density` calls, and their results are compared as well.
    - Not measured: posterior quality ([gold.md](gold.md) has that), other machines, GPUs, more than one thread.

    [bench/README.md](../bench/README.md) says how to run parts of it and how to add a model.
    """
)


def pictures(results):
    """What pictures.py draws: a list of charts."""

    def paired(slower, faster):
        return [[name, r.median, r.least, r.most] for name, r in ratios_of(results, slower, faster).items()]

    charts = [
        {
            "file": "gradients.svg",
            "title": "Stan Math's time for a gradient over VModel's (64 particles)",
            "series": [
                {"name": "no sufficient statistics", "points": paired("stan", "vmodel_plain")},
                {"name": "the same, Stan with the tuned program", "points": paired("stan_tuned", "vmodel_plain")},
                {"name": "with sufficient statistics", "points": paired("stan", "vmodel")},
            ],
        },
        {
            "file": "single.svg",
            "title": "stanli's time for one gradient over VModel's (W = 1)",
            "series": [
                {"name": "no sufficient statistics", "points": paired("stanli", "vmodel_one_plain")},
                {"name": "stanli's fast mode, VModel with sufficient statistics", "points": paired("stanli_fast", "vmodel_one")},
            ],
        },
    ]
    by_particles = {}
    for record in results["steps"]:
        found = ratio(record["times"].get("numpyro"), record["times"].get("vmodel_plain") or record["times"].get("vmodel"))
        if found:
            by_particles.setdefault(record["particles"], []).append([record["model"], found.median, found.least, found.most])
    charts.append(
        {
            "file": "steps.svg",
            "title": "NumPyro's time for a step of the ELBO over VModel's (no sufficient statistics)",
            "series": [{"name": f"{particles} particles", "points": points} for particles, points in sorted(by_particles.items())],
        }
    )
    compiled = [{"name": "VModel, user and system time", "points": [[r["model"], r["cpu"], r["cpu"], r["cpu"]] for r in results["vmodelc"]]}]
    if results["stan_compilations"]:
        compiled.append({"name": "Stan", "points": [[r["model"], r["cpu"], r["cpu"], r["cpu"]] for r in results["stan_compilations"]]})
    charts.append({"file": "compile.svg", "title": "From source to an executable", "axis": "seconds", "series": compiled})
    return charts
