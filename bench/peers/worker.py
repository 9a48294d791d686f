"""A program that answers commands, a line each, with a JSON value a line (see loop/worker.h)."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import machine
from models import write_points


class WorkerError(RuntimeError):
    """The program ended, or could not start; the message holds what it said."""


class Worker:
    """Runs for as long as the object is open; pinned to one core."""

    def __init__(self, command, core=None, folder=None):
        self.command = [str(part) for part in command]
        self.folder = tempfile.TemporaryDirectory(dir=folder)
        self.errors = open(Path(self.folder.name) / "stderr", "w+")
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, preexec_fn=machine.pin(core), env=machine.one_thread()
        )

    def ask(self, command):
        """The answer to one command."""
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.process.wait()
            self.errors.seek(0)
            said = self.errors.read().strip() or f"ended with status {self.process.returncode}"
            raise WorkerError(said)
        return json.loads(line)

    def give_points(self, points):
        path = Path(self.folder.name) / "points"
        write_points(path, points)
        self.ask(f"points {path}")

    def densities(self, points):
        """(log density, gradient) at each point; non-finite numbers as floats."""
        self.give_points(points)
        return [(float(answer[0]), [float(x) for x in answer[1:]]) for answer in self.ask("densities")]

    def time(self):
        """Nanoseconds a gradient."""
        return float(self.ask("time"))

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        if self.process.poll() is None:
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        self.errors.close()
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
