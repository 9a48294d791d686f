#!/usr/bin/env python3
"""Writes expected.json: data, points and log densities of the programs in this folder, from SciPy's densities.

Needs NumPy and SciPy; the tests read the committed file only. Each program is a well-known model as a newcomer from another
language would write it; its density here is written from the mathematics, with loops, and shares nothing with VModel.
"""

import json
import math
import pathlib
import types

import numpy as np
from scipy import special as sp
from scipy import stats as st

rng = np.random.default_rng(0)
PROGRAMS = {}


def ln(x):
    return np.log(x)


def add(name, data, density, points):
    """density(point, data); it keeps the values that names of this file have now."""
    PROGRAMS[name] = (data, types.FunctionType(density.__code__, dict(globals())), points)


x = np.array([2, 3, 4, 5, 6, 7, 8, 9, 10.0])
n = np.array([1443, 694, 455, 353, 272, 256, 240, 217, 200])
y = np.array([1346, 577, 337, 208, 149, 136, 111, 69, 67])
add(
    "golf",
    dict(J=9, n=n.tolist(), x=x.tolist(), y=y.tolist(), r=(1.68 / 2) / 12, R=(4.25 / 2) / 12),
    lambda q, d: (st.halfnorm.logpdf(q["sigma"]) + sum(st.binom.logpmf(y, n, 2 * st.norm.cdf(np.arcsin((d["R"] - d["r"]) / x) / q["sigma"]) - 1))),
    [{"sigma": 0.03}, {"sigma": 0.3}],
)

D = rng.poisson(3, 40)
D[25:] = rng.poisson(1, 15)


def coal(q, d):
    D = np.array(d["D"])
    T = len(D)
    t = st.expon.logpdf(q["e"], scale=1 / d["re"]) + st.expon.logpdf(q["l"], scale=1 / d["rl"])
    lps = [-math.log(T) + sum(st.poisson.logpmf(D[:s], q["e"])) + sum(st.poisson.logpmf(D[s:], q["l"])) for s in range(T)]
    return t + sp.logsumexp(lps)


add("coal", dict(re=1, rl=1, T=40, D=D.tolist()), coal, [{"e": 3, "l": 1}, {"e": 0.5, "l": 5}])


def cjs_data():
    I, T = 30, 5
    yy = np.zeros((I, T), int)
    for i in range(I):
        f = rng.integers(0, T - 1)
        yy[i, f] = 1
        alive = True
        for t in range(f + 1, T):
            alive = alive and rng.random() < 0.7
            if alive and rng.random() < 0.5:
                yy[i, t] = 1
    return yy


Y = cjs_data()
first = [int(np.argmax(r)) + 1 for r in Y]
last = [int(len(r) - np.argmax(r[::-1])) for r in Y]


def cjs(q, d):
    phi, p = np.array(q["phi"]), np.array(q["p"])
    T = 5
    chi = np.ones(T)
    for t in range(T - 2, -1, -1):
        chi[t] = (1 - phi[t]) + phi[t] * (1 - p[t]) * chi[t + 1]
    lp = 0
    for i in range(30):
        for t in range(first[i], last[i]):  # 0-based t index
            lp += ln(phi[t - 1]) + (ln(p[t - 1]) if Y[i, t] else ln(1 - p[t - 1]))
        lp += ln(chi[last[i] - 1])
    return lp


add("cjs", dict(I=30, T=5, y=Y.tolist(), first=first, last=last), cjs, [{"phi": [0.7, 0.6, 0.5, 0.8], "p": [0.3, 0.4, 0.5, 0.6]}])

yv = (rng.normal(0, 1, 25) * 0.5).round(3)


def sv(q, d):
    h = np.array(q["h"])
    l = st.cauchy.logpdf(q["mu"], 0, 10) + math.log(0.5) + st.cauchy.logpdf(q["sigma"], 0, 5) + math.log(2)
    l += st.norm.logpdf(h[0], q["mu"], q["sigma"] / math.sqrt(1 - q["phi"] ** 2))
    l += sum(st.norm.logpdf(h[1:], q["mu"] + q["phi"] * (h[:-1] - q["mu"]), q["sigma"]))
    return l + sum(st.norm.logpdf(d["y"], 0, np.exp(h / 2)))


add("sv", dict(T=25, y=yv.tolist()), sv, [{"mu": -1, "phi": 0.9, "sigma": 0.3, "h": (rng.normal(-1, 0.5, 25)).tolist()}])

