"""The benchmarks' harness: all of it that needs neither time nor network. Nothing here is timed."""

import copy
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
from decimal import Decimal

from vmodel_testing import SOURCE, compile_model, slow

BENCH = SOURCE / "bench"
sys.path.insert(0, str(BENCH))
import agreement  # noqa: E402
import aims  # noqa: E402
import command  # noqa: E402
import gradients  # noqa: E402
import machine  # noqa: E402
import models  # noqa: E402
import progress  # noqa: E402
import ratios  # noqa: E402
import report  # noqa: E402
from peers import vmodel  # noqa: E402
from peers.stan import compile_loop  # noqa: E402
from peers.worker import Worker, WorkerError  # noqa: E402

# Of a run of three models with two repeats.
RECORDED = pathlib.Path(__file__).resolve().parent / "recorded.json"


class Steps(unittest.TestCase):
    def test_runs_grow_until_they_are_long_enough(self):
        asked = []

        def run(steps):
            asked.append(steps)
            return 0.001 * steps, steps - 1

        seconds, steps = machine.long_enough(run, 10, 0.5)
        self.assertEqual(asked, [10, 651])
        self.assertEqual((seconds, steps), (0.651 / 650, 651))

    def test_times_are_those_between_the_rows_of_a_trace(self):
        with tempfile.TemporaryDirectory() as folder:
            trace = pathlib.Path(folder) / "trace.csv"
            trace.write_text("step,seconds,skipped\n1,0.5,0\n101,2.5,1\n")
            self.assertEqual(vmodel.step_times(folder), (2.0, 100))
            trace.write_text("step,seconds,skipped\n1,0.5,0\n101,2.5,2\n")
            self.assertRaises(RuntimeError, vmodel.step_times, folder)


class Ratios(unittest.TestCase):
    def test_ratios_are_of_neighbouring_runs(self):
        found = ratios.ratio([10, 30, 20], [1, 2, 4])
        self.assertEqual((found.median, found.least, found.most), (10, 5, 15))

    def test_runs_that_cannot_be_paired_have_no_ratio(self):
        self.assertIsNone(ratios.ratio([1, 2], [1]))
        self.assertIsNone(ratios.ratio([], []))
        self.assertIsNone(ratios.ratio(None, [1]))

    def test_geometric_mean_is_of_medians(self):
        self.assertAlmostEqual(ratios.geometric_mean([ratios.ratio([4], [1]), None, ratios.ratio([9], [1])]), 6)
        self.assertIsNone(ratios.geometric_mean([]))

    def test_three_significant_figures(self):
        written = [ratios.figure(x) for x in (0.01234, 0.9996, 1.234, 12.34, 123.4, 1234.5, 99.96)]
        self.assertEqual(written, ["0.0123", "1.000", "1.23", "12.3", "123", "1,230", "100.0"])


