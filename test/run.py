#!/usr/bin/env python3
"""Runs every test of VModel and sums up; `./dev test` calls it.

Three kinds of tests, each found by itself:

* unit: GoogleTest programs listed in BUILD/test/unit_tests.txt (names ending in Slow: --all only)
* lit: files below test/ with `// RUN:` lines (`REQUIRES: slow`: --all only)
* python: test/**/test_*.py, unittest cases (decorated with @slow: --all only)

The very last line is `N passed, N failed`, with `, N skipped` when there are any. The exit status
is 0 only if something ran and nothing failed. Only the standard library is used.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parent.parent
LIT = "/usr/lib/llvm-19/build/utils/lit/lit.py"
OUTPUT_LIMIT = 12_000  # characters of a failing test that are shown


@dataclasses.dataclass
class Result:
    """What became of one test case."""

    name: str
    status: str  # passed, failed or skipped
    seconds: float = 0.0
    output: str = ""


@dataclasses.dataclass
class Options:
    """How the tests are to be run."""

    build: pathlib.Path
    jobs: int
    slow: bool
    filter: "re.Pattern | None"
    scratch: pathlib.Path

    def wants(self, name):
        return self.filter is None or self.filter.search(name) is not None

    @property
    def time_limit(self):
        """Seconds after which one program is taken to hang."""
        return 7200 if self.slow else 900


def environment(options):
    """The environment of unit and Python tests."""
    result = dict(os.environ)
    result["VMODEL_SOURCE_DIR"] = str(SOURCE)
    result["VMODEL_BUILD_DIR"] = str(options.build)
    result["VMODEL_ALL"] = "1" if options.slow else ""
    result["LC_ALL"] = "C"
    result["VMODEL_VERIFY"] = "1"
    return result


def execute(command, options, extra=None):
    """Runs a command; returns (status, output, seconds). Status is None when it ran out of time."""
    start = time.monotonic()
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=SOURCE,
        env=environment(options) | (extra or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=options.time_limit)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        output += f"\nstopped after {options.time_limit} s"
        status = None
    return status, output, time.monotonic() - start


def in_parallel(function, items, options):
    """Results of function(item) for all items, as one list."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=options.jobs) as pool:
        results = []
        for part in pool.map(function, items):
            results += part
        return results


# --- GoogleTest ------------------------------------------------------------------------------
def list_unit_cases(program, options):
    """Names `Suite.Case` in a GoogleTest program, or an error as text."""
    status, output, _ = execute([program, "--gtest_list_tests"], options)
    if status != 0:
        return [], output
    cases, suite = [], ""
    for line in output.splitlines():
        text = line.split("#", 1)[0].rstrip()
        if text.endswith(".") and not text.startswith(" "):
            suite = text
        elif text.startswith("  ") and suite:
            cases.append(suite + text.strip())
    return cases, ""


def is_slow_unit_case(case):
    return re.search(r"Slow(/|$)", case) is not None


def run_unit_shard(program, cases, number, options):
    """Runs some cases of one GoogleTest program."""
    report = options.scratch / f"{program.name}-{number}.json"
    report.unlink(missing_ok=True)
    status, output, _ = execute(
        [program, f"--gtest_output=json:{report}"], options, {"GTEST_FILTER": ":".join(cases), "GTEST_COLOR": "no"}
    )
    seen = {}
    try:
        for suite in json.loads(report.read_text())["testsuites"]:
            for case in suite["testsuite"]:
                seen[f"{suite['name']}.{case['name']}"] = case
    except (OSError, ValueError, KeyError):
        pass
    results = []
    if not seen:
        return results_of_crash(program, cases, number, options, status, output)
    blocks = case_outputs(output)
    for case in cases:
        name = f"unit: {program.name} {case}"
        entry = seen.get(case)
        if entry is None:
            results.append(Result(name, "failed", 0.0, "no result was reported"))
            continue
        seconds = float(entry.get("time", "0s").rstrip("s"))
        if entry.get("failures"):
            text = blocks.get(case) or "\n".join(failure["failure"] for failure in entry["failures"])
            results.append(Result(name, "failed", seconds, text))
        elif entry.get("result") == "SKIPPED" or entry.get("status") == "NOTRUN":
            results.append(Result(name, "skipped", seconds))
        else:
            results.append(Result(name, "passed", seconds))
    if status != 0 and all(result.status != "failed" for result in results):
        # For example a leak that a sanitizer reports after the last case.
        results.append(Result(f"unit: {program.name} (whole program)", "failed", 0.0, output))
    return results