N = 50
X = rng.normal(size=(N, 3))
off = rng.normal(size=N) * 0.2
yr = rng.negative_binomial(2, 0.3, N)


def roach(q, d):
    eta = q["a"] + X @ np.array(q["b"]) + off
    mu = np.exp(eta)
    phi = 1 / q["r"] ** 2
    return st.norm.logpdf(q["a"], 0, 5) + sum(st.norm.logpdf(q["b"], 0, 2.5)) + st.expon.logpdf(q["r"]) + sum(st.nbinom.logpmf(yr, phi, phi / (phi + mu)))


add("roaches", dict(N=N, K=3, X=X.tolist(), offset=off.tolist(), y=yr.tolist()), roach, [{"a": 0.3, "b": [0.1, -0.2, 0.5], "r": 0.8}])

K = 6
G = 40
p0 = rng.integers(1, K + 1, G)
p1 = (p0 + rng.integers(1, K, G) - 1) % K + 1
w = rng.integers(0, 2, G)
add(
    "bradley",
    dict(K=K, N=G, player1=p1.tolist(), player0=p0.tolist(), y=w.tolist()),
    lambda q, d: st.lognorm.logpdf(q["sigma"], 0.5)
    + sum(st.norm.logpdf(q["alpha"], 0, q["sigma"]))
    + sum(st.bernoulli.logpmf(w, sp.expit(np.array(q["alpha"])[p1 - 1] - np.array(q["alpha"])[p0 - 1]))),
    [{"sigma": 1.2, "alpha": [0.1, -0.5, 1, 0.2, -1, 0.3]}],
)

yo = rng.integers(1, 6, 30)
xo = rng.normal(size=30)


def ordinal(q, d):
    c = np.array(q["c"])
    lp = st.norm.logpdf(q["b"], 0, 1) + sum(st.norm.logpdf(c, 0, 3)) + math.lgamma(5)
    for yy, xx in zip(yo, xo):
        cdf = np.concatenate([[0], sp.expit(c - q["b"] * xx), [1]])
        lp += ln(cdf[yy] - cdf[yy - 1])
    return lp


add("ordinal", dict(N=30, K=5, y=yo.tolist(), x=xo.tolist()), ordinal, [{"b": 0.5, "c": [-1, 0, 0.5, 2]}])

J = 8
N = 60
g = rng.integers(1, J + 1, N)
xs = rng.normal(size=N)
ys = rng.normal(size=N)


def vs(q, d):
    L = np.array(q["L"])
    tau = np.array(q["tau"])
    z = np.array(q["z"])
    b = (np.diag(tau) @ L @ z.T).T + np.array(q["g"])
    K = 2
    eta = 2
    lkj = 0
    for k in range(1, K):
        s = eta + (K - 1 - k) / 2
        lkj -= (K - k) * (2 * math.lgamma(s) - math.lgamma(2 * s) + (2 * s - 1) * math.log(2))
    lkj += sum((2 * (eta - 1) + K - (i + 1)) * ln(L[i, i]) for i in range(1, K))
    lp = lkj + sum(st.expon.logpdf(tau)) + sum(st.norm.logpdf(z.ravel())) + sum(st.norm.logpdf(q["g"], 0, 5)) + st.expon.logpdf(q["sigma"])
    return lp + sum(st.norm.logpdf(ys, b[g - 1, 0] + b[g - 1, 1] * xs, q["sigma"]))


add(
    "slopes",
    dict(N=N, J=J, jj=g.tolist(), x=xs.tolist(), y=ys.tolist()),
    vs,
    [{"L": [[1, 0], [0.6, 0.8]], "tau": [0.5, 2], "z": rng.normal(size=(J, 2)).tolist(), "g": [1, -1], "sigma": 1.5}],
)

yb = rng.beta(2, 3, 20)
xb = rng.normal(size=20)
add(
    "betareg",
    dict(N=20, x=xb.tolist(), y=yb.tolist()),
    lambda q, d: (
        st.t.logpdf(q["a"], 3, 0, 2.5)
        + st.t.logpdf(q["b"], 3, 0, 2.5)
        + st.gamma.logpdf(q["kappa"], 2, scale=10)
        + sum(st.beta.logpdf(yb, (m := sp.expit(q["a"] + q["b"] * xb)) * q["kappa"], (1 - m) * q["kappa"]))
    ),
    [{"a": 0.1, "b": -0.3, "kappa": 6}],
)

t = rng.weibull(1.5, 40) * 3
c = (t > 4).astype(int)
t = np.minimum(t, 4)
xx = rng.normal(size=40)


