"""Many fits of a published experiment, several at a time; records that are saved after every fit, so that a run that was cut off goes on."""

from __future__ import annotations

import concurrent.futures
import json

from progress import write_whole


class Results:
    """Records by key, and the file that holds them. `identities` says for each task what changes whenever its results may."""

    def __init__(self, path, identities):
        self.path = path
        self.value = json.loads(path.read_text()) if path.exists() else {"fits": {}, "executables": {}}
        known = self.value["executables"]
        stale = {name for name in identities if known.get(name) != identities[name]}
        self.value["fits"] = {key: record for key, record in self.value["fits"].items() if record["task"] not in stale}
        known.update(identities)

    def add(self, record):
        self.value["fits"][record["key"]] = record
        self.save()

    def save(self):
        write_whole(self.path, json.dumps(self.value) + "\n")


def fit_all(work, results, jobs, say):
    """Runs `measure(executable, run)` for each (run, measure, executable) whose run has no record yet, by its `key`; returns how many failed."""
    missing = [entry for entry in work if entry[0].key not in results.value["fits"]]
    say(f"{len(missing)} fits, {len(work) - len(missing)} are there")
    failures = 0
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        pending = {pool.submit(measure, executable, run): run for run, measure, executable in missing}
        for count, future in enumerate(concurrent.futures.as_completed(pending), start=1):
            try:
                results.add(future.result())
            except RuntimeError as error:
                failures += 1
                say(f"{pending[future].key} failed:\n{error}")
            if count % 20 == 0 or count == len(missing):
                say(f"{count} of {len(missing)} fits")
    return failures
