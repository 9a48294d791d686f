"""Runs in the peers' environment: evaluates and fits a NumPyro model when told to, like the programs of loop/.

    numpyro_worker.py MODEL DATA.json NAME,NAME...     the parameters in the order of the coordinates

    points FILE            reads points
    densities              a list, for each point [log density with Jacobian, gradient...]
    prepare PARTICLES      makes the fit of a mean field by the ELBO and takes one step
    steps N                seconds of N steps inside one compiled loop
    memory                 peak resident memory in KiB
    fit PARTICLES N DRAWS  prepares, takes N steps, draws; answers the number of draws
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

# One thread: the process is pinned to one core, and more of them would stand in each other's way.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp
import numpyro
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoNormal
from numpyro.infer.util import initialize_model, potential_energy

from numpyro_models import MODELS


class Session:
    def __init__(self, name, data, names):
        self.model = MODELS[name](json.loads(Path(data).read_text()))
        self.names = names
        self.shapes = self.points = self.loop = None

    def unflatten(self, point):
        result, at = {}, 0
        for name in self.names:
            shape = self.shapes[name]
            size = 1
            for extent in shape:
                size *= extent
            result[name] = point[at : at + size].reshape(shape)
            at += size
        return result

    def read_points(self, path):
        words = Path(path).read_text().split()
        count, dimension = int(words[0]), int(words[1])
        self.points = jnp.array([float(word) for word in words[2:]]).reshape(count, dimension)
        return count

    def densities(self):
        if self.shapes is None:  # of the unconstrained coordinates, from NumPyro itself
            start = initialize_model(jax.random.PRNGKey(0), self.model).param_info.z
            self.shapes = {key: start[key].shape for key in self.names}

        def log_density(point):
            return -potential_energy(self.model, (), {}, self.unflatten(point))

        values, gradients = jax.jit(jax.vmap(jax.value_and_grad(log_density)))(self.points)
        return [[float(v), *(float(x) for x in g)] for v, g in zip(values, gradients)]

    def prepare(self, particles):
        self.loop = None
        self.guide = AutoNormal(self.model)
        self.svi = SVI(self.model, self.guide, numpyro.optim.Adam(1e-3), Trace_ELBO(num_particles=particles))
        self.state = self.svi.init(jax.random.PRNGKey(1))
        self.state, loss = jax.jit(self.svi.update)(self.state)
        return float(loss)

    def steps(self, count):
        if self.loop is None:
            update = lambda _, state: self.svi.update(state)[0]
            loop = jax.jit(lambda state, count: jax.lax.fori_loop(0, count, update, state))
            self.loop = loop.lower(self.state, 0).compile()
        begin = time.perf_counter()
        jax.block_until_ready(self.loop(self.state, count))
        return time.perf_counter() - begin

    def fit(self, particles, count, draws):
        self.prepare(particles)
        result = jax.lax.fori_loop(0, count, lambda _, s: self.svi.update(s)[0], self.state)
        sample = self.guide.sample_posterior(jax.random.PRNGKey(2), self.svi.get_params(result), sample_shape=(draws,))
        return len(sample[self.names[0]])


def main():
    session = Session(sys.argv[1], sys.argv[2], sys.argv[3].split(","))
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "points":
            answer = session.read_points(arguments[0])
        elif command == "densities":
            answer = session.densities()
        elif command == "prepare":
            answer = session.prepare(int(arguments[0]))
        elif command == "steps":
            answer = session.steps(int(arguments[0]))
        elif command == "fit":
            answer = session.fit(*map(int, arguments))
        elif command == "memory":
            answer = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        else:
            sys.exit(f"unknown command {command}")
        print(json.dumps(answer).replace("-Infinity", '"-inf"').replace("Infinity", '"inf"').replace("NaN", '"nan"'), flush=True)


main()