def surv(q, d):
    s = np.exp(q["b0"] + q["b1"] * xx)
    lp = st.norm.logpdf(q["b0"], 0, 2) + st.norm.logpdf(q["b1"], 0, 1) + st.gamma.logpdf(q["k"], 2, scale=0.5)
    return lp + sum(np.where(c == 1, st.weibull_min.logsf(t, q["k"], scale=s), st.weibull_min.logpdf(t, q["k"], scale=s)))


add("weibull", dict(N=40, t=t.tolist(), censored=c.tolist(), x=xx.tolist()), surv, [{"b0": 1, "b1": 0.2, "k": 1.5}])
cuts = [0.0, 1.0, 2.0, 3.0]


def pe(q, d):
    lam = np.exp(np.array(q["lam"]))
    lp = sum(st.norm.logpdf(q["lam"], -1, 1))
    for tt, cc in zip(t, c):
        H = 0
        for k in range(4):
            hi = cuts[k + 1] if k < 3 else math.inf
            H += lam[k] * max(0, min(tt, hi) - cuts[k])
        k = int(np.searchsorted(cuts, tt, side="right")) - 1
        lp += -H + (0 if cc else q["lam"][k])
    return lp


add("piecewise", dict(N=40, K=4, cuts=cuts, t=t.tolist(), event=(1 - c).tolist()), pe, [{"lam": [-1, -0.5, 0, 0.3]}])
Kc, V, Mdocs = 3, 5, 10
Nw = 40
z = rng.integers(1, Kc + 1, Mdocs)
wv = rng.integers(1, V + 1, Nw)
doc = rng.integers(1, Mdocs + 1, Nw)


def nb(q, d):
    th = np.array(q["theta"])
    ph = np.array(q["phi"])
    lp = st.dirichlet.logpdf(th / th.sum(), [1.0] * 3) + sum(st.dirichlet.logpdf(p / p.sum(), [0.5] * 5) for p in ph)
    return lp + sum(ln(th[z - 1])) + sum(ln(ph[z[doc - 1] - 1, wv - 1]))


add(
    "naive",
    dict(K=Kc, V=V, M=Mdocs, N=Nw, z=z.tolist(), w=wv.tolist(), doc=doc.tolist()),
    nb,
    [{"theta": [0.2, 0.3, 0.5], "phi": [[0.1, 0.2, 0.3, 0.2, 0.2], [0.3, 0.3, 0.2, 0.1, 0.1], [0.2] * 5]}],
)
T = 4
Gm = 30
h = rng.integers(1, T + 1, Gm)
a = (h + rng.integers(1, T, Gm) - 1) % T + 1
hg = rng.poisson(1.5, Gm)
ag = rng.poisson(1, Gm)


def foot(q, d):
    at = np.array(q["att"]) - np.mean(q["att"])
    de = np.array(q["def_"]) - np.mean(q["def_"])
    lp = (
        sum(st.norm.logpdf(q["att"], 0, q["s"]))
        + sum(st.norm.logpdf(q["def_"], 0, q["s"]))
        + st.halfnorm.logpdf(q["s"])
        + st.norm.logpdf(q["home"], 0, 1)
        + st.norm.logpdf(q["int_"], 0, 1)
    )
    return (
        lp
        + sum(st.poisson.logpmf(hg, np.exp(q["int_"] + q["home"] + at[h - 1] - de[a - 1])))
        + sum(st.poisson.logpmf(ag, np.exp(q["int_"] + at[a - 1] - de[h - 1])))
    )


add(
    "football",
    dict(T=T, G=Gm, h=h.tolist(), a=a.tolist(), home_goals=hg.tolist(), away_goals=ag.tolist()),
    foot,
    [{"s": 0.5, "att": [0.1, 0.2, -0.3, 0.4], "def_": [0, 0.1, -0.2, 0.3], "home": 0.3, "int_": 0.1}],
)
S, Tv = 20, 4
yo2 = rng.binomial(1, 0.3, (S, Tv))
yo2[::2] = 0


def occ(q, d):
    lp = st.beta.logpdf(q["psi"], 1, 1) + st.beta.logpdf(q["p"], 1, 1)
    for r in yo2:
        k = r.sum()
        l = ln(q["psi"]) + k * ln(q["p"]) + (Tv - k) * ln(1 - q["p"])
        lp += l if k > 0 else np.logaddexp(l, ln(1 - q["psi"]))
    return lp


