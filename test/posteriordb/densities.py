"""Log densities of the models from their mathematical statements, independently of the compiler.

Everything is computed in extended precision (x87 long double) with complex arguments: a complex step of 1e-40 gives derivatives without cancellation,
right to about 1e-18 of the largest term. Constants are complete, except that a prior restricted to part of its support keeps its constant there
(a normal on the positive reals is not renormalised), as in the statements; flat priors are 1.

Needs NumPy. `POSTERIORS` lists the posteriors; `evaluate` gives what a reference point holds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

import numpy as np

HERE = Path(__file__).resolve().parent
REAL = np.longdouble
COMPLEX = np.clongdouble
LOG_2PI = np.log(REAL(2) * REAL("3.14159265358979323846264338327950288"))
LOG_PI = LOG_2PI - np.log(REAL(2))
STEP = REAL("1e-40")


# ---- kernels: arguments may be complex and broadcast; each returns the sum over its elements ----


def normal(x, m, s):
    return np.sum(-0.5 * LOG_2PI - np.log(s + 0 * x) - 0.5 * ((x - m) / s) ** 2)


def cauchy(x, m, s):
    return np.sum(-LOG_PI - np.log(s + 0 * x) - np.log(1 + ((x - m) / s) ** 2))


def bernoulli_logit(y, eta):
    return np.sum(y * eta - log1p_exp(eta))


def log1p_exp(x):
    return log_add_exp(x, np.zeros_like(x))


def log_add_exp(a, b):
    shift = np.maximum(a.real, b.real)
    return shift + np.log(np.exp(a - shift) + np.exp(b - shift))


# ---- unconstrained maps: `unconstrain(x)`, and `constrain(u)` with the log of its Jacobian ----


class RealLine:
    def description(self):
        return {"kind": "identity"}

    def unconstrain(self, x, p):
        return x

    def constrain(self, u, p):
        return u, COMPLEX(0)


class Positive:
    def description(self):
        return {"kind": "log"}

    def unconstrain(self, x, p):
        return np.log(x)

    def constrain(self, u, p):
        return np.exp(u), np.sum(u)


@dataclass
class Interval:
    """(lower, upper); the upper bound may be a function of the parameters declared before."""

    lower: float
    upper: float | Callable
    below_one_minus: str | None = None  # the parameter where the upper bound is 1 minus it

    def description(self):
        return {"kind": "logit", **({"below_one_minus": self.below_one_minus} if self.below_one_minus else {})}

    def _bounds(self, p):
        return REAL(self.lower), self.upper(p) if callable(self.upper) else REAL(self.upper)

    def unconstrain(self, x, p):
        a, b = self._bounds(p)
        return np.log(x - a) - np.log(b - x)

    def constrain(self, u, p):
        a, b = self._bounds(p)
        log_one_minus = -log1p_exp(u)
        log_p = -log1p_exp(-u)
        return a + (b - a) * np.exp(log_p), np.sum(np.log(b - a + 0 * u) + log_p + log_one_minus)


class Ordered:
    def description(self):
        return {"kind": "ordered"}

    def unconstrain(self, x, p):
        return np.concatenate([x[:1], np.log(np.diff(x))])

    def constrain(self, u, p):
        return np.cumsum(np.concatenate([u[:1], np.exp(u[1:])])), np.sum(u[1:])


class PositiveOrdered:
    def description(self):
        return {"kind": "positive_ordered"}

    def unconstrain(self, x, p):
        return np.log(np.concatenate([x[:1], np.diff(x)]))

    def constrain(self, u, p):
        return np.cumsum(np.exp(u)), np.sum(u)


class Simplex:
    """Stick breaking: u_k = logit(x_k / (1 - sum of the earlier)) + log(K - k)."""

    def description(self):
        return {"kind": "simplex"}

    def unconstrain(self, x, p):
        count = len(x)
        left = 1 - np.concatenate([[0], np.cumsum(x[:-2])])
        offset = np.log(np.arange(count - 1, 0, -1).astype(REAL))
        return np.log(x[:-1]) - np.log(left - x[:-1]) + offset

    def constrain(self, u, p):
        count = len(u) + 1
        left, log_jacobian, x = COMPLEX(1), COMPLEX(0), []
        for k in range(count - 1):
            v = u[k] - np.log(REAL(count - 1 - k))
            log_z, log_one_minus = -log1p_exp(-v), -log1p_exp(v)
            log_jacobian += np.log(left) + log_z + log_one_minus
            x.append(left * np.exp(log_z))
            left = left * np.exp(log_one_minus)
        return np.array(x + [left]), log_jacobian


@dataclass
class Noncentered:
    """The coordinate (x - location) / scale."""

    location: str
    scale: str

    def description(self):
        return {"kind": "noncentered", "location": self.location, "scale": self.scale}

    def unconstrain(self, x, p):
        return (x - p[self.location]) / p[self.scale]

    def constrain(self, u, p):
        scale = p[self.scale]
        return p[self.location] + scale * u, np.sum(np.log(scale) + 0 * u)


# ---- posteriors ----


@dataclass
class Parameter:
    name: str
    shape: tuple[str | int, ...] = ()
    support: object = field(default_factory=RealLine)


@dataclass
class Posterior:
    model: str
    data_file: str
    parameters: list[Parameter]  # in an order in which bounds can be evaluated
    log_density: Callable  # (parameters, data) -> log density of the reported parameters
    gold: str | None = None
    start: Callable | None = None  # data -> a constrained starting point for the short runs
    constant: float = 0.0  # what the normalised priors of the language add: log 2 for each half prior
    design: Callable | None = None  # data -> outcome and columns, of a normal regression that is flat in coefficients and sd

    @property
    def name(self):
        return f"{self.data_file}-{self.model}"

    def data(self, folder=HERE / "data"):
        return {k: _array(v) for k, v in json.loads((Path(folder) / f"{self.data_file}.json").read_text()).items()}

    def shape(self, parameter, data):
        return tuple(int(data[s]) if isinstance(s, str) else s for s in parameter.shape)

    def unconstrained_shape(self, parameter, data):
        shape = self.shape(parameter, data)
        return (*shape[:-1], shape[-1] - 1) if isinstance(parameter.support, Simplex) else shape

    def unconstrain(self, values, data):
        """Constrained values by name to unconstrained ones by name."""
        p = {q.name: _array(values[q.name]) for q in self.parameters}
        return {q.name: np.asarray(q.support.unconstrain(p[q.name], p)) for q in self.parameters}

    def constrain(self, u):
        """Unconstrained values by name to constrained ones and the log of the Jacobian."""
        p, log_jacobian = {}, COMPLEX(0)
        for q in self.parameters:
            p[q.name], term = q.support.constrain(np.asarray(u[q.name], COMPLEX), p)
            log_jacobian = log_jacobian + term
        return p, log_jacobian

    def log_density_with_jacobian(self, u, data):
        p, log_jacobian = self.constrain(u)
        return self.log_density(p, data) + log_jacobian

    def gradient(self, u, data):
        """Gradient of the log density with Jacobian by name, from complex steps."""
        result = {}
        base = {k: np.asarray(v, COMPLEX) for k, v in u.items()}
        for q in self.parameters:
            flat = base[q.name].reshape(-1)
            out = np.zeros(flat.size, REAL)
            for i in range(flat.size):
                moved = flat.copy()
                moved[i] += 1j * STEP
                out[i] = self.log_density_with_jacobian({**base, q.name: moved.reshape(base[q.name].shape)}, data).imag / STEP
            result[q.name] = out.reshape(base[q.name].shape)
        return result

    def evaluate(self, values, data):
        """A reference point: log densities, unconstrained coordinates and gradient at constrained values."""
        u = self.unconstrain(values, data)
        p = {q.name: _array(values[q.name]) for q in self.parameters}
        return {
            "log_density": float(np.real(self.log_density(p, data))),
            "log_density_with_jacobian": float(self.log_density_with_jacobian(u, data).real),
            "unconstrained": {k: _flat(v) for k, v in u.items()},
            "gradient_with_jacobian": {k: _flat(v) for k, v in self.gradient(u, data).items()},
        }


def _array(value):
    return np.array(value, np.float64).astype(REAL)


def _flat(value):
    return [float(x) for x in np.real(np.asarray(value)).reshape(-1)]


def eight_schools(p, d):
    return (normal(p["mu"], 0, REAL(5)) + cauchy(p["tau"], 0, REAL(5)) + normal(p["theta"], p["mu"], p["tau"])
            + normal(d["y"], p["theta"], d["sigma"]))


def garch11(p, d):
    y, variance = d["y"], d["sigma1"] ** 2 + 0 * p["mu"]
    total = COMPLEX(0)
    for t in range(len(y)):
        if t > 0:
            variance = p["alpha0"] + p["alpha1"] * (y[t - 1] - p["mu"]) ** 2 + p["beta1"] * variance
        total = total + normal(y[t], p["mu"], np.sqrt(variance))
    return total


def arK(p, d):
    y, K, T = d["y"], int(d["K"]), int(d["T"])
    location = p["alpha"] + sum(p["beta"][k] * y[K - 1 - k:T - 1 - k] for k in range(K))
    return normal(p["alpha"], 0, REAL(10)) + normal(p["beta"], 0, REAL(10)) + cauchy(p["sigma"], 0, REAL("2.5")) + normal(y[K:], location, p["sigma"])


def arma11(p, d):
    y, mu, phi, theta = d["y"], p["mu"], p["phi"], p["theta"]
    shocks = [y[0] - mu - phi * mu]
    for t in range(1, len(y)):
        shocks.append(y[t] - mu - phi * y[t - 1] - theta * shocks[-1])
    return (normal(mu, 0, REAL(10)) + normal(phi, 0, REAL(2)) + normal(theta, 0, REAL(2)) + cauchy(p["sigma"], 0, REAL("2.5"))
            + normal(np.array(shocks), 0, p["sigma"]))


def regression(outcome, columns, prior=lambda p, d: COMPLEX(0)):
    """A normal regression of outcome(d) on the columns(d), the first of them constant, with coefficients beta and sd sigma."""

    def log_density(p, d):
        location = sum(b * x for b, x in zip(p["beta"], columns(d), strict=True))
        return prior(p, d) + normal(outcome(d), location, p["sigma"])

    return log_density


def kidscore_interaction_columns(d):
    h, q = d["mom_hs"] - np.mean(d["mom_hs"]), d["mom_iq"] - np.mean(d["mom_iq"])
    return [REAL(1), h, q, h * q]


def logmesquite_columns(d):
    a, b = d["diam1"], d["diam2"]
    return [REAL(1), np.log(a * b * d["canopy_height"]), np.log(a * b), np.log(a / b), np.log(d["total_height"]), np.log(d["density"]), d["group"]]


def nes_columns(d):
    age = [(d["age_discrete"] == k).astype(REAL) for k in (2, 3, 4)]
    return [REAL(1), d["real_ideo"], d["race_adj"], *age, d["educ1"], d["gender"], d["income"]]


def kilpisjarvi(p, d):
    return (normal(p["alpha"], d["pmualpha"], d["psalpha"]) + normal(p["beta"], d["pmubeta"], d["psbeta"])
            + normal(d["y"], p["alpha"] + p["beta"] * d["x"], p["sigma"]))


def wells_dist(p, d):
    return bernoulli_logit(d["switched"], p["beta"][0] + p["beta"][1] * d["dist"])


def radon_pooled(p, d):
    return (normal(p["alpha"], 0, REAL(10)) + normal(p["beta"], 0, REAL(10)) + normal(p["sigma_y"], 0, REAL(1))
            + normal(d["log_radon"], p["alpha"] + p["beta"] * d["floor_measure"], p["sigma_y"]))


def rats_model(p, d):
    rat = d["rat"].astype(int) - 1
    return (normal(p["mu_alpha"], 0, REAL(100)) + normal(p["mu_beta"], 0, REAL(100)) + normal(p["alpha"], p["mu_alpha"], p["sigma_alpha"])
            + normal(p["beta"], p["mu_beta"], p["sigma_beta"])
            + normal(d["y"], p["alpha"][rat] + p["beta"][rat] * (d["x"] - d["xbar"]), p["sigma_y"]))


def rats_start(d):
    """Each rat's least-squares line, and the moments of the lines."""
    rat, x = d["rat"].astype(int) - 1, d["x"] - d["xbar"]
    lines = np.array([np.polyfit(x[rat == i].astype(float), d["y"][rat == i].astype(float), 1) for i in range(int(d["N"]))])
    return {"mu_alpha": lines[:, 1].mean(), "mu_beta": lines[:, 0].mean(), "sigma_y": 6.0, "sigma_alpha": lines[:, 1].std(),
            "sigma_beta": lines[:, 0].std(), "alpha": lines[:, 1], "beta": lines[:, 0]}


