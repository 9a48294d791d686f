#!/usr/bin/env python3
"""Fails when a file of the project speaks of the machine that it was written on."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Written so that this file does not match itself.
STRAY = re.compile(r"(?<![\w.])/(?:work|root|home)/\w|\.\./shared\b|(?<![\w.])/tmp/\w")


def files():
    """Files that git tracks or would track; without git, all but the build trees."""
    try:
        names = subprocess.run(
            ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\0")
        return [ROOT / name for name in names if name]
    except (OSError, subprocess.CalledProcessError):
        return [p for p in ROOT.rglob("*") if p.is_file() and not p.relative_to(ROOT).parts[0].startswith("build")]


def main():
    found = 0
    for path in files():
        try:
            text = path.read_text()
        except (UnicodeDecodeError, OSError):
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if STRAY.search(line):
                print(f"{path.relative_to(ROOT)}:{number}: speaks of a path of one machine: {line.strip()[:120]}")
                found += 1
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
