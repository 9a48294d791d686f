"""Fits whose learned numbers are set by hand, and evaluations of objectives at them."""

import json
import pathlib
import tempfile

from vmodel_testing import compile_model, run


class Place:
    """An executable with data and a fit.json that can be moved to any phi."""

    def __init__(self, model, data, family, *options, folder=None):
        self.executable = compile_model(model, *options)
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.scratch.name)
        self.data = self.folder / "data.json"
        self.data.write_text(json.dumps(data))
        quick = ["--set", "start=plain", "--set", "precondition=off", "--steps", 1, "--set", "average=0", "--quiet"]
        run([self.executable, "fit", "--data", self.data, "--output", self.folder / "run", "--family", family, *quick], status=None)
        self.fit = json.loads((self.folder / "run" / "fit.json").read_text())

    def close(self):
        self.scratch.cleanup()

    def at(self, phi):
        self.fit["state"]["phi"] = list(phi)
        path = self.folder / "at.json"
        path.write_text(json.dumps(self.fit))
        return path

    def objective(self, phi, text, *options):
        command = [self.executable, "objective", "--fit", self.at(phi), "--data", self.data, "--objective", text, *options]
        return json.loads(run(command).stdout)

    def gradient(self, phi, text, *options):
        result = self.objective(phi, text, "--gradient", *options)
        return [g for part in result["gradient"].values() for g in part]

    def log_q(self, phi, points):
        path = self.folder / "points.json"
        path.write_text(json.dumps(points))
        command = [self.executable, "log-q", "--fit", self.at(phi), "--at", path, "--scale", "unconstrained", "--data", self.data]
        return [entry["log_q"] for entry in json.loads(run(command).stdout)]
