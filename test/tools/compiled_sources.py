#!/usr/bin/env python3
"""Prints those files of standard input that the compilation database (first argument) knows."""

import json
import os
import sys

with open(sys.argv[1]) as stream:
    known = {os.path.realpath(os.path.join(entry["directory"], entry["file"])) for entry in json.load(stream)}
for name in sys.stdin.read().split():
    if os.path.realpath(name) in known:
        print(name)
