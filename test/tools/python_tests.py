#!/usr/bin/env python3
"""Lists or runs the unittest cases of one file, for test/run.py.

    python_tests.py FILE --list REPORT            writes [[class, case], ...]
    python_tests.py FILE --run REPORT CASE...     writes [{case, status, seconds, output}, ...]

Test files may import what stands in test/tools (for example `from vmodel_testing import compile_model`)
and in their own folder.
"""

import importlib.util
import json
import pathlib
import sys
import time
import unittest


def load(path):
    """Imports a test file as a module."""
    sys.path[:0] = [str(path.parent), str(pathlib.Path(__file__).resolve().parent)]
    specification = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module
    specification.loader.exec_module(module)
    return module


def cases_of(module):
    """Pairs (class, case) of the module, in order of the file."""
    pairs = []
    loader = unittest.TestLoader()
    for name, value in vars(module).items():
        if isinstance(value, type) and issubclass(value, unittest.TestCase) and value.__module__ == module.__name__:
            pairs += [(name, case) for case in loader.getTestCaseNames(value)]
    return pairs


class Recorder(unittest.TestResult):
    """Keeps status, time and output of each case."""

    def __init__(self):
        super().__init__()
        self.entries = []
        self.begin = 0.0
        self.problems = []
        self.skip_reason = None

    def startTest(self, test):
        super().startTest(test)
        self.begin = time.monotonic()
        self.problems = []
        self.skip_reason = None

    def addError(self, test, err):
        super().addError(test, err)
        self.problems.append(self.errors[-1][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.problems.append(self.failures[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.problems.append(f"{subtest}\n{self._exc_info_to_string(err, test)}")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.skip_reason = reason

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.problems.append("expected to fail, but passed")

    def stopTest(self, test):
        super().stopTest(test)
        status = "failed" if self.problems else "skipped" if self.skip_reason is not None else "passed"
        self.entries.append(
            {
                "case": f"{type(test).__name__}.{test._testMethodName}",
                "status": status,
                "seconds": time.monotonic() - self.begin,
                "output": "\n".join(self.problems) or (self.skip_reason or ""),
            }
        )


def main():
    path, action, report, names = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2], sys.argv[3], sys.argv[4:]
    module = load(path)
    if action == "--list":
        pathlib.Path(report).write_text(json.dumps(cases_of(module)))
        return
    suite = unittest.TestSuite()
    for name in names:
        class_name, case = name.split(".", 1)
        suite.addTest(getattr(module, class_name)(case))
    recorder = Recorder()
    suite.run(recorder)
    entries = recorder.entries
    # What goes wrong in setUpClass belongs to every case of the class.
    outside = [text for test, text in recorder.errors if not isinstance(test, unittest.TestCase)]
    seen = {entry["case"] for entry in entries}
    for name in names:
        if name not in seen:
            if outside:
                entries.append({"case": name, "status": "failed", "seconds": 0.0, "output": "\n".join(outside)})
            elif recorder.skipped:
                entries.append({"case": name, "status": "skipped", "seconds": 0.0, "output": recorder.skipped[0][1]})
    pathlib.Path(report).write_text(json.dumps(entries))


if __name__ == "__main__":
    main()