add("occupancy", dict(S=S, T=Tv, y=yo2.tolist()), occ, [{"psi": 0.6, "p": 0.3}])
Kk = 3
Xm = rng.normal(size=(25, 2))
ym = rng.integers(1, 4, 25)


def mnl(q, d):
    B = np.array(q["B"])
    eta = np.column_stack([np.zeros(25), Xm @ B])
    return sum(st.norm.logpdf(B.ravel(), 0, 2)) + sum(eta[np.arange(25), ym - 1] - sp.logsumexp(eta, axis=1))


add("mnl", dict(N=25, D=2, K=3, X=Xm.tolist(), y=ym.tolist()), mnl, [{"B": [[0.1, 0.2], [-0.3, 0.4]]}])
Tt = 15
cases = rng.poisson(20, Tt)


def sir(q, d):
    Npop = 1000.0
    S, I = Npop - q["i0"], q["i0"]
    lp = (
        st.lognorm.logpdf(q["beta"], 0.5, scale=math.exp(-0.5))
        + st.lognorm.logpdf(q["gamma"], 0.5, scale=math.exp(-1.5))
        + st.expon.logpdf(q["i0"], scale=10)
        + st.expon.logpdf(q["phi"], scale=5)
    )
    for k in range(Tt):
        inf = S * (1 - math.exp(-q["beta"] * I / Npop))
        S -= inf
        I += inf - q["gamma"] * I
        m = inf + 1e-6
        lp += st.nbinom.logpmf(cases[k], q["phi"], q["phi"] / (q["phi"] + m))
    return lp


add("sir", dict(T=Tt, N=1000, cases=cases.tolist()), sir, [{"beta": 0.6, "gamma": 0.25, "i0": 8, "phi": 4}])
tau = 0.3
xt = rng.normal(size=15)
xm = xt + tau * rng.normal(size=15)
yy = 1 + 2 * xt


def me(q, d):
    x = np.array(q["x"])
    return (
        sum(st.norm.logpdf(x, q["m"], q["s"]))
        + st.norm.logpdf(q["m"], 0, 10)
        + st.halfcauchy.logpdf(q["s"], 0, 5)
        + st.norm.logpdf(q["a"], 0, 10)
        + st.norm.logpdf(q["b"], 0, 10)
        + st.halfcauchy.logpdf(q["sg"], 0, 5)
        + sum(st.norm.logpdf(xm, x, tau))
        + sum(st.norm.logpdf(yy, q["a"] + q["b"] * x, q["sg"]))
    )


add("measure", dict(N=15, x_meas=xm.tolist(), tau=tau, y=yy.tolist()), me, [{"m": 0.1, "s": 1.1, "x": xt.tolist(), "a": 1, "b": 2, "sg": 0.5}])
Yg = rng.normal(size=(30, 2))
Yg[:15] += 3


def gm(q, d):
    mu = np.array(q["mu"])
    th = np.array(q["theta"])
    s = np.array(q["s"])
    lp = st.dirichlet.logpdf(th / th.sum(), [2.0, 2.0]) + sum(st.norm.logpdf(mu.ravel(), 0, 5)) + sum(st.halfnorm.logpdf(s, 0, 2))
    for y in Yg:
        lp += sp.logsumexp([ln(th[k]) + sum(st.norm.logpdf(y, mu[k], s[k])) for k in range(2)])
    return lp


add("gmm", dict(N=30, D=2, K=2, y=Yg.tolist()), gm, [{"theta": [0.4, 0.6], "mu": [[0, 1], [3, 2]], "s": [1, 1.5]}])
yh = np.where(rng.random(30) < 0.4, 0, rng.lognormal(size=30))
xh = rng.normal(size=30)


def hurdle(q, d):
    p = sp.expit(q["g0"] + q["g1"] * xh)
    m = q["b0"] + q["b1"] * xh
    lp = sum(st.norm.logpdf([q["g0"], q["g1"], q["b0"], q["b1"]], 0, 2)) + st.expon.logpdf(q["s"])
    return lp + sum(ln(p[yh == 0])) + sum(ln(1 - p[yh > 0])) + sum(st.lognorm.logpdf(yh[yh > 0], q["s"], scale=np.exp(m[yh > 0])))


add("hurdle", dict(N=30, x=xh.tolist(), y=yh.tolist()), hurdle, [{"g0": 0.1, "g1": 0.2, "b0": 0.3, "b1": -0.1, "s": 0.9}])
Th = 20
yh3 = rng.normal(size=Th) + np.repeat([0, 3, -3, 0], 5)