def low_dim_gauss_mix(p, d):
    y, mu, sigma, theta = d["y"], p["mu"], p["sigma"], p["theta"]
    part = [-0.5 * LOG_2PI - np.log(sigma[k]) - 0.5 * ((y - mu[k]) / sigma[k]) ** 2 for k in (0, 1)]
    log_beta = np.log(REAL(576) / REAL(362880))  # B(5, 5) = 4! 4! / 9!
    return (normal(mu, 0, REAL(2)) + normal(sigma, 0, REAL(2)) + 4 * np.log(theta) + 4 * np.log(1 - theta) - log_beta
            + np.sum(log_add_exp(np.log(theta) + part[0], np.log(1 - theta) + part[1])))


def hmm_example(p, d):
    y, mu = d["y"], p["mu"]
    move = np.log(np.array([p["theta1"], p["theta2"]]).astype(COMPLEX))
    emission = -0.5 * LOG_2PI - 0.5 * (y[:, None] - mu[None, :]) ** 2
    forward = emission[0].astype(COMPLEX)
    for t in range(1, len(y)):
        forward = log_add_exp(forward[0] + move[0], forward[1] + move[1]) + emission[t]
    return normal(mu, np.array([3, 10], REAL), REAL(1)) + log_add_exp(forward[0], forward[1])


