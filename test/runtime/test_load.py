"""What is found out when data are loaded, with real executables: intervals, indices, arrays beside the data, models without data."""

import json
import pathlib
import struct
import subprocess
import tempfile
import unittest

from vmodel_testing import compile_model, run


class Folder(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def write(self, value, name="data.json"):
        path = self.folder / name
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return path

    def errors(self, executable, data, status=1):
        done = run([executable, "check", "--data", data], status=status)
        return [line.removeprefix(f"error: {data}: ") for line in done.stderr.splitlines()]


class Intervals(Folder):
    good = {"N": 3, "K": 3, "idx": [1, 3, 2], "a": 0, "b": [1, 2], "y": [1, 2, 3]}

    @classmethod
    def setUpClass(cls):
        cls.executable = compile_model("test/runtime/models/intervals.vmodel")

    def check(self, status=1, **changes):
        return self.errors(self.executable, self.write({**self.good, **changes}), status)

    def test_good_data(self):
        self.assertEqual(self.check(0), [])

    def test_empty_intervals(self):
        for upper in (0, -1.5):
            message = f"the interval of the parameter u[2] is empty: lower = a is 0, upper = b is {upper} (declared at intervals.vmodel:10:9)"
            self.assertEqual(self.check(b=[1, upper]), [message])

    def test_indices_name_their_element(self):
        messages = self.check(idx=[1, 4, 2])
        self.assertIn("idx[2] is 4, outside 1..3 (intervals.vmodel:12:24)", messages)
        self.assertIn("idx[2] is 4, outside 1..3 (intervals.vmodel:15:28)", messages)
        messages = self.check(idx=[1, 2, 0])
        self.assertIn("first is 0, outside 1..3 (intervals.vmodel:14:21)", messages)

    def test_indices_without_a_name_say_into_what(self):
        executable = compile_model("test/runtime/models/sizes.vmodel")
        self.assertIn("index 1 of 'y' is outside 1..0 in `1` (sizes.vmodel:8:27)", self.errors(executable, self.write({"N": 0, "K": 1, "y": []})))

    def test_misspelt_fields(self):
        data = {"Idx" if name == "idx" else name: value for name, value in self.good.items()}
        self.assertIn("idx: this field is missing; the file has Idx, is that meant? (declared at intervals.vmodel:5:8 as int[N])",
                      self.errors(self.executable, self.write(data)))

    def test_whole_numbers_are_ints(self):
        self.assertEqual(self.check(0, N=3.0, idx=[1.0, 3, 2]), [])

    def test_standard_input(self):
        text = json.dumps(self.good)
        done = subprocess.run([self.executable, "check", "--data", "-"], input=text, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        done = subprocess.run([self.executable, "check", "--data", "-"], input="{", capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (1, "error: standard input:1:2: the file ends inside the object that begins at 1:1\n"))


class Learned(Folder):
    """Arguments of nets, bijectors and generic families that follow from the data."""

    good = {"K": 2, "hidden": [3, 2], "order": [2, 1, 4, 3]}

    @classmethod
    def setUpClass(cls):
        cls.executable = compile_model("test/runtime/models/learned.vmodel")

    def check(self, status=1, **changes):
        return self.errors(self.executable, self.write({**self.good, **changes}), status)

    def test_good_data(self):
        self.assertEqual(self.check(0), [])

    def test_of_a_bijector_that_learns(self):
        self.assertIn("'keep' is 5, above its bound 4 (learned.vmodel:15:3)", self.check(K=5))

    def test_of_a_generic_family(self):
        self.assertIn("'hidden' is 0, below its bound 1 (learned.vmodel:19:27)", self.check(hidden=[3, 0]))

    def test_of_a_bijector(self):
        self.assertIn("'index' is 5, above its bound 4 (learned.vmodel:22:33)", self.check(order=[2, 1, 5, 3]))

    def test_of_a_permutation(self):
        self.assertIn("the index of a permutation holds a number twice (learned.vmodel:22:33)", self.check(order=[2, 1, 4, 1]))

    def test_of_a_net_of_ones_own(self):
        self.assertIn("'n' is 2, below its bound 3 (learned.vmodel:26:3)", self.check(K=1))

    def test_numbers_that_a_map_lacks(self):
        errors = self.errors(compile_model("test/runtime/models/too_few.vmodel"), self.write({"y": 1}))
        self.assertIn("index 2 of 'p' is outside 1..1 in `layer` (too_few.vmodel:9:33)", errors)


def npy(descr, shape, numbers, version=1, fortran=False):
    """A file of NumPy's format, written by hand."""
    kinds = {"<f8": "d", "<f4": "f", "<i8": "q", "<i4": "i", "|i1": "b", "<u2": "H", "|b1": "?", ">f8": "d", "<c16": "d"}
    header = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    body = struct.pack("<" + kinds[descr] * len(numbers), *numbers)
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + body


class Places(Folder):
    def test_indices_into_what_is_given_as_a_whole(self):
        executable = compile_model("test/runtime/models/places.vmodel")
        check = lambda t, last, status=1: self.errors(executable, self.write({"T": t, "last": last}), status)
        self.assertEqual(check(2, 2, status=0), [])
        self.assertEqual(check(2, 3), ["index 0 of 'chi' is outside 1..3 in `T + 1 - last` (places.vmodel:10:18)"])
        self.assertEqual(check(0, 0), ["index 1 of 's' is outside 1..0 in `1` (places.vmodel:15:16)"])


class Sizes(Folder):
    """A size below zero would move the places of what stands behind it."""

    @classmethod
    def setUpClass(cls):
        cls.executable = compile_model("test/runtime/models/sizes.vmodel")

    def check(self, n, k, status=1):
        return self.errors(self.executable, self.write({"N": n, "K": k, "y": list(range(1, n + 1))}), status)

    def test_empty_arrays_are_none(self):
        self.assertEqual(self.check(2, 1, status=0), [])  # z, tail and w are empty, or as small as they may be

    def test_negative_sizes(self):
        self.assertEqual(self.check(1, 1), [
            "the size `N - 2` of 'z' is -1, which is negative (sizes.vmodel:10:7)",
            "range 3:1 of 'y' is outside 1..1 in `3:N` (sizes.vmodel:12:21)",
            "the size `N - 2` of 'tail' is -1, which is negative (sizes.vmodel:12:12)",
            "index 2 of 'y' is outside 1..1 in `2` (sizes.vmodel:18:21)",
        ])
        messages = self.check(0, 1)
        self.assertIn("the size `N - 1` of 'd' is -1, which is negative (sizes.vmodel:7:9)", messages)
        self.assertEqual(self.check(2, 3), ["the size `2 - K` of 'w' is -1, which is negative (sizes.vmodel:17:9)"])

    def test_simplexes_have_an_element(self):
        self.assertEqual(self.check(2, 0), ["'s' is a simplex of 0 elements, and has to have one at least (sizes.vmodel:6:9)"])
        self.assertIn("the size `K` of 'e' is -1, which is negative (sizes.vmodel:9:9)", self.check(2, -1))


class Arrays(Folder):
    """`{"file": "x.npy"}` instead of an array."""

    @classmethod
    def setUpClass(cls):
        cls.executable = compile_model("test/runtime/models/arrays.vmodel")

    def data(self, x, k):
        for name, content in (("x", x), ("k", k)):
            (self.folder / f"{name}.npy").write_bytes(content)
        return self.write({"N": 2, "M": 3, "x": {"file": "x.npy"}, "k": {"file": "k.npy"}})

    def sum_of(self, data):
        at = self.write("[{}]", "at.json")
        at.write_text('[{"z": 0}]')
        return json.loads(run([self.executable, "log-density", "--data", data, "--at", at]).stdout)[0]["log_density"]

    x = [1.5, -2, 3, 0.25, 5, 6]
    by_columns = [1.5, 0.25, -2, 5, 3, 6]

    def test_types_and_orders(self):
        given = self.sum_of(self.write({"N": 2, "M": 3, "x": [self.x[:3], self.x[3:]], "k": [1, 2]}))
        good = npy("<i8", "(2,)", [1, 2])
        for x in (npy("<f8", "(2, 3)", self.x), npy("<f4", "(2, 3)", self.x), npy("<f8", "(2, 3)", self.x, version=2),
                  npy("<f8", "(2, 3)", self.by_columns, fortran=True)):
            self.assertEqual(self.sum_of(self.data(x, good)), given)
        for k in (npy("<i4", "(2,)", [1, 2]), npy("|i1", "(2,)", [1, 2]), npy("<u2", "(2,)", [1, 2]), npy("<f8", "(2,)", [1, 2])):
            self.assertEqual(self.sum_of(self.data(npy("<f8", "(2, 3)", self.x), k)), given)

    def test_errors(self):
        good_x, good_k = npy("<f8", "(2, 3)", self.x), npy("<i8", "(2,)", [1, 2])
        in_x, in_k = " (declared at arrays.vmodel:5:8 as real[N, M])", " (declared at arrays.vmodel:6:8 as int<lower=1, upper=N>[N])"
        for x, k, message in (
            (b"PK", good_k, "x: x.npy: this is not a .npy file" + in_x),
            (good_x[:-1], good_k, "x: x.npy: the file is truncated" + in_x),
            (good_x[:40], good_k, "x: x.npy: the file is truncated" + in_x),
            (npy("<f8", "(3, 2)", self.x), good_k, "x: x.npy holds an array of shape [3, 2] where [2, 3] is declared" + in_x),
            (npy("<f8", "(6,)", self.x), good_k, "x: x.npy holds an array of shape [6] where [2, 3] is declared" + in_x),
            (npy(">f8", "(2, 3)", self.x), good_k, "x: x.npy: numbers of type >f8 are not known; floats and integers, little endian, are" + in_x),
            (npy("<c16", "(2, 3)", self.x * 2), good_k, "x: x.npy: numbers of type <c16 are not known; floats and integers, little endian, are" + in_x),
            (npy("<f8", "2, 3", self.x), good_k, "x: x.npy: its header cannot be read" + in_x),
            (npy("<f8", "(2, 3)", self.x, version=9), good_k, "x: x.npy: version 9 of the .npy format is not known" + in_x),
            (npy("<f8", "(2, 3)", [*self.x[:4], float("nan"), 0]), good_k, "x[2,2]: nan in x.npy is not a finite number" + in_x),
            (good_x, npy("<f8", "(2,)", [1, 1.5]), "k[2]: 1.5 in k.npy is not an int" + in_k),
            (good_x, npy("<i8", "(2,)", [1, 2**53 + 2]), "k: k.npy: it holds an integer beyond 2^53" + in_k),
            (good_x, npy("<i8", "(2,)", [1, 3]), "k[2]: 3 is above the upper bound 2 = N" + in_k),
        ):
            self.assertEqual(self.errors(self.executable, self.data(x, k)), [message])
        data = self.data(good_x, good_k)
        (self.folder / "x.npy").unlink()
        self.assertEqual(self.errors(self.executable, data), ["x: x.npy: cannot be read: No such file or directory" + in_x])


class NoData(Folder):
    def test_needs_none(self):
        executable = compile_model("test/runtime/models/no_data.vmodel")
        run([executable, "check"])
        self.assertEqual(json.loads(run([executable, "info"]).stdout)["dimension"], 2)
        run([executable, "fit", "--output", self.folder / "run", "--quiet"])
        done = run([executable, "sample", "--fit", self.folder / "run" / "fit.json", "--draws", 10, "--output", "-"])
        lines = done.stdout.splitlines()
        self.assertEqual(lines[0], ".chain,.iteration,.draw,lp__,log_q__,.log_weight,x,s")
        self.assertEqual(len(lines), 11)
        self.assertTrue(all(len(line.split(",")) == 8 and "" not in line.split(",") for line in lines))
        self.assertEqual(done.stderr, "wrote 10 draws to standard output\n")
        run([executable, "objective", "--fit", self.folder / "run" / "fit.json"])

    def test_a_fit_is_no_stream(self):
        executable = compile_model("test/runtime/models/no_data.vmodel")
        done = run([executable, "fit", "--output", "-"], status=1)
        self.assertEqual(done.stderr, "error: --output -: a fit is a folder of files, which cannot go to standard output\n")

    def test_other_files_of_a_run_are_no_fits(self):
        executable = compile_model("test/runtime/models/no_data.vmodel")
        run([executable, "fit", "--output", self.folder, "--quiet"])
        run([executable, "sample", "--fit", self.folder / "fit.json", "--draws", 3, "--output", self.folder / "draws.csv"])
        for name, more in (("trace.csv", " but the trace of one; fit.json stands in the same folder"), ("draws.csv", " but draws of `sample`")):
            done = run([executable, "sample", "--fit", self.folder / name, "--draws", 1, "--output", "-"], status=1)
            self.assertEqual(done.stderr, f"error: {self.folder / name}: this is not a fit.json of `fit`{more}\n")


class NotFinite(Folder):
    """`check` where no point has a finite density."""

    def check(self, model, y):
        return run([compile_model(f"test/runtime/models/{model}.vmodel"), "check", "--data", self.write({"y": y})], status=2)

    def test_a_factor(self):
        done = self.check("nowhere", [1, 2])
        self.assertIn("log density not finite at 5 of 5 points: a prior or a factor has log density nan, every observed value a finite one\n", done.stdout)
        self.assertNotIn("gradient: ok", done.stdout)
        self.assertEqual(done.stderr, "not to be relied on: nothing could be compared, since the log density is finite at none of the points\n")

    def test_an_observed_value(self):
        done = self.check("far", [0.001, 1e9])
        self.assertIn("log density not finite at 5 of 5 points: observed y[2] has log density -inf (uniform at far.vmodel:5:", done.stdout)


if __name__ == "__main__":
    unittest.main()
