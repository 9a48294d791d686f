"""Estimates of log q and of its score for semi-implicit families, against closed forms; gradients; memory."""

import json
import math
import os
import pathlib
import subprocess
import sys
import unittest
from random import Random

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from kernels import Model  # noqa: E402
from support import Place  # noqa: E402
from vmodel_testing import compile_model  # noqa: E402

B, A, S = [0.4, -0.7], [[1.0, 0.5, -0.3], [0.2, -0.8, 0.6]], [0.6, 0.5]
UNBENT = [0.0, 0.0]


def product(X, Y):
    return [[sum(x * y for x, y in zip(row, column)) for column in zip(*Y)] for row in X]


def transposed(X):
    return [list(row) for row in zip(*X)]


def inverse(X):
    """By Gauss and Jordan; small and well conditioned."""
    n = len(X)
    rows = [list(row) + [float(i == j) for j in range(n)] for i, row in enumerate(X)]
    for i in range(n):
        pivot = rows[i][i]
        rows[i] = [x / pivot for x in rows[i]]
        for j in range(n):
            if j != i:
                rows[j] = [x - rows[j][i] * y for x, y in zip(rows[j], rows[i])]
    return [row[n:] for row in rows]


def cholesky(X):
    n = len(X)
    L = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            rest = X[i][j] - sum(L[i][k] * L[j][k] for k in range(j))
            L[i][j] = math.sqrt(rest) if i == j else rest / L[j][j]
    return L


COVARIANCE = [[sum(a * b for a, b in zip(A[i], A[j])) + (S[i] ** 2 if i == j else 0) for j in range(2)] for i in range(2)]
PRECISION = inverse(COVARIANCE)
DETERMINANT = COVARIANCE[0][0] * COVARIANCE[1][1] - COVARIANCE[0][1] ** 2


def log_q(z):
    d = [x - m for x, m in zip(z, B)]
    return -math.log(2 * math.pi) - 0.5 * math.log(DETERMINANT) - 0.5 * sum(d[i] * PRECISION[i][j] * d[j] for i in range(2) for j in range(2))


def score(z):
    d = [x - m for x, m in zip(z, B)]
    return [-sum(p * x for p, x in zip(row, d)) for row in PRECISION]


def phi(m, M, L, bend):
    softplus = [math.log(math.expm1(s)) for s in S]
    triangle = [math.log(L[i][j]) if i == j else L[i][j] for i in range(3) for j in range(i + 1)]
    return [*B, *A[0], *A[1], *softplus, *m, *(x for row in M for x in row), *triangle, *bend]


def exact_proposal(bend=UNBENT):
    """eps given z: precision I + A' A / s^2, mean linear in z."""
    W = [[a / S[i] ** 2 for a in A[i]] for i in range(2)]
    P = product(transposed(A), W)
    V = inverse([[P[i][j] + float(i == j) for j in range(3)] for i in range(3)])
    M = product(V, transposed(W))
    return phi([-sum(a * b for a, b in zip(row, B)) for row in M], M, cholesky(V), bend)


def poor_proposal(bend=UNBENT):
    return phi([0.1, -0.2, 0.1], [[0.2, 0.1], [0.1, -0.3], [0.0, 0.2]], [[1.1, 0, 0], [0.1, 1.0, 0], [0.0, -0.1, 0.9]], bend)


def log_p(z):
    return -math.log(2 * math.pi * 2) - 0.5 * (z[0] - 0.5) ** 2 - (z[1] + 1) ** 2 / 8


def log_p_score(z):
    return [-(z[0] - 0.5), -(z[1] + 1) / 4]


def moments(numbers):
    mean = sum(numbers) / len(numbers)
    return mean, math.sqrt(sum((x - mean) ** 2 for x in numbers) / (len(numbers) - 1) / len(numbers))


