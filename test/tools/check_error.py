#!/usr/bin/env python3
"""Compiles a model that must be refused, and compares every diagnostic with what the file says.

    // RUN: %check-error %s

A diagnostic is announced below the line that causes it:

    y ~ normal(mu, 1);
    //! error: data `y` is modelled by `observe` [prior-on-data]

The text must occur in the message; the code in brackets must be the diagnostic's code. `//! none`
announces nothing and may be left out. Several announcements may follow one line. A diagnostic that
is not announced, and an announcement without its diagnostic, fail the test. Secondary notes that
carry no code and hints need not be announced. Errors must end vmodelc with status 1; a file that
announces only warnings or notes must compile. Further options are handed on to vmodelc.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

DIAGNOSTIC = re.compile(r"^(?P<file>[^\s:][^:]*):(?P<line>\d+):(?P<column>\d+): (?P<severity>error|warning|note): (?P<text>.*) \[(?P<code>[\w-]+)\]$")
ANNOUNCED = re.compile(r"^\s*//!\s*(?P<severity>error|warning|note): (?P<text>.*?)\s*\[(?P<code>[\w-]+)\]\s*$")


def announcements(path):
    """List of (line, severity, code, text)."""
    result, line = [], 0
    for number, text in enumerate(path.read_text().splitlines(), start=1):
        if not text.lstrip().startswith("//!"):
            line = number
            continue
        if text.strip() == "//! none":
            continue
        match = ANNOUNCED.match(text)
        if match is None:
            sys.exit(f"{path}:{number}: not of the form `//! error: text [code]`")
        result.append((line, match["severity"], match["code"], match["text"]))
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vmodelc", required=True)
    parser.add_argument("file", type=pathlib.Path)
    arguments, options = parser.parse_known_args()
    expected = announcements(arguments.file)
    with tempfile.TemporaryDirectory() as scratch:
        command = [arguments.vmodelc, str(arguments.file), "-o", f"{scratch}/model", *options]
        process = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=300)
    output = process.stdout + process.stderr
    actual = []
    for text in output.splitlines():
        match = DIAGNOSTIC.match(text)
        if match and match["file"].endswith(arguments.file.name):
            actual.append((int(match["line"]), match["severity"], match["code"], match["text"]))

    problems, left = [], list(actual)
    for line, severity, code, text in expected:
        found = next((d for d in left if d[:3] == (line, severity, code) and text in d[3]), None)
        if found is None:
            problems.append(f"{arguments.file}:{line}: announced, but not given: {severity}: {text} [{code}]")
        else:
            left.remove(found)
    for line, severity, code, text in left:
        problems.append(f"{arguments.file}:{line}: given, but not announced: {severity}: {text} [{code}]")
    wanted = 1 if any(severity == "error" for _, severity, _, _ in expected) else 0
    if process.returncode != wanted:
        problems.append(f"vmodelc ended with status {process.returncode}, not {wanted}")
    if not expected:
        problems.append(f"{arguments.file} announces no diagnostic")
    if problems:
        print("\n".join(problems))
        print("--- output of vmodelc\n" + output)
        sys.exit(1)


if __name__ == "__main__":
    main()
