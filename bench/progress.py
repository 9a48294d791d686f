"""Results that are saved as they come, so that a run that is cut off can be continued."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# What must be the same for the records of two runs to stand in one table. Of VModel that is the build, not the revision: one may commit meanwhile.
IDENTITY = ("schema", "versions", "machine", "repeats", "core", "partial", "models")


def same(key, one, other):
    if key == "versions" and isinstance(one, dict) and isinstance(other, dict):
        return {**one, "vmodel": None} == {**other, "vmodel": None}
    return one == other

# What was not measured, as a page knows it.
EMPTY = {"stan_compiled_together": {}, "gradients": [], "steps": [], "vmodelc": [], "draws": {}, "stan_compilations": [], "fits": [], "growth": []}


def write_whole(path, text):
    """Writes a file that is never seen in parts."""
    partial = path.with_suffix(".part")
    partial.write_text(text)
    partial.rename(path)


class OutOfTime(Exception):
    """The minutes that were given are over."""


class OtherRun(ValueError):
    """What lies in the file cannot be continued by this run."""


class Progress:
    """A value for results.json that grows in a file.

    `results` begins as `head`, or, to be continued, as what the file holds, which must be a run of the same programs on the same machine."""

    def __init__(self, path, head, resume=False, minutes=None, say=lambda text: None):
        self.path, self.say = path, say
        self.begin = time.monotonic()
        self.end = None if minutes is None else self.begin + 60 * minutes
        self.results = self.continued(head) if resume and path.exists() else {**head, "minutes": 0.0}
        self.before = self.results["minutes"]
        # What failed is tried again.
        self.results |= {"finished": False, "failures": []}
        for key, value in EMPTY.items():
            self.results.setdefault(key, copy.copy(value))

    def continued(self, head):
        found = json.loads(self.path.read_text())
        other = [key for key in IDENTITY if not same(key, found.get(key), head[key])]
        if other:
            raise OtherRun(f"{self.path} holds a run with other {', '.join(other)}: without --resume a new one begins")
        return found

    def save(self):
        self.results["minutes"] = self.before + (time.monotonic() - self.begin) / 60
        write_whole(self.path, json.dumps(self.results, indent=1) + "\n")

    def once(self, key, what, measurement):
        """Measures what is not there yet; what fails is reported, and the others go on."""
        if not self.results[key]:
            done = self.attempt(what, measurement)
            if done is not None:
                self.results[key] = done
                self.save()

    def each(self, key, what, cases, measurement):
        """A list of records, one or several a model, of those models that have none yet."""
        records = self.results[key]
        for case in cases:
            if any(record["model"] == case.name for record in records):
                continue
            self.say(f"{case.name}: {what}")
            done = self.attempt(f"{case.name}, {what}", lambda: measurement(case))
            if done is not None:
                records += done if isinstance(done, list) else [done]
                self.save()
        records.sort(key=lambda record: record["model"])

    def attempt(self, what, measurement):
        if self.end is not None and time.monotonic() > self.end:
            raise OutOfTime
        try:
            return measurement()
        except (RuntimeError, OSError, ValueError) as error:
            # The page does not say where this clone lies.
            said = " ".join(str(error).replace(f"{ROOT}/", "").split())
            self.results["failures"].append(f"{what}: {said[-300:]}")
            self.say(self.results["failures"][-1])
            self.save()
            return None
