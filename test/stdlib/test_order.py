"""sort and search_sorted against Python's, of data and of parameters, and the gradient of sorted values."""

import bisect
import pathlib
import random
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tools"))

import kernels  # noqa: E402
import support  # noqa: E402

MODEL = """model Order {
  data N: int<lower=0>;
  data M: int<lower=0>;
  data x: real[N];
  data n: int[N];
  data u: real[M];
  data w: real[N];
  param z: real[N] ~ flat();
  let s = sort(x);
  factor w @ sort(z);
  quantity s;
  quantity counts = sort(n);
  quantity varying = sort(z);
  quantity places = [search_sorted(s, u[m]) for m in 1:M];
  quantity varying_places = [search_sorted(s, z[k]) for k in 1:N];
}
"""


class Order(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.executable = support.build("order", MODEL)

    def test_all_sizes(self):
        numbers = random.Random(1)
        for size in [*range(18), 31, 32, 33, 100]:
            with self.subTest(size=size):
                # Few different values, so that some are equal.
                x = [numbers.randrange(-6, 7) / 4 for _ in range(size)]
                n = [numbers.randrange(-3, 4) for _ in range(size)]
                u = [-9.0, 9.0, 0.1, *x]
                w = [numbers.random() for _ in range(size)]
                points = [[numbers.randrange(-6, 7) / 4 for _ in range(size)] for _ in range(11)]
                model = kernels.Model(self.executable, {"N": size, "M": len(u), "x": x, "n": n, "u": u, "w": w})
                place = {q["name"]: model.size(q["offset"]) for q in model.metadata["quantities"]}
                rows = model.call("constrain", z=points if size else [[0.0]])["x"]
                for z, row in zip(points, rows):
                    part = lambda name, count: row[place[name]:place[name] + count]
                    self.assertEqual(part("s", size), sorted(x))
                    self.assertEqual(part("counts", size), sorted(n))
                    self.assertEqual(part("varying", size), sorted(z))
                    self.assertEqual(part("places", len(u)), [bisect.bisect_right(sorted(x), v) for v in u])
                    self.assertEqual(part("varying_places", size), [bisect.bisect_right(sorted(x), v) for v in z])

    def test_gradient(self):
        """Each value has the weight of its place; nothing is lost where values are equal."""
        numbers = random.Random(2)
        size = 13
        w = [float(k) for k in range(size)]
        points = [[numbers.gauss(0, 1) for _ in range(size)] for _ in range(9)] + [[1.0] * size]
        model = kernels.Model(self.executable, {"N": size, "M": 0, "x": w, "n": [0] * size, "u": [], "w": w})
        for lanes in (1, None):
            result = model.call("log_density_gradient", lanes=lanes, z=points)
            for z, gradient in zip(points[:-1], result["gradient"]):
                self.assertEqual(gradient, [w[sorted(z).index(v)] for v in z])
            self.assertEqual(sorted(result["gradient"][-1]), w)


if __name__ == "__main__":
    unittest.main()
