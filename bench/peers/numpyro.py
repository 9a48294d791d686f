"""NumPyro: whole steps of the ELBO, compiled by jax, in a process of its own."""

from __future__ import annotations

import time

import machine
from models import BENCH
from peers.worker import Worker

WORKER = BENCH / "numpyro_worker.py"


class NumPyro:
    """A model with its data."""

    def __init__(self, environment, case, core, folder):
        self.begin = time.monotonic()
        self.worker = Worker([environment.python, WORKER, case.name, case.data, ",".join(case.dimension_names)], core, folder)
        self.count = {}  # steps of one measurement, by particles
        self.particles = None

    def densities(self, points):
        return self.worker.densities(points)

    def prepare(self, particles):
        """Builds the step and takes one."""
        self.worker.ask(f"prepare {particles}")
        self.particles = particles

    def seconds_since_start(self):
        return time.monotonic() - self.begin

    def step_seconds(self, shortest=0.5):
        """Seconds of one step inside a compiled loop of at least `shortest` seconds."""
        run = lambda steps: (float(self.worker.ask(f"steps {steps}")), steps)
        seconds, self.count[self.particles] = machine.long_enough(run, self.count.get(self.particles, 200), shortest)
        return seconds

    def memory_kib(self):
        return int(self.worker.ask("memory"))

    def close(self):
        self.worker.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