def hmm(q, d):
    A = np.array(q["A"])
    mu = np.array(q["mu"])
    lp = sum(st.dirichlet.logpdf(r / r.sum(), [1.0, 1.0, 1.0]) for r in A) + sum(st.norm.logpdf(mu, 0, 5)) + math.lgamma(4) + st.expon.logpdf(q["s"])
    la = -math.log(3) + st.norm.logpdf(yh3[0], mu, q["s"])
    for tt in range(1, Th):
        la = np.array([sp.logsumexp(la + ln(A[:, k])) for k in range(3)]) + st.norm.logpdf(yh3[tt], mu, q["s"])
    return lp + sp.logsumexp(la)


add("hmm3", dict(T=Th, K=3, y=yh3.tolist()), hmm, [{"A": [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4]], "mu": [-3, 0, 3], "s": 1.1}])
lo = [0.0, -1.0]
hi = [1.0, 2.0]


def rob(q, d):
    b = np.array(q["b"])
    lp = (
        sum(st.norm.logpdf(b, 0.5, 1) - ln(st.norm.cdf(hi, 0.5, 1) - st.norm.cdf(lo, 0.5, 1)))
        + st.gamma.logpdf(q["nu"], 2, scale=10)
        - st.gamma.logsf(1, 2, scale=10)
        + st.expon.logpdf(q["s"])
    )
    return lp + sum(st.t.logpdf(yy, q["nu"], b[0] + b[1] * xt, q["s"]))


add("robust", dict(N=15, x=xt.tolist(), y=yy.tolist(), lo=lo, hi=hi), rob, [{"b": [0.3, 1.5], "nu": 4, "s": 0.8}])


def ppca(q, d):
    W = np.array(q["W"])
    S = W @ W.T + np.diag(np.array(q["psi"]) ** 2)
    return (
        sum(st.norm.logpdf(W.ravel()))
        + sum(st.halfnorm.logpdf(q["psi"]))
        + sum(st.norm.logpdf(q["m"], 0, 5))
        + sum(st.multivariate_normal.logpdf(Yf, q["m"], S))
    )


Yf = rng.normal(size=(20, 3))
add("ppca", dict(N=20, D=3, K=2, Y=Yf.tolist()), ppca, [{"W": [[0.5, 0.1], [-0.3, 0.8], [0.2, 0.2]], "psi": [0.9, 1.1, 0.7], "m": [0.1, 0, -0.2]}])
sizes = [3, 5, 1, 4]
yr2 = rng.normal(size=13)


def ragged(q, d):
    lp = st.norm.logpdf(q["mu"], 0, 5) + st.expon.logpdf(q["tau"]) + sum(st.norm.logpdf(q["th"], q["mu"], q["tau"])) + st.expon.logpdf(q["s"])
    i = 0
    for j, k in enumerate(sizes):
        lp += sum(st.norm.logpdf(yr2[i : i + k], q["th"][j], q["s"]))
        i += k
    return lp


add("ragged", dict(J=4, N=13, sizes=sizes, y=yr2.tolist()), ragged, [{"mu": 0.1, "tau": 0.5, "th": [0.1, 0.2, 0.3, 0.4], "s": 1.2}])
ang = rng.vonmises(0.5, 3, 20)
add(
    "circular",
    dict(N=20, y=ang.tolist()),
    lambda q, d: -math.log(2 * math.pi) + st.expon.logpdf(q["kappa"], scale=10) + sum(st.vonmises.logpdf(ang, q["kappa"], q["m"])),
    [{"m": 0.4, "kappa": 2.5}],
)
Kb = rng.integers(20, 60, 10)
yb3 = rng.binomial(Kb, 0.27)
add(
    "batting",
    dict(N=10, K=Kb.tolist(), y=yb3.tolist()),
    lambda q, d: st.pareto.logpdf(q["kappa"], 1.5)
    + sum(st.beta.logpdf(q["theta"], q["phi"] * q["kappa"], (1 - q["phi"]) * q["kappa"]))
    + sum(st.binom.logpmf(yb3, Kb, q["theta"])),
    [{"phi": 0.27, "kappa": 30, "theta": [0.2, 0.25, 0.3, 0.27, 0.26, 0.31, 0.22, 0.28, 0.24, 0.29]}],
)


def main():
    rows = {}
    for name, (data, density, points) in PROGRAMS.items():
        rows[name] = {"data": data, "points": points, "log_density": [float(density(point, data)) for point in points]}
    lines = [json.dumps(name) + ": " + json.dumps(row) for name, row in rows.items()]
    pathlib.Path(__file__).with_name("expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