def results_of_crash(program, cases, number, options, status, output):
    """Results from the text of a program that ended before its report; what was not reached runs again."""
    finished = set(re.findall(r"^\[       OK \] (\S+)", output, re.MULTILINE))
    started = re.findall(r"^\[ RUN      \] (\S+)", output, re.MULTILINE)
    results = []
    for case in cases:
        name = f"unit: {program.name} {case}"
        if case in finished:
            results.append(Result(name, "passed"))
        elif case in started:
            reason = f"the program ended with status {status} in this case\n" if case == started[-1] else ""
            results.append(Result(name, "failed", 0.0, reason + output))
    left = [case for case in cases if case not in started]
    if not started:
        return [Result(f"unit: {program.name} {case}", "failed", 0.0, f"status {status}\n{output}") for case in cases]
    return results + (run_unit_shard(program, left, number, options) if left else [])


def case_outputs(output):
    """The part of a program's output that belongs to each case."""
    blocks = {}
    pattern = r"^\[ RUN      \] (\S+)\n(.*?)^\[  (?:FAILED |     OK |SKIPPED ) ?\]"
    for match in re.finditer(pattern, output, re.MULTILINE | re.DOTALL):
        blocks[match.group(1)] = match.group(2)
    return blocks


def run_unit_tests(options):
    listing = options.build / "test" / "unit_tests.txt"
    names = listing.read_text().split() if listing.exists() else []
    work, results = [], []
    for name in names:
        program = options.build / "test" / "unit" / name
        cases, error = list_unit_cases(program, options) if program.exists() else ([], "the program was not built")
        if error:
            if options.wants(f"unit: {name}"):
                results.append(Result(f"unit: {name}", "failed", 0.0, error))
            continue
        wanted = []
        for case in cases:
            if not options.wants(f"unit: {name} {case}") or ".DISABLED_" in case or case.startswith("DISABLED_"):
                continue
            if is_slow_unit_case(case) and not options.slow:
                results.append(Result(f"unit: {name} {case}", "skipped"))
            else:
                wanted.append(case)
        # Cases are dealt out in turn: neighbours are alike, and so each share is about as long.
        shards = min(options.jobs, len(wanted))
        work += [(program, wanted[number::shards], number) for number in range(shards)]
    return results + in_parallel(lambda item: run_unit_shard(*item, options), work, options)


# --- lit -------------------------------------------------------------------------------------
LIT_STATUS = {
    "PASS": "passed",
    "XFAIL": "passed",
    "FLAKYPASS": "passed",
    "UNSUPPORTED": "skipped",
    "SKIPPED": "skipped",
}


def run_lit_tests(options):
    site = options.build / "test"
    if not (site / "lit.site.cfg.py").exists():
        return [Result("lit: configuration", "failed", 0.0, f"{site}/lit.site.cfg.py is missing")]
    suffixes = {".vmodel", ".vir", ".test"}
    files = [p for p in (SOURCE / "test").rglob("*") if p.suffix in suffixes and "RUN:" in p.read_text(errors="replace")]
    if options.filter is not None:
        files = [p for p in files if options.wants(lit_name(p))]
    if not files:
        return []
    report = options.scratch / "lit.json"
    command = [sys.executable, LIT, "-q", "--no-progress-bar", "-j", options.jobs, "-o", report, "--allow-empty-runs"]
    try:
        import psutil  # noqa: F401  (lit needs it for its time limit)

        command += ["--timeout", 600 if options.slow else 120]
    except ImportError:
        pass
    if options.slow:
        command.append("-Dall=1")
    if options.filter is not None:
        command += ["--filter", "^(VModel :: )?(" + "|".join(re.escape(str(p.relative_to(SOURCE / "test"))) for p in files) + ")$"]
    status, output, _ = execute(command + [site], options)
    results = []
    try:
        tests = json.loads(report.read_text())["tests"]
    except (OSError, ValueError, KeyError):
        return [Result("lit: run", "failed", 0.0, f"lit ended with status {status}\n{output}")]
    for test in tests:
        if test["code"] == "EXCLUDED":
            continue
        name = "lit: " + test["name"].split(" :: ", 1)[-1]
        seconds = max(test.get("elapsed") or 0.0, 0.0)
        results.append(Result(name, LIT_STATUS.get(test["code"], "failed"), seconds, f"{test['code']}\n{test.get('output', '')}"))
    if not results and status != 0:
        results.append(Result("lit: run", "failed", 0.0, output))
    return results


def lit_name(path):
    return "lit: " + str(path.relative_to(SOURCE / "test"))


# --- Python ----------------------------------------------------------------------------------
RUNNER = SOURCE / "test" / "tools" / "python_tests.py"