def cauchy_scale(scale):
    return lambda p, d: cauchy(p["sigma"], 0, REAL(scale))


def blr_prior(p, d):
    return normal(p["beta"], 0, REAL(10)) + normal(p["sigma"], 0, REAL(10))


REAL_LINE, POSITIVE = RealLine(), Positive()
MU, TAU, SIGMA = Parameter("mu"), Parameter("tau", support=POSITIVE), Parameter("sigma", support=POSITIVE)


def _regression_posterior(model, data_file, count, outcome, columns, prior=None):
    parameters = [Parameter("beta", (count,)), SIGMA]
    density = regression(outcome, columns, prior) if prior else regression(outcome, columns)
    design = None if prior else lambda d: (outcome(d), columns(d))
    return Posterior(model, data_file, parameters, density, f"{data_file}-{model}", constant=LOG_2 if prior else 0.0, design=design)


_SCHOOLS_GOLD = "eight_schools-eight_schools_noncentered"
LOG_2 = float(np.log(2.0))
_RADON = [Parameter("alpha"), Parameter("beta"), Parameter("sigma_y", support=POSITIVE)]


def _radon_start(d):
    return {"alpha": 1.3, "beta": -0.5, "sigma_y": 0.8}


POSTERIORS = [
    Posterior("eight_schools_centered", "eight_schools", [MU, TAU, Parameter("theta", ("J",))], eight_schools, _SCHOOLS_GOLD, constant=LOG_2),
    Posterior("eight_schools_noncentered", "eight_schools",
              [MU, TAU, Parameter("theta", ("J",), Noncentered("mu", "tau"))], eight_schools, _SCHOOLS_GOLD, constant=LOG_2),
    Posterior("garch11", "garch",
              [MU, Parameter("alpha0", support=POSITIVE), Parameter("alpha1", support=Interval(0, 1)),
               Parameter("beta1", support=Interval(0, lambda p: 1 - p["alpha1"], "alpha1"))], garch11, "garch-garch11"),
    Posterior("arK", "arK", [Parameter("alpha"), Parameter("beta", ("K",)), SIGMA], arK, "arK-arK", constant=LOG_2),
    Posterior("arma11", "arma", [MU, Parameter("phi"), Parameter("theta"), SIGMA], arma11, "arma-arma11", constant=LOG_2),
    _regression_posterior("earn_height", "earnings", 2, lambda d: d["earn"], lambda d: [REAL(1), d["height"]]),
    _regression_posterior("logearn_interaction", "earnings", 4, lambda d: np.log(d["earn"]),
                          lambda d: [REAL(1), d["height"], d["male"], d["height"] * d["male"]]),
    _regression_posterior("kidscore_momiq", "kidiq", 2, lambda d: d["kid_score"], lambda d: [REAL(1), d["mom_iq"]], cauchy_scale("2.5")),
    _regression_posterior("kidscore_interaction_c", "kidiq_with_mom_work", 4, lambda d: d["kid_score"], kidscore_interaction_columns),
    Posterior("kilpisjarvi", "kilpisjarvi_mod", [Parameter("alpha"), Parameter("beta"), SIGMA], kilpisjarvi, "kilpisjarvi_mod-kilpisjarvi"),
    _regression_posterior("mesquite", "mesquite", 7, lambda d: d["weight"],
                          lambda d: [REAL(1)] + [d[k] for k in ("diam1", "diam2", "canopy_height", "total_height", "density", "group")]),
    _regression_posterior("logmesquite_logvas", "mesquite", 7, lambda d: np.log(d["weight"]), logmesquite_columns),
    _regression_posterior("nes", "nes1980", 9, lambda d: d["partyid7"], nes_columns),
    _regression_posterior("blr", "sblrc", 5, lambda d: d["y"], lambda d: list(d["X"].T), blr_prior),
    Posterior("wells_dist", "wells_data", [Parameter("beta", (2,))], wells_dist, start=lambda d: {"beta": [0.6, -0.006]}),
    Posterior("radon_pooled", "radon_all", _RADON, radon_pooled, start=_radon_start, constant=LOG_2),
    Posterior("radon_pooled", "radon_mn", _RADON, radon_pooled, start=_radon_start, constant=LOG_2),
    Posterior("rats_model", "rats_data",
              [Parameter("mu_alpha"), Parameter("mu_beta"), *(Parameter(f"sigma_{k}", support=POSITIVE) for k in ("y", "alpha", "beta")),
               Parameter("alpha", ("N",)), Parameter("beta", ("N",))], rats_model, start=rats_start),
    Posterior("low_dim_gauss_mix", "low_dim_gauss_mix",
              [Parameter("mu", (2,), Ordered()), Parameter("sigma", (2,), POSITIVE), Parameter("theta", support=Interval(0, 1))],
              low_dim_gauss_mix, "low_dim_gauss_mix-low_dim_gauss_mix",
              constant=3 * LOG_2),  # two half-normals, and the 2! orders of mu
    Posterior("hmm_example", "hmm_example",
              [Parameter("theta1", (2,), Simplex()), Parameter("theta2", (2,), Simplex()), Parameter("mu", (2,), PositiveOrdered())],
              hmm_example, "hmm_example-hmm_example"),
]