class Agreement(unittest.TestCase):
    reference = [(-10.0, [1.0, -2.0]), (-12.0, [0.5, 1e-9]), (-11.0, [3.0, 4.0])]

    def agrees(self, computed):
        return agreement.compare(self.reference, computed)["agrees"]

    def test_constants_cancel(self):
        self.assertTrue(self.agrees([(value + 7.5, gradient) for value, gradient in self.reference]))

    def test_another_difference_is_refused(self):
        wrong = [self.reference[0], (-12.0 + 1e-7, self.reference[1][1]), self.reference[2]]
        self.assertFalse(self.agrees(wrong))

    def test_another_gradient_is_refused(self):
        wrong = [self.reference[0], self.reference[1], (-11.0, [3.0, 4.0 * (1 + 1e-7)])]
        self.assertFalse(self.agrees(wrong))

    def test_components_that_are_zero_but_for_rounding_are_no_reason(self):
        self.assertTrue(self.agrees([self.reference[0], (-12.0, [0.5, 1.001e-9]), self.reference[2]]))

    def test_an_ill_conditioned_model_has_a_limit_of_its_own(self):
        nearly = [(value, [x * (1 + 1e-7) for x in gradient]) for value, gradient in self.reference]
        self.assertFalse(self.agrees(nearly))
        self.assertTrue(agreement.compare(self.reference, nearly, agreement.limit("gp_pois_regr"))["agrees"])
        self.assertEqual(agreement.limit("blr"), agreement.LIMIT)

    def test_nan_is_refused(self):
        self.assertFalse(self.agrees([self.reference[0], (math.nan, self.reference[1][1]), self.reference[2]]))
        self.assertFalse(self.agrees([self.reference[0], self.reference[1], (-11.0, [3.0, math.nan])]))
        self.assertFalse(self.agrees([(math.nan, [1.0, -2.0]), *self.reference[1:]]))

    def test_a_gradient_of_another_length_is_refused(self):
        self.assertFalse(self.agrees([self.reference[0], self.reference[1], (-11.0, [3.0])]))

    def test_peers_are_compared_with_sums_over_the_data(self):
        asked = []

        class Model(vmodel.Model):
            def command(self, name, *options):
                asked.append((name, "--plain" in options))
                answer = {"unconstrained": {"x": [1.0]}, "log_density_with_jacobian": -2.0, "gradient_with_jacobian": {"x": [0.5]}}
                return json.dumps([answer])

        class Named:
            dimension_names = ["x"]

        with tempfile.TemporaryDirectory() as folder:
            model = Model(pathlib.Path(folder) / "model", Named)
            self.assertEqual(model.evaluate([{"x": 1.0}]), ([[1.0]], [(-2.0, [0.5])]))
            self.assertEqual(model.with_statistics(), [(-2.0, [0.5])])
        self.assertEqual(asked, [("log-density", True), ("log-density", False)])

    def test_the_limit_leaves_room_for_the_rounding_of_sums_that_cancel(self):
        case = models.cases(["diamonds"])[0]
        model = vmodel.Model(compile_model(case.source), case)
        points, reference = model.evaluate(case.points(2))
        data = json.loads(models.read(case.data))
        rows = [[Decimal(x) for x in row[1:]] for row in data["X"]]
        outcomes = [Decimal(y) for y in data["Y"]]
        means = [sum(column) / len(rows) for column in zip(*rows)]
        rows = [[x - mean for x, mean in zip(row, means)] for row in rows]
        for point, (_, gradient) in zip(points, reference):
            *b, intercept, log_sigma = map(Decimal, point)
            precision = (-2 * log_sigma).exp()
            largest = max(map(abs, gradient))
            residuals = [y - intercept - sum(x * c for x, c in zip(row, b)) for row, y in zip(rows, outcomes)]
            sizes = [abs(y) + abs(intercept) + sum(abs(x * c) for x, c in zip(row, b)) for row, y in zip(rows, outcomes)]
            for k, found in enumerate(gradient[: len(b)]):
                exact = precision * sum(row[k] * r for row, r in zip(rows, residuals)) - b[k]
                rounding = Decimal(2) ** -53 * precision * sum(abs(row[k]) * size for row, size in zip(rows, sizes))
                self.assertLessEqual(abs(Decimal(found) - exact), rounding)
                self.assertLessEqual(5 * float(rounding), agreement.LIMIT * max(abs(found), 1e-3 * largest))

    def test_timed_code_with_another_checksum_is_an_error(self):
        class Model:
            case = models.cases(["blr"])[0]

            def __init__(self, checksum):
                self.checksum = checksum

            def benchmark(self, particles, *options):
                return {"checksum": self.checksum, "ns_per_particle_gradient": 5.0}

        right = sum(value + sum(gradient) for value, gradient in self.reference)
        self.assertEqual(gradients.time(Model(right), self.reference, 3), 5.0)
        for wrong in (right * (1 + 1e-6), "nan"):
            with self.assertRaises(RuntimeError):
                gradients.time(Model(wrong), self.reference, 3)


