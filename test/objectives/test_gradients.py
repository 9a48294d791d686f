"""`objective --gradient` of compiled models: exact posteriors, differences with stopped terms, relations between objectives."""

import math
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import Place  # noqa: E402

DATA = {"N": 5, "x": [-1.0, -0.3, 0.2, 0.9, 1.7], "y": [0.4, -1.1, 2.0, 0.7, 1.3]}
EPSILON = 2.2e-16


def exact_phi():
    """Mean and Cholesky factor (log diagonal) of the posterior of Line, in the order of full_rank's phi."""
    xs, ys = DATA["x"], DATA["y"]
    a, b, c = 0.25 + 4 * len(xs), 4 * sum(xs), 0.25 + 4 * sum(x * x for x in xs)
    r, s = 4 * sum(ys), 4 * sum(x * y for x, y in zip(xs, ys))
    determinant = a * c - b * b
    mean = [(c * r - b * s) / determinant, (a * s - b * r) / determinant]
    v11, v12, v22 = c / determinant, -b / determinant, a / determinant
    l11 = math.sqrt(v11)
    l21 = v12 / l11
    return [*mean, math.log(l11), l21, 0.5 * math.log(v22 - l21 * l21)]


def score(phi, z):
    """Gradient of log q of full_rank in two dimensions by phi."""
    m1, m2, d1, w, d2 = phi
    e1 = (z[0] - m1) / math.exp(d1)
    e2 = (z[1] - m2 - w * e1) / math.exp(d2)
    u2 = e2 / math.exp(d2)
    u1 = (e1 - w * u2) / math.exp(d1)
    return [u1, u2, u1 * e1 * math.exp(d1) - 1, u2 * e1, e2 * e2 - 1]


CONTRASTS = [f"softcvi(alpha = {alpha}, negative = {negative}, particles = {{}})" for alpha in (0, 0.3, 0.75, 1) for negative in ("proposal", "posterior")]


