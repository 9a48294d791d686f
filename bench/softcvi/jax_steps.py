"""SoftCVI's step on the four tasks in JAX, in double precision, with all steps inside one compiled loop: what our step is compared with.

    jax_steps.py TASK DATA.json STEPS       prints {"seconds": least time of STEPS steps, "compile": seconds, "log_q": final mean log q of its draws}
"""

import json
import os
import sys
import time

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp
from jax.scipy.special import gammaln

ALPHA, PARTICLES, CLIP = 0.75, 8, 10.0
REPEATS = 5


def softplus_inverse(x):
    return x + jnp.log(-jnp.expm1(-x))


def normal(x, loc, scale):
    return -0.5 * ((x - loc) / scale) ** 2 - jnp.log(scale) - 0.5 * jnp.log(2 * jnp.pi)


def student_t(x, df, loc, scale):
    z = (x - loc) / scale
    return (
        gammaln(0.5 * (df + 1)) - gammaln(0.5 * df) - 0.5 * jnp.log(df * jnp.pi) - jnp.log(scale) - 0.5 * (df + 1) * jnp.log1p(z * z / df)
    )


class EightSchools:
    """On the standardised scale: mu / 5, tau / 5, (theta - mu) / tau."""

    rate = 1e-3

    def __init__(self, data):
        self.y, self.sigma = jnp.array(data["y"], float), jnp.array(data["sigma"], float)

    def initial(self, key):
        five, one = softplus_inverse(5.0), softplus_inverse(1.0)
        return {"mu": jnp.array([0.0, one]), "tau": jnp.array([five, 0.0, one]), "theta": jnp.tile(jnp.array([five, 0.0, one]), (8, 1))}

    def sample(self, phi, key):
        a, b, c = jax.random.split(key, 3)
        mu = phi["mu"][0] + jax.nn.softplus(phi["mu"][1]) * jax.random.normal(a)
        tau = jax.nn.softplus(phi["tau"][2]) * jnp.abs(phi["tau"][1] + jax.random.t(b, jax.nn.softplus(phi["tau"][0])))
        df, loc, scale = jax.nn.softplus(phi["theta"][:, 0]), phi["theta"][:, 1], jax.nn.softplus(phi["theta"][:, 2])
        return jnp.concatenate([jnp.array([mu, tau]), loc + scale * jax.random.t(c, df, (8,))])

    def log_q(self, phi, x):
        scale = jax.nn.softplus(phi["tau"][2])
        z, df, loc = x[1] / scale, jax.nn.softplus(phi["tau"][0]), phi["tau"][1]
        tau = jnp.logaddexp(student_t(z, df, loc, 1.0), student_t(-z, df, loc, 1.0)) - jnp.log(scale)
        theta = student_t(x[2:], jax.nn.softplus(phi["theta"][:, 0]), phi["theta"][:, 1], jax.nn.softplus(phi["theta"][:, 2]))
        return normal(x[0], phi["mu"][0], jax.nn.softplus(phi["mu"][1])) + tau + jnp.sum(theta)

    def log_p(self, x):
        mu, tau = 5 * x[0], 5 * x[1]
        prior = normal(x[0], 0, 1) + jnp.log(2 / jnp.pi) - jnp.log1p(x[1] ** 2) + jnp.sum(normal(x[2:], 0, 1))
        return prior + jnp.sum(normal(self.y, mu + tau * x[2:], self.sigma))


class LinearRegression:
    rate = 2e-3

    def __init__(self, data):
        x = jnp.array(data["x"])
        self.x, self.y = jnp.concatenate([x, jnp.ones((x.shape[0], 1))], axis=1), jnp.array(data["y"])

    def initial(self, key):
        d = self.x.shape[1]
        return {"loc": jnp.zeros(d), "scale": jnp.full(d, softplus_inverse(1.0))}

    def sample(self, phi, key):
        return phi["loc"] + jax.nn.softplus(phi["scale"]) * jax.random.normal(key, phi["loc"].shape)

    def log_q(self, phi, x):
        return jnp.sum(normal(x, phi["loc"], jax.nn.softplus(phi["scale"])))

    def log_p(self, x):
        return jnp.sum(normal(x, 0, 1)) + jnp.sum(normal(self.y, self.x @ x, 1.0))


KNOTS = 10


def spline_initial(lower, upper):
    """The 32 parameters of the identity: widths, heights, derivatives."""
    return jnp.concatenate([jnp.zeros(2 * KNOTS), jnp.full(KNOTS + 2, jnp.log(jnp.expm1(1 - 1e-3)))])


def knots(u, lower, upper):
    w = (jax.nn.softmax(u) + 0.01 / KNOTS) / 1.01
    w = w.at[0].mul(0.5)
    return jnp.concatenate([jnp.array([lower]), lower + (upper - lower) * jnp.cumsum(w), jnp.array([upper])])