class Models(unittest.TestCase):
    def test_every_model_with_references_has_a_stan_program(self):
        index = json.loads((models.POSTERIORDB / "index.json").read_text())
        names = {entry["model"] for entry in index} | {path.stem for path in (models.POSTERIORDB / "more").glob("*.vmodel")}
        self.assertEqual({case.name for case in models.cases()}, names)
        for case in models.cases():
            for path in (case.source, case.program, case.data, case.draws):
                self.assertTrue(path.is_file(), path)

    def test_points_have_the_parameters_and_their_shapes(self):
        for case in models.cases():
            points = case.points()
            self.assertEqual(len(points), models.POINTS, case.name)
            for point in points:
                for parameter in case.parameters:
                    size = math.prod(parameter["shape"])
                    self.assertEqual(len(models.flat(point[parameter["name"]])), size, (case.name, parameter["name"]))

    def test_coordinates_are_in_the_order_of_the_declarations(self):
        for case in models.cases():
            declared = re.findall(r"^  (?:noncentered )?param (\w+):", case.source.read_text(), re.M)
            self.assertEqual(case.dimension_names, declared, case.name)

    def test_mixtures_lie_between_the_points_and_are_always_the_same(self):
        points = {"a": [1.0, 2.0, 4.0], "b": [[[0.0, 1.0]], [[1.0, 0.0]], [[0.5, 0.5]]]}
        mixed = models.mixtures(points, 3, 5)
        self.assertEqual(mixed, models.mixtures(points, 3, 5))
        self.assertEqual(len({point["a"] for point in mixed}), 5)
        for point in mixed:
            self.assertTrue(1 < point["a"] < 4)
            self.assertAlmostEqual(sum(point["b"][0]), 1)

    def test_packed_data_are_unpacked(self):
        diamonds = models.cases(["diamonds"])[0]
        self.assertEqual(diamonds.data.suffix, ".json")
        data = json.loads(diamonds.data.read_text())
        self.assertEqual((len(data["X"]), len(data["X"][0])), (data["N"], data["K"]))

    def test_stan_programs_declare_the_parameters_in_order(self):
        for case in models.cases():
            for program in filter(None, (case.program, case.tuned)):
                block = re.search(r"\nparameters \{(.*?)\n\}", re.sub(r"//.*", "", program.read_text()), re.S).group(1)
                self.assertEqual(re.findall(r"(\w+);", block), case.dimension_names, program)

    def test_unknown_model_is_named(self):
        process = subprocess.run([BENCH / "run", "no_such_model"], capture_output=True, text=True)
        self.assertEqual(process.returncode, 1)
        self.assertIn("no model no_such_model", process.stderr)

    def test_versions_are_pinned(self):
        lines = [line for line in (BENCH / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
        self.assertTrue(lines)
        for line in lines:
            self.assertRegex(line, r"^[a-z]+==[0-9.]+$")


class Programs(unittest.TestCase):
    """The processes that are measured."""

    def test_phases_of_the_compiler(self):
        text = "phase           ms   share\nparse          0.8      0 %\nLLVM         626.4     78 %\ntotal        804.8    100 %\n"
        self.assertEqual(vmodel.phases(text), {"parse": 0.8, "LLVM": 626.4, "total": 804.8})

    def test_usage_of_a_process(self):
        used = machine.run([sys.executable, "-c", "print(sum(range(3000000)))"])
        self.assertEqual(used.output, "4499998500000\n")
        self.assertGreater(used.cpu, 0)
        with self.assertRaisesRegex(RuntimeError, "status 3"):
            machine.run([sys.executable, "-c", "raise SystemExit(3)"])

    def test_peak_memory_is_the_command_s_own(self):
        ours = bytearray(100 << 20)  # resident: a child that is forked from here inherits this peak
        with tempfile.TemporaryDirectory() as scratch:
            meter = compile_loop(BENCH / "loop" / "usage.cpp", pathlib.Path(scratch) / "usage")
            large = machine.run([sys.executable, "-c", "x = bytearray(60 << 20)"], meter=meter)
            small = machine.run(["true"], meter=meter)
            self.assertGreater(large.memory_kib, 60 << 10)
            self.assertLess(small.memory_kib, 20 << 10)
            self.assertEqual(machine.run(["false"], check=False, meter=meter).status, 1)
        self.assertEqual(len(ours), 100 << 20)

    def test_a_pinned_process_stays_on_its_core(self):
        core = machine.default_core()
        used = machine.run([sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))"], core=core)
        self.assertEqual(used.output, f"[{core}]\n")

    def test_worker_answers_and_says_why_it_ends(self):
        program = "import sys\nfor line in sys.stdin:\n    if 'end' in line: sys.exit('no such density')\n    print('[[\"-inf\", 1.5]]' if line == 'densities\\n' else 1, flush=True)\n"
        with Worker([sys.executable, "-c", program]) as worker:
            self.assertEqual(worker.densities([[0.25]]), [(-math.inf, [1.5])])
            with self.assertRaisesRegex(WorkerError, "no such density"):
                worker.ask("end")


@unittest.skipUnless({"avx2", "fma"} <= set(machine.describe()["vector_units"]), "needs AVX2")
class Hand(unittest.TestCase):
    """The gradients written by hand are those of the compiled models."""

    def agrees(self, name):
        case = models.cases([name])[0]
        with tempfile.TemporaryDirectory() as scratch:
            program = compile_loop(case.hand, pathlib.Path(scratch) / "hand", *gradients.HAND_FLAGS, f"-I{BENCH}/hand", "-O1")
            model = vmodel.Model(compile_model(case.source), case)
            points, reference = model.evaluate(case.points(13))  # 13: an incomplete group of eight as well
            with Worker([program, case.data]) as worker:
                found = agreement.compare(reference, worker.densities(points))
            self.assertTrue(found["agrees"], found)

    def test_garch11(self):
        self.agrees("garch11")

    @slow
    def test_the_others(self):
        for case in models.cases():
            if case.hand and case.name != "garch11":
                with self.subTest(case.name):
                    self.agrees(case.name)


class Case:
    def __init__(self, name):
        self.name = name


class Progress(unittest.TestCase):
    """Runs that are cut off and continued."""

    head = {key: f"the {key}" for key in progress.IDENTITY}

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name) / "results.json"
        self.measured = []

    def measurement(self, case):
        if case.name == "wrong":
            raise RuntimeError(f"$ {SOURCE}/bin/vmodelc: it does not agree")
        self.measured.append(case.name)
        return {"model": case.name}

    def measure(self, run, *names):
        run.each("gradients", "gradients", [Case(name) for name in names], self.measurement)

    def test_records_are_saved_as_they_come(self):
        self.measure(progress.Progress(self.path, self.head), "b", "wrong", "a")
        saved = json.loads(self.path.read_text())
        self.assertEqual({record["model"] for record in saved["gradients"]}, {"a", "b"})
        self.assertEqual(saved["failures"], ["wrong, gradients: $ bin/vmodelc: it does not agree"])
        self.assertFalse(saved["finished"])
        self.assertEqual(report.page(json.loads(RECORDED.read_text()) | {"finished": False}).count("**Not finished**"), 1)

    def test_a_run_goes_on_where_it_was_cut_off(self):
        self.measure(progress.Progress(self.path, self.head), "b", "a", "wrong")
        resumed = progress.Progress(self.path, self.head, resume=True)
        self.measure(resumed, "b", "a", "c", "wrong")
        self.assertEqual(self.measured, ["b", "a", "c"])
        self.assertEqual([record["model"] for record in resumed.results["gradients"]], ["a", "b", "c"])
        self.assertEqual(len(resumed.results["failures"]), 1)
        self.measure(progress.Progress(self.path, self.head), "a")
        self.assertEqual(self.measured, ["b", "a", "c", "a"])

    def test_single_values_are_measured_once(self):
        for _ in range(2):
            run = progress.Progress(self.path, self.head, resume=True)
            run.once("growth", "growth of memory", lambda: self.measured.append(1) or [{"threads": 1}])
        self.assertEqual(self.measured, [1])

    def test_runs_of_other_programs_are_not_mixed(self):
        self.measure(progress.Progress(self.path, self.head), "a")
        with self.assertRaisesRegex(ValueError, "other versions"):
            progress.Progress(self.path, self.head | {"versions": "newer"}, resume=True)

    def test_a_commit_does_not_end_a_run(self):
        for revision in ("a1", "b2"):
            run = progress.Progress(self.path, self.head | {"versions": {"vmodel": revision, "build": "the same"}}, resume=True)
            self.measure(run, "a")
        self.assertEqual(self.measured, ["a"])

    def test_nothing_begins_after_the_minutes(self):
        run = progress.Progress(self.path, self.head, minutes=0)
        with self.assertRaises(progress.OutOfTime):
            self.measure(run, "a")
        self.assertEqual(self.measured, [])

    def test_a_page_can_be_written_of_nothing(self):
        recorded = json.loads(RECORDED.read_text())
        head = {key: recorded[key] for key in ("date", "repeats", "core", "machine", "versions", "load_before")}
        results = progress.Progress(self.path, self.head | head).results | {"load_after": 0.0}
        self.assertNotIn("## From source", report.page(results))
        self.assertTrue(report.pictures(results))


class Report(unittest.TestCase):
    """The page, from a recorded run."""

    def setUp(self):
        self.results = json.loads(RECORDED.read_text())

    def tables(self, page):
        return re.findall(r"(?:^\|.*\n)+", page, re.M)

    def test_every_model_has_its_rows(self):
        page = report.page(self.results)
        for record in self.results["gradients"]:
            self.assertGreaterEqual(page.count(f"| {record['model']} |"), 4, record["model"])
        for section in ("Gradients of 64 particles", "One gradient at a time", "A whole step", "From source to an executable", "Memory", "The limit", "Agreement"):
            self.assertIn(f"\n## {section}", page)

    def test_rows_are_as_wide_as_their_header(self):
        for text in self.tables(report.page(self.results)):
            widths = {line.count("|") for line in text.splitlines()}
            self.assertEqual(len(widths), 1, text)

    def test_ratios_stand_in_the_tables(self):
        record = next(r for r in self.results["gradients"] if r["model"] == "garch11")
        record["times"].update(stan=[400.0, 400.0], stan_tuned=[300.0, 200.0], vmodel_plain=[10.0, 10.0])
        page = report.page(self.results)
        self.assertIn("| 40.0x (40.0 to 40.0) | 25.0x (20.0 to 30.0) |", page)

    def test_compile_times_stand_beside_llvm_s_own_share(self):
        for record, over in zip(self.results["vmodelc"], (1.5, 1.25, 1.75), strict=True):
            record["over_llvm"] = [over, over + 1, over - 1]
        page = report.page(self.results)
        self.assertIn("the whole takes **1.50 times** as long as LLVM alone (median; at most 1.75 times)", page)
        self.assertIn(" | 1.25x | ", page)

    def test_a_refused_peer_is_named_and_has_no_ratio(self):
        record = next(r for r in self.results["gradients"] if r["model"] == "garch11")
        for name in ("stan", "stan_tuned"):
            del record["times"][name]
            record["refused"][name] = "does not agree: density 0.5, gradient 0.25"
        page = report.page(self.results)
        self.assertIn("- garch11, Stan Math: does not agree: density 0.5, gradient 0.25", page)
        row = next(line for line in page.splitlines() if line.startswith("| garch11 | 4 |"))
        self.assertIn("| refused |", row)

    def test_models_below_the_aim_are_named_with_what_limits_them(self):
        for record in self.results["gradients"]:
            far = record["model"] != "garch11"
            record["times"].update(stan=[1000.0], vmodel_plain=[10.0 if far else 40.0], stanli=[20.0], vmodel_one_plain=[10.0])
        page = report.page(self.results)
        below = page[page.index("## What stops each model") :]
        below = below[: below.index("## Agreement")]
        self.assertIn("| garch11 | - | latency from step to step (100%) | 25.0x |", below)
        others = [record["model"] for record in self.results["gradients"] if record["model"] != "garch11"]
        self.assertTrue(others)
        for name in others:
            self.assertNotIn(f"| {name} |", below)

    def test_aims_are_met_or_not(self):
        for record in self.results["gradients"]:
            record["times"].update(stan=[1000.0], vmodel_plain=[10.0])
        row = next(line for line in report.page(self.results).splitlines() if "no sufficient statistics, against Stan Math" in line)
        self.assertTrue(row.endswith("| yes |"), row)
        self.results["gradients"][0]["times"]["vmodel_plain"] = [250.0]
        row = next(line for line in report.page(self.results).splitlines() if "no sufficient statistics, against Stan Math" in line)
        self.assertTrue(row.endswith("| no |"), row)

    def test_diamonds_has_aims_of_its_own(self):
        self.assertEqual((aims.gradient_least("diamonds"), aims.gradient_least("blr")), (2, 5))
        step = {"model": "diamonds", "particles": 8, "times": {"numpyro": [60.0], "vmodel": [1.0], "vmodel_plain": [10.0]}}
        self.results["steps"] = [step | {"first_step": 12.0}]
        rows = [line for line in report.page(self.results).splitlines() if line.startswith("| a step of the ELBO, 8 particles")]
        self.assertEqual(len(rows), 2)
        self.assertRegex(rows[0], r"60.0x .*\| 50x \| yes \|$")
        self.assertRegex(rows[1], r"6.00x .*\| 3x \| yes \|$")

    def test_limits_name_models_that_are_measured(self):
        names = {case.name for case in models.cases()}
        self.assertLessEqual(set(aims.LIMITS["nanoseconds"]) | set(aims.LIMITS["terms"]) | set(aims.LIMITS["bounds"]), names)
        by_hand = {case.name for case in models.cases() if case.hand}
        self.assertLessEqual({unit["model"] for unit in aims.LIMITS["units"].values()}, by_hand)
        self.assertLessEqual({kind for terms in aims.LIMITS["terms"].values() for kind in terms}, set(aims.LIMITS["units"]))

    def test_limits_are_measured_or_estimated_from_what_was(self):
        units = aims.LIMITS["units"]
        unit = units["logistic terms"]
        records = [{"model": unit["model"], "times": {"hand": [2.0 * unit["count"]]}}, {"model": "dogs", "times": {}}]
        found = aims.by_hand({"gradients": records})
        self.assertEqual(found[unit["model"]], (2.0 * unit["count"], True))
        self.assertEqual(found["dogs"], (2.0 * 750, False))
        self.assertNotIn("irt_2pl", found)  # it has terms of a kind that was not measured

    def test_what_a_model_waits_for_is_named_with_its_share(self):
        units = aims.LIMITS["units"]
        logistic, coordinates = units["logistic terms"], units["coordinates"]
        records = [{"model": unit["model"], "times": {"hand": [cost * unit["count"]]}} for unit, cost in ((logistic, 1.0), (coordinates, 0.5))]
        results = {"gradients": records}
        self.assertEqual(aims.bound_by("GLMM_Poisson_model", results), f"{logistic['bound']} (64%); {coordinates['bound']} (36%)")
        self.assertEqual(aims.bound_by("irt_2pl", results), f"{logistic['bound']} (97%)")
        self.assertEqual(aims.bound_by("arma11", results), units["steps of a recurrence"]["bound"])  # not measured: no share
        self.assertEqual(aims.bound_by("gp_regr", results), aims.LIMITS["bounds"]["gp_regr"])
        self.assertEqual(aims.bound_by("no_such_model", results), "")

    def test_an_aim_above_the_limit_is_said(self):
        for record in self.results["gradients"]:
            record["times"].update(stan=[1000.0], vmodel_plain=[20.0], hand=[25.0])
        self.assertIn("**The aim of 60x lies above the limit on this machine.** Hand-written AVX2 code, or its estimate, is 40.0x", report.page(self.results))
        for record in self.results["gradients"]:
            record["times"].update(hand=[10.0])
        self.assertNotIn("lies above the limit", report.page(self.results))

    def test_failures_are_named(self):
        self.results["failures"] = ["garch11, gradients: no such file"]
        self.assertIn("Refused in this run:\n\n- garch11, gradients: no such file\n", report.page(self.results))

    def test_a_busy_machine_is_said(self):
        self.results.update(load_before=0.1, load_after=0.9)
        self.assertNotIn("machine was busy", report.page(self.results))
        self.results["load_before"] = 3.0
        self.assertIn("machine was busy", report.page(self.results))

    def test_a_partial_run_says_so(self):
        self.assertNotIn("Some models only", report.page(self.results | {"partial": False}))
        self.assertIn("Some models only", report.page(self.results | {"partial": True}))

    def test_parts_that_were_not_measured_are_left_out(self):
        results = copy.deepcopy(self.results)
        results.update(steps=[], growth=[], draws={}, fits=[], stan_compilations=[], stan_compiled_together={})
        for record in results["gradients"]:
            for name in ("hand", "vmodel_avx2"):
                record["times"].pop(name, None)
        page = report.page(results)
        self.assertNotIn("## A whole step", page)
        self.assertNotIn("## The limit", page)
        self.assertNotIn("## Memory", page)
        self.assertTrue(report.pictures(results))

    def test_pictures_hold_every_ratio(self):
        charts = {chart["file"]: chart for chart in report.pictures(self.results)}
        for file in ("gradients.svg", "single.svg", "steps.svg", "compile.svg"):
            self.assertIn(file, charts)
            self.assertTrue(any(series["points"] for series in charts[file]["series"]), file)
        names = [point[0] for point in charts["gradients.svg"]["series"][0]["points"]]
        self.assertEqual(names, [record["model"] for record in self.results["gradients"]])

    def test_a_partial_run_leaves_the_documentation_alone(self):
        self.assertEqual(command.parse(["--quick"]).repeats, 1)
        self.assertEqual(command.parse(["garch11"]).models, ["garch11"])
        self.assertEqual(command.parse(["--resume", "--minutes", "9"]).minutes, 9)
        self.assertEqual(command.parse(["parts", "--benchmark_filter=map"]).models, ["parts", "--benchmark_filter=map"])
        self.assertTrue(command.is_partial(command.parse(["--quick"])))
        self.assertTrue(command.is_partial(command.parse(["garch11"])))
        self.assertFalse(command.is_partial(command.parse([])))


if __name__ == "__main__":
    unittest.main()
