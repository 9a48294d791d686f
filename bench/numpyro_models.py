"""NumPyro models for the steps of the ELBO, written from the mathematics. Runs in the peers' environment.

Each function takes the data file's fields and returns a model without arguments. Unconstrained coordinates are those of
VModel and Stan, so that densities and gradients can be compared: where NumPyro's own map is another one, the model
draws the coordinate's own quantity (a step, a share) and adds its Jacobian.
"""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints

FLAT = dist.ImproperUniform(constraints.real, (), ())
FLAT_POSITIVE = dist.ImproperUniform(constraints.positive, (), ())


def eight_schools_noncentered(data):
    y, sigma = jnp.asarray(data["y"], float), jnp.asarray(data["sigma"], float)

    def model():
        mu = numpyro.sample("mu", dist.Normal(0, 5))
        tau = numpyro.sample("tau", dist.HalfCauchy(5))
        theta = numpyro.sample("theta", dist.Normal(0, 1).expand([len(y)]).to_event(1))
        numpyro.sample("y", dist.Normal(mu + tau * theta, sigma), obs=y)

    return model


def kidscore_momiq(data):
    score, iq = jnp.asarray(data["kid_score"], float), jnp.asarray(data["mom_iq"], float)

    def model():
        beta = numpyro.sample("beta", dist.ImproperUniform(constraints.real_vector, (), (2,)))
        sigma = numpyro.sample("sigma", dist.HalfCauchy(2.5))
        numpyro.sample("score", dist.Normal(beta[0] + beta[1] * iq, sigma), obs=score)

    return model


def garch11(data):
    y, first = jnp.asarray(data["y"], float), float(data["sigma1"]) ** 2

    def model():
        mu = numpyro.sample("mu", FLAT)
        alpha0 = numpyro.sample("alpha0", FLAT_POSITIVE)
        alpha1 = numpyro.sample("alpha1", dist.ImproperUniform(constraints.unit_interval, (), ()))
        # beta1 is flat between 0 and 1 - alpha1: a share of that, with the Jacobian of the multiplication.
        share = numpyro.sample("beta1", dist.ImproperUniform(constraints.unit_interval, (), ()))
        numpyro.factor("beta1_scale", jnp.log1p(-alpha1))
        beta1 = share * (1 - alpha1)
        innovation = alpha0 + alpha1 * (y[:-1] - mu) ** 2

        def advance(variance, innovation):
            following = innovation + beta1 * variance
            return following, following

        _, rest = jax.lax.scan(advance, first * jnp.ones_like(mu), innovation)
        variance = jnp.concatenate([first * jnp.ones((1,)), rest])
        numpyro.sample("y", dist.Normal(mu, jnp.sqrt(variance)), obs=y)

    return model


def hmm_example(data):
    y = jnp.asarray(data["y"], float)

    def model():
        theta1 = numpyro.sample("theta1", dist.Dirichlet(jnp.ones(2)))
        theta2 = numpyro.sample("theta2", dist.Dirichlet(jnp.ones(2)))
        # mu is positive and ordered: the logarithms of its first value and of its increments are the coordinates.
        increments = numpyro.sample("mu", dist.ImproperUniform(constraints.independent(constraints.positive, 1), (), (2,)))
        mu = jnp.cumsum(increments)
        numpyro.factor("mu_prior", dist.Normal(jnp.array([3.0, 10.0]), 1.0).log_prob(mu).sum())
        transition = jnp.log(jnp.stack([theta1, theta2]))  # from, to
        emission = dist.Normal(mu, 1.0).log_prob(y[:, None])

        def advance(forward, here):
            following = jax.nn.logsumexp(forward[:, None] + transition, axis=0) + here
            return following, None

        forward, _ = jax.lax.scan(advance, emission[0], emission[1:])
        numpyro.factor("likelihood", jax.nn.logsumexp(forward))

    return model


def diamonds(data):
    columns, price = jnp.asarray(data["X"], float)[:, 1:], jnp.asarray(data["Y"], float)
    centred = columns - columns.mean(axis=0)

    def model():
        b = numpyro.sample("b", dist.Normal(0, 1).expand([centred.shape[1]]).to_event(1))
        intercept = numpyro.sample("Intercept", dist.StudentT(3, 8, 10))
        sigma = numpyro.sample("sigma", FLAT_POSITIVE)
        numpyro.factor("sigma_prior", dist.StudentT(3, 0, 10).log_prob(sigma))
        numpyro.sample("price", dist.Normal(intercept + centred @ b, sigma), obs=price)

    return model


MODELS = {f.__name__: f for f in (eight_schools_noncentered, kidscore_momiq, garch11, hmm_example, diamonds)}