def spline_parts(p, lower, upper):
    return knots(p[:KNOTS], lower, upper), knots(p[KNOTS : 2 * KNOTS], lower, upper), jax.nn.softplus(p[2 * KNOTS :]) + 1e-3


def spline(x, p, lower, upper):
    """Value and log derivative of the rational-quadratic spline (Durkan et al. 2019, equations 4 and 5); the identity outside."""
    xs, ys, ds = spline_parts(p, lower, upper)
    inside = (x > lower) & (x < upper)
    at = jnp.clip(x, lower, upper)
    k = jnp.clip(jnp.searchsorted(xs, at, side="right") - 1, 0, KNOTS)
    h = xs[k + 1] - xs[k]
    s = (ys[k + 1] - ys[k]) / h
    t = (at - xs[k]) / h
    q = s + (ds[k + 1] + ds[k] - 2 * s) * t * (1 - t)
    y = ys[k] + (ys[k + 1] - ys[k]) * (s * t**2 + ds[k] * t * (1 - t)) / q
    g = 2 * jnp.log(s) + jnp.log(ds[k + 1] * t**2 + 2 * s * t * (1 - t) + ds[k] * (1 - t) ** 2) - 2 * jnp.log(q)
    return jnp.where(inside, y, x), jnp.where(inside, g, 0.0)


def spline_inverse(y, p, lower, upper):
    """Equations 6 to 8."""
    xs, ys, ds = spline_parts(p, lower, upper)
    inside = (y > lower) & (y < upper)
    at = jnp.clip(y, lower, upper)
    k = jnp.clip(jnp.searchsorted(ys, at, side="right") - 1, 0, KNOTS)
    h, r = xs[k + 1] - xs[k], ys[k + 1] - ys[k]
    s = r / h
    e, f = at - ys[k], ds[k + 1] + ds[k] - 2 * s
    a, b, c = r * (s - ds[k]) + e * f, r * ds[k] - e * f, -s * e
    t = 2 * c / (-b - jnp.sqrt(b * b - 4 * a * c))
    return jnp.where(inside, xs[k] + t * h, y)


def net_initial(key, sizes):
    layers = []
    for n, m in zip(sizes[:-1], sizes[1:]):
        key, a, b = jax.random.split(key, 3)
        bound = 1 / jnp.sqrt(n)
        layers.append((jax.random.uniform(a, (m, n), minval=-bound, maxval=bound) / 5, jax.random.uniform(b, (m,), minval=-bound, maxval=bound) / 5))
    return layers


class Slcp:
    """A masked autoregressive flow of splines on (-3, 3)^5, inverted: the density is one pass, a draw five a layer."""

    rate = 1e-4
    layers, hidden, d = 4, 30, 5

    def __init__(self, data):
        self.x = jnp.array(data["x"])
        ranks = jnp.arange(self.d)
        of_hidden, of_out = jnp.arange(self.hidden) % (self.d - 1), jnp.repeat(ranks, 3 * KNOTS + 2)
        self.masks = (of_hidden[:, None] >= ranks[None, :], of_out[:, None] > of_hidden[None, :])
        self.permutations = [jax.random.permutation(jax.random.PRNGKey(10 + l), self.d) for l in range(self.layers)]

    def initial(self, key):
        return [net_initial(k, (self.d, self.hidden, self.d * (3 * KNOTS + 2))) for k in jax.random.split(key, self.layers)]

    def parameters(self, net, x):
        (w1, b1), (w2, b2) = net
        h = jax.nn.relu((w1 * self.masks[0]) @ x + b1)
        return ((w2 * self.masks[1]) @ h + b2).reshape(self.d, -1) + spline_initial(-3.0, 3.0)

    def log_q(self, phi, x):
        log_det = 0.0
        for net, permutation in zip(phi, self.permutations):
            x, g = jax.vmap(lambda a, p: spline(a, p, -3.0, 3.0))(x, self.parameters(net, x))
            x, log_det = x[permutation], log_det + jnp.sum(g)
        return log_det + jnp.sum(jnp.where(jnp.abs(x) < 3, -jnp.log(6.0), -jnp.inf))

    def sample(self, phi, key):
        y = jax.random.uniform(key, (self.d,), minval=-3.0, maxval=3.0)
        for net, permutation in zip(phi[::-1], self.permutations[::-1]):
            y = jnp.zeros(self.d).at[permutation].set(y)
            x = jnp.zeros(self.d)
            for i in range(self.d):
                x = x.at[i].set(spline_inverse(y[i], self.parameters(net, x)[i], -3.0, 3.0))
            y = x
        return y

    def log_p(self, theta):
        s1, s2, rho = theta[2] ** 2, theta[3] ** 2, jnp.tanh(theta[4])
        a, b = (self.x[:, 0] - theta[0]) / s1, (self.x[:, 1] - theta[1]) / s2
        one = 1 - rho**2
        return -5 * jnp.log(6.0) + jnp.sum(-0.5 * (a * a - 2 * rho * a * b + b * b) / one - jnp.log(2 * jnp.pi * s1 * s2) - 0.5 * jnp.log(one))