class Gradients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = Place("test/objectives/models/line.vmodel", DATA, "full_rank", "--families=full_rank,mean_field")
        cls.addClassCleanup(cls.place.close)
        cls.exact = exact_phi()
        cls.away = [p + shift for p, shift in zip(cls.exact, (0.1, -0.05, 0.3, 0.02, -0.2))]

    def test_exact_posterior(self):
        for text in CONTRASTS:
            for particles in (2, 8, 21):
                with self.subTest(objective=text, particles=particles):
                    result = self.place.objective(self.exact, text.format(particles), "--gradient", "--values", "--seed", particles)
                    gradient = [g for part in result["gradient"].values() for g in part]
                    norm = math.hypot(*gradient)
                    scores = sum(math.hypot(*score(self.exact, e["at"]["b"])) for e in result["each"])
                    largest = max(abs(e["log_p"]) + abs(e["log_q"]) for e in result["each"])
                    self.assertLessEqual(norm, 64 * EPSILON * largest * scores)
                    # The bound says something: labels alone give gradients far above it.
                    self.assertGreater(math.hypot(*(sum(e["label"] * s for e, s in zip(result["each"], parts)) for parts in zip(*(score(self.exact, e["at"]["b"]) for e in result["each"])))), 1e-6)

    def test_formula(self):
        """From each particle's log p and log q: labels, classifier, and the sum of scores."""
        for alpha in (0, 0.75, 1):
            for negative in ("proposal", "posterior"):
                with self.subTest(alpha=alpha, negative=negative):
                    text = f"softcvi(alpha = {alpha}, negative = {negative}, particles = 13)"
                    result = self.place.objective(self.away, text, "--gradient", "--values", "--seed", 3)
                    each = result["each"]
                    minus = [alpha * (e["log_q"] if negative == "proposal" else e["log_p"]) for e in each]
                    y = softmax([e["log_p"] - m for e, m in zip(each, minus)])
                    yhat = softmax([e["log_q"] - m for e, m in zip(each, minus)])
                    scores = [score(self.away, e["at"]["b"]) for e in each]
                    expected = [-sum((a - b) * s[i] for a, b, s in zip(y, yhat, scores)) for i in range(5)]
                    gradient = [g for part in result["gradient"].values() for g in part]
                    for g, x in zip(gradient, expected):
                        self.assertAlmostEqual(g, x, delta=1e-11 * max(1, max(map(abs, expected))))
                    loss = -sum(a * math.log(b) for a, b in zip(y, yhat))
                    self.assertAlmostEqual(result["value"], loss, delta=1e-11 * (1 + loss))
                    self.assertTrue(result["minimised"])

    def test_stopped_differences(self):
        """Points, labels and the negative distribution stay; log q of the same points is asked of `log-q` at other phi."""
        h = 1e-3
        for text, alpha in (("softcvi(alpha = 0.75, particles = 9)", 0.75), ("softcvi(alpha = 0.4, negative = posterior, particles = 9)", 0.4)):
            with self.subTest(objective=text):
                result = self.place.objective(self.away, text, "--gradient", "--values", "--seed", 5)
                each = result["each"]
                by_model = "posterior" in text
                minus = [alpha * (e["log_p"] if by_model else e["log_q"]) for e in each]
                gradient = [g for part in result["gradient"].values() for g in part]

                def loss(phi):
                    logits = [q - m for q, m in zip(self.place.log_q(phi, [e["at"] for e in each]), minus)]
                    top = max(logits)
                    return -sum(e["label"] * b for e, b in zip(each, logits)) + top + math.log(sum(math.exp(b - top) for b in logits))

                for i in range(5):
                    values = {t: loss([*self.away[:i], self.away[i] + t * h, *self.away[i + 1 :]]) for t in (-2, -1, 1, 2)}
                    difference = (8 * (values[1] - values[-1]) - (values[2] - values[-2])) / (12 * h)
                    self.assertAlmostEqual(gradient[i], difference, delta=1e-7 * max(1, *map(abs, gradient)))

    def test_relations(self):
        options = ("--seed", 4)
        plain = self.place.objective(self.away, "snis_forward_kl(particles = 8)", "--gradient", "--values", *options)
        g = [x for part in plain["gradient"].values() for x in part]
        mean = [sum(s) / 8 for s in zip(*(score(self.away, e["at"]["b"]) for e in plain["each"]))]
        all_of_it = self.place.gradient(self.away, "softcvi(alpha = 1, particles = 8)", *options)
        low = self.place.gradient(self.away, "snis_forward_kl(particles = 8, low_variance = true)", *options)
        wake = self.place.gradient(self.away, "reweighted_wake(particles = 8)", *options)
        for i in range(5):
            self.assertAlmostEqual(all_of_it[i], g[i] + mean[i], delta=1e-12 * (1 + abs(g[i])))
            self.assertAlmostEqual(low[i], all_of_it[i], delta=1e-12 * (1 + abs(g[i])))
        self.assertEqual(wake, g)
        # dreg of one particle is the ELBO with the landing stuck; chi2 and iwae are orders of one bound.
        for ours, theirs in (
            ("dreg(particles = 1)", "elbo(particles = 1, estimator = stl)"),
            ("iwae(particles = 5)", "renyi(alpha = 0, particles = 5)"),
            ("dreg(particles = 5)", "iwae(particles = 5, estimator = dreg)"),
            ("chi2(particles = 5)", "renyi(alpha = -1, particles = 5)"),
            ("renyi(alpha = 1, particles = 5, estimator = dreg)", "elbo(particles = 5, estimator = stl)"),
        ):
            a, b = self.place.gradient(self.away, ours, *options), self.place.gradient(self.away, theirs, *options)
            for x, y in zip(a, b):
                self.assertAlmostEqual(x, y, delta=1e-11 * (1 + abs(y)), msg=ours)

    def test_dreg_has_the_mean_of_iwae(self):
        repeats = 20_000
        runs = [self.place.objective(self.away, f"{name}(particles = 4)", "--repeats", repeats, "--seed", seed)["repeats"] for name, seed in (("iwae", 1), ("dreg", 2))]
        flat = [[[x for part in r[key].values() for x in part] for key in ("mean", "standard_deviation")] for r in runs]
        power = 0
        for i in range(5):
            (a, sa), (b, sb) = (flat[0][0][i], flat[0][1][i]), (flat[1][0][i], flat[1][1][i])
            error = math.sqrt((sa * sa + sb * sb) / repeats)
            self.assertLess(abs(a - b), 5 * error)
            power = max(power, abs(a) / error)
        # Another factor than the right one (2, as of v in place of v^2) would be seen.
        self.assertGreater(power, 15)

    def test_threads(self):
        for text in ("softcvi(particles = 77)", "snis_forward_kl(particles = 77)", "dreg(particles = 77)", "renyi(alpha = 0.5, particles = 77)"):
            first = self.place.objective(self.away, text, "--gradient", "--values", "--threads", 1)
            for threads in (2, 4):
                self.assertEqual(self.place.objective(self.away, text, "--gradient", "--values", "--threads", threads), first)


def softmax(a):
    top = max(a)
    e = [math.exp(x - top) for x in a]
    return [x / sum(e) for x in e]


if __name__ == "__main__":
    unittest.main()