class SemiImplicit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = Place("test/objectives/models/mixed_line.vmodel", {}, "Linear", "--families=Linear,Partly", "--objectives=aisivi,bsivi,sivi,iwhvi,uivi")
        cls.addClassCleanup(cls.place.close)

    def each(self, phi, text, seed=1):
        return self.place.objective(phi, text, "--values", "--seed", seed)["each"]

    def assert_zero(self, numbers, message):
        """Five standard errors: of 200 such means one in 9000 runs of the file is beyond by chance."""
        mean, error = moments(numbers)
        self.assertLessEqual(abs(mean), 5 * error, f"{message}: {mean} ({error})")

    def test_exact_proposal_has_no_error(self):
        """All weights are equal, whatever the number of samples."""
        for inner in (2, 7):
            for e in self.each(exact_proposal(), f"aisivi(outer = 33, inner = {inner}, prior_share = 0)"):
                self.assertAlmostEqual(e["log_q"], log_q(e["at"]["z"]), delta=1e-12 * (1 + abs(e["log_q"])))
                self.assertAlmostEqual(e["inner_effective_size"], inner, delta=1e-9)

    def test_score_through_exact_proposal_is_unbiased(self):
        each = self.each(exact_proposal(), "aisivi(outer = 20000, inner = 2, prior_share = 0)")
        for i in range(2):
            self.assert_zero([e["score"][i] - score(e["at"]["z"])[i] for e in each], f"coordinate {i}")
            self.assert_zero([(e["score"][i] - score(e["at"]["z"])[i]) * e["at"]["z"][i] for e in each], f"coordinate {i} times z")

    def test_estimates_converge(self):
        """Through proposals that are wrong, with a scale that depends on z: were the weights differentiated by z, the score would
        be off by `bend` however many samples there are."""
        for phi, share in ((poor_proposal(), 0.1), (poor_proposal([0.3, -0.2]), 0.2), (exact_proposal([0.3, 0.2]), 0.1)):
            spread = {}
            for inner, batches in ((64, 1), (1024, 4)):
                each = self.each(phi, f"aisivi(outer = 400, inner = {inner}, batches = {batches}, prior_share = {share})")
                errors = [e["log_q"] - log_q(e["at"]["z"]) for e in each]
                spread[inner] = sorted(map(abs, errors))[len(errors) // 2]
                if inner == 1024:
                    for i in range(2):
                        off = [e["score"][i] - score(e["at"]["z"])[i] for e in each]
                        mean, error = moments(off)
                        # The bias of a ratio of means is of the order of the variance.
                        self.assertLessEqual(abs(mean), 5 * error + 2 * sum(x * x for x in off) / len(off))
                        self.assertLess(abs(mean), 0.05)
            # 64 times as many samples: an eighth of the error. A median of 400 has a standard error of 6 %; four of the ratio's.
            self.assertLess(spread[1024], spread[64] / 8 * 1.4)
            self.assertGreater(spread[1024], spread[64] / 8 / 1.4)

    def test_standard_errors(self):
        points = [{"z": [x, y]} for x in (-1.0, 0.4, 2.0) for y in (-2.0, -0.7, 1.0)]
        path = self.place.folder / "points.json"
        path.write_text(json.dumps(points))
        command = [self.place.executable, "log-q", "--fit", self.place.at(poor_proposal()), "--at", path, "--scale", "unconstrained", "--inner", "20000"]
        answers = json.loads(subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout)
        off = [(a["log_q"] - log_q(p["z"])) / a["standard_error"] for a, p in zip(answers, points)]
        for x in off:
            self.assertLess(abs(x), 5)
        # Sum of nine squares: 1 in 1e4 on either side.
        self.assertLess(sum(x * x for x in off), 33.7)
        self.assertGreater(sum(x * x for x in off), 0.45)

    def test_guesses_are_told(self):
        """Far from what the family draws one inner sample outweighs the others, and the error that it shows is no error."""
        path = self.place.folder / "points.json"
        path.write_text(json.dumps([{"z": B}, {"z": [300.0, -200.0]}]))
        for inner in ("64", "20000"):
            command = [self.place.executable, "log-q", "--fit", self.place.at(poor_proposal()), "--at", path, "--scale", "unconstrained", "--inner", inner]
            done = subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True)
            near, far = json.loads(done.stdout)
            self.assertGreater(near["inner_effective_size"], 4)
            self.assertLess(far["inner_effective_size"], 4)
            # Below the density by far more than the standard error says: few samples reach it.
            self.assertLess(far["log_q"], log_q([300.0, -200.0]) - 10 * far["standard_error"])
            self.assertIn(f"at 1 point fewer than 4 of {inner} inner samples count: log_q is a guess", done.stderr)
        path.write_text(json.dumps([{"z": B}]))
        done = subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True)
        self.assertEqual(done.stderr, "")

    def test_own_value_makes_the_prior_score_exact_in_the_mean(self):
        """E[s z'] = -I for a score s of q; with the value by which z was drawn among the samples at every k."""
        for inner in (2, 5):
            each = self.each(poor_proposal(), f"bsivi(outer = 20000, inner = {inner})")
            for i in range(2):
                for j in range(2):
                    self.assert_zero([e["score"][i] * (e["at"]["z"][j] - B[j]) + float(i == j) for e in each], f"k = {inner}, {i}, {j}")

    def test_own_value_is_left_out_of_importance_samples(self):
        """Samples of the prior alone, without the value by which z was drawn, are far from that."""
        each = self.each(poor_proposal(), "aisivi(outer = 20000, inner = 2, prior_share = 1)")
        mean, error = moments([e["score"][0] * (e["at"]["z"][0] - B[0]) + 1 for e in each])
        self.assertGreater(abs(mean), 20 * error)

    def test_gradient(self):
        """The path alone: the score at the draws is constant, and so is what the proposal learns."""
        h = 1e-4
        for text in ("aisivi(outer = 9, inner = 16)", "bsivi(outer = 9, inner = 16)", "uivi(outer = 9)"):
            here = poor_proposal()
            each = self.each(here, text, seed=3)
            gradient = self.place.gradient(here, text, "--seed", 3)
            # Where hardly one inner sample counts, the particle does not.
            counts = [not text.startswith("aisivi") or e["inner_effective_size"] >= 2 for e in each]
            self.assertGreater(sum(counts), len(each) // 2)
            weights = [[(p - q) * c for p, q in zip(log_p_score(e["at"]["z"]), e["score"])] for e, c in zip(each, counts)]
            for i in range(len(here)):
                moved = {}
                for t in (-2, -1, 1, 2):
                    there = [*here[:i], here[i] + t * h, *here[i + 1 :]]
                    moved[t] = [e["at"]["z"] for e in self.each(there, text, seed=3)] if i < 10 else [e["at"]["z"] for e in each]
                total = 0.0
                for k, w in enumerate(weights):
                    for j in range(2):
                        total += w[j] * (8 * (moved[1][k][j] - moved[-1][k][j]) - (moved[2][k][j] - moved[-2][k][j])) / (12 * h) / len(each)
                self.assertAlmostEqual(gradient[i], total, delta=1e-8 * max(1, *map(abs, gradient)))

    def off(self, phi, text, repeats):
        """The square of the distance of the mean gradient from the exact one without what its noise adds, and the noise of that."""
        G = [[0.5 * (PRECISION[i][j] - (1.0, 0.25)[i] * float(i == j)) for j in range(2)] for i in range(2)]
        GA = product(G, A)
        exact = [-(B[0] - 0.5), -(B[1] + 1) / 4, *(2 * x for row in GA for x in row), *(2 * G[i][i] * S[i] * -math.expm1(-S[i]) for i in range(2))]
        result = self.place.objective(phi, text, "--repeats", repeats)["repeats"]
        mean, deviation = ([x for part in result[name].values() for x in part][: len(exact)] for name in ("mean", "standard_deviation"))
        errors = [d / math.sqrt(repeats) for d in deviation]
        squares = sum((m - x) ** 2 for m, x in zip(mean, exact)) - sum(e * e for e in errors)
        return squares, sum(e * e for e in errors)

    def test_bias_of_the_parameter_gradient(self):
        """Against the closed form: it is that of the score, and falls with the number of inner samples. Exact proposals have none."""
        squares, noise = self.off(exact_proposal(), "aisivi(outer = 512, inner = 2, prior_share = 0)", 400)
        self.assertLess(abs(squares), 5 * noise)
        for kind in ("aisivi", "bsivi"):
            few, many = (self.off(poor_proposal(), f"{kind}(outer = 512, inner = {inner})", 400) for inner in (16, 256))
            self.assertGreater(few[0], 5 * few[1])  # there is a bias
            # In proportion to 1 / inner squares would fall by 256; at 16 samples higher orders count.
            self.assertLess(many[0], few[0] / 32 + 5 * many[1])

    def test_surrogate_bound_gradient(self):
        """That of the estimate itself, through draws and densities."""
        text, h = "sivi(outer = 9, inner = 5)", 1e-4
        here = poor_proposal()
        gradient = self.place.gradient(here, text, "--seed", 3)
        for i in range(len(here)):
            value = {t: self.place.objective([*here[:i], here[i] + t * h, *here[i + 1 :]], text, "--seed", 3)["value"] for t in (-2, -1, 1, 2)}
            difference = (8 * (value[1] - value[-1]) - (value[2] - value[-2])) / (12 * h)
            self.assertAlmostEqual(gradient[i], difference, delta=1e-8 * max(1, *map(abs, gradient)))

    def test_surrogate_bound_rises(self):
        """Below the ELBO for every K, and the nearer the more samples there are."""
        values = []
        for inner in (1, 16, 256):
            each = self.each(poor_proposal(), f"sivi(outer = 4000, inner = {inner})")
            mean, error = moments([log_q(e["at"]["z"]) - e["log_q"] for e in each])
            self.assertLess(mean, 3 * error)
            values.append(mean)
        self.assertLess(values[0], values[1])
        self.assertLess(values[1], values[2])
        # The gap falls with 1 / K: by 16, of which a quarter is room for higher orders and noise.
        self.assertGreater(values[2], values[1] / 4)

    def test_reverse_model_tightens_the_bound(self):
        """With the exact one it is the ELBO, whatever the number of samples; with a poor one below it, and nearer with more samples."""
        for inner in (1, 6):
            for e in self.each(exact_proposal(), f"iwhvi(outer = 33, inner = {inner})"):
                self.assertAlmostEqual(e["log_q"], log_q(e["at"]["z"]), delta=1e-12 * (1 + abs(e["log_q"])))
        values = []
        for inner in (1, 16):
            mean, error = moments([log_q(e["at"]["z"]) - e["log_q"] for e in self.each(poor_proposal([0.3, -0.2]), f"iwhvi(outer = 4000, inner = {inner})")])
            self.assertLess(mean, -5 * error)
            values.append(mean)
        self.assertLess(values[0], values[1])

    def test_gradient_through_the_exact_reverse_model(self):
        """No other one makes the bound better, so that its gradient is that of the ELBO."""
        squares, noise = self.off(exact_proposal(), "iwhvi(outer = 512, inner = 2)", 400)
        self.assertLess(abs(squares), 5 * noise)

    def test_gradient_through_a_poor_reverse_model(self):
        """Against differences of the bound by the same random numbers, through which samples follow the point: the distribution of the
        samples counts as much as their densities."""
        h, repeats, here = 1e-4, 200, poor_proposal([0.3, -0.2])
        for inner in (1, 4):
            mean, deviation = ([x for part in self.place.objective(here, f"iwhvi(outer = 512, inner = {inner})", "--repeats", repeats)["repeats"][name].values() for x in part] for name in ("mean", "standard_deviation"))
            for i in range(10):
                values = {}
                for t in (-1, 1):
                    there = [*here[:i], here[i] + t * h, *here[i + 1 :]]
                    values[t] = [log_p(e["at"]["z"]) - e["log_q"] for e in self.each(there, f"iwhvi(outer = 20000, inner = {inner})", seed=5)]
                difference, error = moments([(b - a) / (2 * h) for a, b in zip(values[-1], values[1])])
                self.assertLessEqual(abs(mean[i] - difference), 5 * math.hypot(error, deviation[i] / math.sqrt(repeats)), f"{inner}, {i}")
            # What the reverse model learns is learned otherwise.
            self.assertEqual(set(mean[10:]), {0.0})

    def test_states_of_chains_have_the_score(self):
        """Whatever the number of transitions: they leave the distribution as it is from which the value came by which z was drawn."""
        for text in ("uivi(outer = 20000, inner = 1, burn_in = 0)", "uivi(outer = 20000, inner = 3, burn_in = 2, leapfrogs = 2)"):
            each = self.each(poor_proposal(), text)
            for i in range(2):
                self.assert_zero([e["score"][i] - score(e["at"]["z"])[i] for e in each], f"{text}, coordinate {i}")
                self.assert_zero([(e["score"][i] - score(e["at"]["z"])[i]) * e["at"]["z"][i] for e in each], f"{text}, coordinate {i} times z")

    def test_chains_forget_where_they_came_from(self):
        """The path is weighted by the value by which z was drawn: one short transition leaves a bias in its gradient, many long ones do not."""
        near = self.off(poor_proposal(), "uivi(outer = 512, inner = 1, burn_in = 0, leapfrogs = 1)", 100)
        self.assertGreater(near[0], 5 * near[1])
        far = self.off(poor_proposal(), "uivi(outer = 512, inner = 4, burn_in = 20, leapfrogs = 6)", 400)
        self.assertLess(far[0], near[0] / 100 + 5 * far[1])

    def test_threads(self):
        for text in ("aisivi(outer = 50, inner = 12)", "bsivi(outer = 50, inner = 12)", "sivi(outer = 50, inner = 12)", "iwhvi(outer = 50, inner = 12)", "uivi(outer = 50)"):
            results = {self.text(poor_proposal(), text, threads) for threads in (1, 2, 4)}
            self.assertEqual(len(results), 1)

    def text(self, phi, text, threads):
        result = self.place.objective(phi, text, "--gradient", "--values", "--threads", threads)
        return json.dumps(result)

    def test_batches_only_cost_time(self):
        """The same samples in one batch or in many, and no memory for them."""
        def peak(batches):
            command = [self.place.executable, "objective", "--fit", self.place.at(poor_proposal()), "--data", self.place.data, "--objective", f"aisivi(outer = 8, inner = 256, batches = {batches})"]
            run = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(run.pid, 0)
            self.assertEqual(status, 0)
            return usage.ru_maxrss

        one = self.each(poor_proposal(), "aisivi(outer = 9, inner = 64, batches = 4)")
        other = self.each(poor_proposal(), "aisivi(outer = 9, inner = 256)")
        self.assertEqual(one, other)
        self.assertLess(peak(64), 1.05 * peak(1))

    def test_partly_semi_implicit(self):
        """The second coordinate's factor is no integral, and its score is there all the same."""
        place = Place("test/objectives/models/mixed_line.vmodel", {}, "Partly", "--families=Linear,Partly")
        self.addCleanup(place.close)
        each = place.objective(place.fit["state"]["phi"], "aisivi(outer = 500, inner = 4000)", "--values")["each"]
        w, s, v, t = (place.fit["learnables"][name]["value"] for name in ("w", "s", "v", "t"))
        variance = w * w + s * s
        for e in each:
            x, y = e["at"]["z"]
            exact = -math.log(2 * math.pi) - 0.5 * math.log(variance) - math.log(t) - 0.5 * x * x / variance - 0.5 * ((y - v * x) / t) ** 2
            self.assertAlmostEqual(e["log_q"], exact, delta=0.2)
            self.assertAlmostEqual(e["score"][1], -(y - v * x) / t**2, delta=1e-9)


class Derivatives(unittest.TestCase):
    def test_of_the_proposal_by_the_point(self):
        """Against differences of the density of the proposal, whose mean and scale depend on the point."""
        model = Model(compile_model("test/objectives/models/mixed_line.vmodel", "--families=Linear", "--objectives=iwhvi"))
        stages = {s["kernel"]: model.sizes[s["size"]] for s in model.metadata["stages"]}
        random = Random(1)
        family = next(f for f in model.metadata["families"] if f["name"] == "Linear")
        h, phi = 1e-3, [random.gauss(0, 0.6) for _ in range(model.sizes[family["phi"]])]
        z = [[random.gauss(0, 1) for _ in range(2)] for _ in range(5)]
        mix = [[random.gauss(0, 1) for _ in range(3)] for _ in z]

        def call(kernel, of, z):
            inputs = {"phi": phi, "theta": phi, "z": z, "mix": mix}
            for stage in ("step", "point"):
                if f"{of}.{stage}" in stages:
                    inputs[stage] = model.call(f"{of}.{stage}", sizes={stage: stages[f"{of}.{stage}"]}, **inputs)[stage]
            return model.call(kernel, **inputs)

        def density(i, t):
            return call("Linear.proposal.log_density", "Linear.proposal.log_density", [[x + t * h * (j == i) for j, x in enumerate(p)] for p in z])["log_q"]

        found = call("Linear.proposal.by_point", "Linear.proposal.score", z)["gradient"]
        for i in range(2):
            at = {t: density(i, t) for t in (-2, -1, 1, 2)}
            for k, row in enumerate(found):
                difference = (8 * (at[1][k] - at[-1][k]) - (at[2][k] - at[-2][k])) / (12 * h)
                # As above: squares of residuals over the variance are up to a thousand.
                self.assertAlmostEqual(row[i], difference, delta=1e-9 * max(1, abs(difference)))

    def test_by_what_is_mixed_over(self):
        """Against differences of the density of both together, in all lanes of the machine."""
        model = Model(compile_model("test/objectives/models/mixed_line.vmodel", "--families=Curved", "--objectives=uivi"))
        random = Random(1)
        family = next(f for f in model.metadata["families"] if f["name"] == "Curved")
        h, phi = 1e-3, [random.gauss(0, 0.6) for _ in range(model.sizes[family["phi"]])]
        z = [[random.gauss(0, 1) for _ in range(2)] for _ in range(5)]
        mix = [[random.gauss(0, 1) for _ in range(3)] for _ in z]

        def density(i, t):
            return model.call("Curved.log_density", phi=phi, z=z, mix=[[x + t * h * (j == i) for j, x in enumerate(e)] for e in mix])["log_q"]

        found = model.call("Curved.by_mix", phi=phi, z=z, mix=mix, sizes={"gradient": 3})["gradient"]
        for i in range(3):
            at = {t: density(i, t) for t in (-2, -1, 1, 2)}
            for k, row in enumerate(found):
                difference = (8 * (at[1][k] - at[-1][k]) - (at[2][k] - at[-2][k])) / (12 * h)
                # Rounding leaves 2e-16 / h, and what is left out is h^4 / 30 times a fifth derivative, both of terms up to
                # a thousand (a squared residual over a variance of 1/10).
                self.assertAlmostEqual(row[i], difference, delta=1e-9 * max(1, abs(difference)))


if __name__ == "__main__":
    unittest.main()