def list_python_cases(path, options):
    """Pairs (class, case) in a file of unittest cases, or an error as text."""
    report = options.scratch / ("list-" + path.relative_to(SOURCE).as_posix().replace("/", "-") + ".json")
    status, output, _ = execute([sys.executable, RUNNER, path, "--list", report], options)
    if status != 0:
        return [], output
    return [tuple(pair) for pair in json.loads(report.read_text())], ""


def run_python_class(path, name, cases, options):
    """Runs the chosen cases of one class in a process of its own."""
    display = "python: " + path.relative_to(SOURCE / "test").as_posix()
    report = options.scratch / f"{display.replace('/', '-')}-{name}.json"
    status, output, seconds = execute([sys.executable, RUNNER, path, "--run", report] + [f"{name}.{c}" for c in cases], options)
    try:
        entries = json.loads(report.read_text())
    except (OSError, ValueError):
        entries = []
    by_case = {entry["case"]: entry for entry in entries}
    results = []
    for case in cases:
        entry = by_case.get(f"{name}.{case}")
        if entry is None:
            results.append(Result(f"{display} {name}.{case}", "failed", seconds, f"ended with status {status} before its result\n{output}"))
        else:
            results.append(Result(f"{display} {name}.{case}", entry["status"], entry["seconds"], entry["output"]))
    return results


def run_python_tests(options):
    files = sorted((SOURCE / "test").rglob("test_*.py"))
    results, work = [], []
    with concurrent.futures.ThreadPoolExecutor(max_workers=options.jobs) as pool:
        listed = list(pool.map(lambda path: list_python_cases(path, options), files))
    for path, (cases, error) in zip(files, listed):
        display = "python: " + path.relative_to(SOURCE / "test").as_posix()
        if error:
            if options.wants(display):
                results.append(Result(display, "failed", 0.0, error))
            continue
        classes = {}
        for name, case in cases:
            if options.wants(f"{display} {name}.{case}"):
                classes.setdefault(name, []).append(case)
        work += [(path, name, chosen) for name, chosen in classes.items()]
    return results + in_parallel(lambda item: run_python_class(*item, options), work, options)


# --- Summary ---------------------------------------------------------------------------------
def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", default="build", help="the build tree (default: build)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="parallel jobs")
    parser.add_argument("--all", action="store_true", help="also the tests marked as slow")
    parser.add_argument("filter", nargs="?", help="regular expression searched in the names of tests")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    try:
        pattern = re.compile(arguments.filter) if arguments.filter else None
    except re.error as error:
        sys.exit(f"test/run.py: the filter is not a regular expression: {error}")
    os.environ.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    # LLVM is not instrumented, so containers that cross the border would be reported wrongly.
    os.environ.setdefault("ASAN_OPTIONS", "detect_container_overflow=0:detect_odr_violation=0")
    start = time.monotonic()
    results = []
    with tempfile.TemporaryDirectory(prefix="vmodel-test-") as scratch:
        options = Options(
            build=pathlib.Path(arguments.build_dir).resolve(),
            jobs=max(1, arguments.jobs),
            slow=arguments.all,
            filter=pattern,
            scratch=pathlib.Path(scratch),
        )
        for kind, run in (("unit", run_unit_tests), ("lit", run_lit_tests), ("python", run_python_tests)):
            begin = time.monotonic()
            part = run(options)
            print(f"{kind}: {count(part)} ({time.monotonic() - begin:.1f} s)", flush=True)
            results += part

    for result in results:
        if result.status == "failed":
            output = result.output.strip()
            if len(output) > OUTPUT_LIMIT:
                half = OUTPUT_LIMIT // 2
                output = f"{output[:half]}\n... {len(output) - OUTPUT_LIMIT} characters left out ...\n{output[-half:]}"
            print(f"\n--- failed: {result.name}\n{output}")
    slowest = sorted(results, key=lambda result: -result.seconds)[:5]
    if slowest and slowest[0].seconds >= 1:
        print("\nslowest:")
        for result in slowest:
            print(f"  {result.seconds:7.1f} s  {result.name}")
    failed = [result for result in results if result.status == "failed"]
    if failed:
        print("\nfailed:")
        for result in failed:
            print(f"  {result.name}")
    ran = [result for result in results if result.status != "skipped"]
    if not ran:
        print("\nno test ran" + (f": no name matches {arguments.filter!r}" if arguments.filter else ""))
    print(f"\ntests took {time.monotonic() - start:.0f} s")
    print(count(results), flush=True)
    sys.exit(0 if ran and not failed else 1)


def count(results):
    """`N passed, N failed`, with the skipped ones where there are any."""
    number = {status: sum(result.status == status for result in results) for status in ("passed", "failed", "skipped")}
    text = f"{number['passed']} passed, {number['failed']} failed"
    return text + (f", {number['skipped']} skipped" if number["skipped"] else "")


if __name__ == "__main__":
    main()