class Garch:
    """mu, alpha0, alpha1 and beta1 / (1 - alpha1)."""

    rate = 5e-4

    def __init__(self, data):
        self.y, self.sigma1 = jnp.array(data["y"]), data["sigma1"]

    def initial(self, key):
        one = softplus_inverse(1.0)
        return {"mu": jnp.array([0.0, one]), "alpha0": jnp.array([0.0, one]), "alpha1": spline_initial(0.0, 1.0), "net": net_initial(key, (2, 20, 3 * KNOTS + 2))}

    def conditional(self, phi, alpha0, alpha1):
        (w1, b1), (w2, b2) = phi["net"]
        return spline_initial(0.0, 1.0) + (w2 @ jax.nn.relu(w1 @ jnp.array([alpha0, alpha1]) + b1) + b2)

    def sample(self, phi, key):
        a, b, c, d = jax.random.split(key, 4)
        mu = phi["mu"][0] + jax.nn.softplus(phi["mu"][1]) * jax.random.normal(a)
        alpha0 = jnp.exp(phi["alpha0"][0] + jax.nn.softplus(phi["alpha0"][1]) * jax.random.normal(b))
        alpha1 = spline_inverse(jax.random.uniform(c), phi["alpha1"], 0.0, 1.0)
        return jnp.array([mu, alpha0, alpha1, spline_inverse(jax.random.uniform(d), self.conditional(phi, alpha0, alpha1), 0.0, 1.0)])

    def log_q(self, phi, x):
        first = normal(x[0], phi["mu"][0], jax.nn.softplus(phi["mu"][1]))
        second = normal(jnp.log(x[1]), phi["alpha0"][0], jax.nn.softplus(phi["alpha0"][1])) - jnp.log(x[1])
        return first + second + spline(x[2], phi["alpha1"], 0.0, 1.0)[1] + spline(x[3], self.conditional(phi, x[1], x[2]), 0.0, 1.0)[1]

    def log_p(self, x):
        mu, alpha0, alpha1, beta1 = x[0], x[1], x[2], (1 - x[2]) * x[3]

        def step(carry, y):
            last, variance = carry
            variance = alpha0 + alpha1 * (last - mu) ** 2 + beta1 * variance
            return (y, variance), normal(y, mu, jnp.sqrt(variance))

        return jnp.sum(jax.lax.scan(step, (self.y[0], self.sigma1**2), self.y)[1])


TASKS = {"eight_schools": EightSchools, "linear_regression": LinearRegression, "slcp": Slcp, "garch": Garch}


def loop(task):
    """STEPS of the paper's loop as one compiled function: sample, labels, one reverse pass, clipped Adam."""

    def gradient(phi, key):
        theta = jax.vmap(lambda k: task.sample(phi, k))(jax.random.split(key, PARTICLES))
        log_p = jax.vmap(task.log_p)(theta)
        density = lambda p: jax.vmap(lambda x: task.log_q(p, x))(theta)
        log_q, pull = jax.vjp(density, phi)
        labels, classifier = jax.nn.softmax(log_p - ALPHA * log_q), jax.nn.softmax((1 - ALPHA) * log_q)
        return pull(classifier - labels)[0]

    def step(index, state):
        phi, first, second, key = state
        key, now = jax.random.split(key)
        g = gradient(phi, now)
        norm = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(g)))
        scale = jnp.where(norm > CLIP, CLIP / norm, 1.0)
        finite = jnp.isfinite(norm)
        g = jax.tree.map(lambda leaf: jnp.where(finite, leaf * scale, 0.0), g)
        first = jax.tree.map(lambda m, leaf: 0.9 * m + 0.1 * leaf, first, g)
        second = jax.tree.map(lambda v, leaf: 0.999 * v + 0.001 * leaf**2, second, g)
        t = index + 1.0
        phi = jax.tree.map(
            lambda p, m, v: p - task.rate * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8), phi, first, second
        )
        return phi, first, second, key

    return jax.jit(lambda state, count: jax.lax.fori_loop(0, count, step, state))


def main(name, data, count):
    task = TASKS[name](json.loads(open(data).read()))
    phi = task.initial(jax.random.PRNGKey(1))
    zeros = jax.tree.map(jnp.zeros_like, phi)
    state = (phi, zeros, zeros, jax.random.PRNGKey(2))
    run = loop(task)
    begin = time.perf_counter()
    jax.block_until_ready(run(state, 1))
    compile_seconds = time.perf_counter() - begin
    seconds = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        end = jax.block_until_ready(run(state, count))
        seconds.append(time.perf_counter() - begin)
    draws = jax.vmap(lambda k: task.sample(end[0], k))(jax.random.split(jax.random.PRNGKey(3), 1000))
    log_q = jnp.mean(jax.vmap(lambda x: task.log_q(end[0], x))(draws))
    print(json.dumps({"seconds": min(seconds), "compile": compile_seconds, "log_q": float(log_q)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
