"""Every example compiles, fits and samples; the flows come closer to reference draws than a normal distribution of any covariance."""

import json
import math
import pathlib
import re
import statistics
import tempfile
import unittest

from vmodel_testing import SOURCE, compile_model, run, slow

EXAMPLES = SOURCE / "examples"
POSTERIORDB = SOURCE / "test" / "posteriordb"

# Model -> its data; None: it has none.
DATA = {
    "aisivi/banana": None,
    "aisivi/waveform": "examples/aisivi/waveform.json",
    "dose": "examples/dose.json",
    "eight_schools": "examples/eight_schools.json",
    "garch": "examples/garch.json",
    "mixture": "examples/mixture.json",
    "radon": "test/posteriordb/data/radon_mn.json",
    "wells": "test/posteriordb/data/wells_data.json",
    "zero_inflated": "examples/zero_inflated.json",
    "flows/eight_schools": "examples/eight_schools.json",
    "flows/seeds": "examples/flows/seeds.json",
    "softcvi/additive_nets": "examples/softcvi/additive_nets.json",
    "softcvi/eight_schools": "examples/eight_schools.json",
    "softcvi/garch": "examples/garch.json",
    "softcvi/garch_posteriordb": "examples/garch.json",
    "softcvi/slcp": "examples/softcvi/slcp.json",
}


def data_option(data):
    return ["--data", data] if data else []


class Fits(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def fit(self, executable, data, *options):
        """Of the file's own block. Status 2 is one, too: a short fit does not trust itself."""
        done = run([executable, "fit", *data_option(data), "--output", self.folder, "--seed", 1, "--quiet", *options], status=None)
        self.assertIn(done.returncode, (0, 2), done.stderr)
        return self.folder / "fit.json"


class Short(Fits):
    def example(self, name):
        executable = compile_model(EXAMPLES / f"{name}.vmodel")
        data = DATA[name] and SOURCE / DATA[name]
        fit = self.fit(executable, data, "--steps", 40)
        draws = self.folder / "draws.csv"
        run([executable, "sample", "--fit", fit, *data_option(data), "--draws", 16, "--output", draws])
        rows = draws.read_text().splitlines()
        self.assertEqual(len(rows), 17)
        for row in rows[1:]:
            for value in row.split(","):
                self.assertTrue(math.isfinite(float(value)), row[:200])


for _name in DATA:
    setattr(Short, f"test_{_name.replace('/', '_')}", lambda self, name=_name: self.example(name))


class Flows(Fits):
    """Mean log q of reference draws: the divergence of the family from the posterior, up to sign and a constant."""

    def log_q(self, executable, data, gold, *options):
        fit = self.fit(executable, data, *options)
        draws = json.loads((POSTERIORDB / "gold" / gold).read_text())["thinned"]
        names = {}
        for name in draws:
            names.setdefault(re.sub(r"\[.*", "", name), []).append(name)
        count = len(next(iter(draws.values())))
        points = [{base: draws[base][i] if parts == [base] else [draws[part][i] for part in parts] for base, parts in names.items()} for i in range(count)]
        at = self.folder / "points.json"
        at.write_text(json.dumps(points))
        return [float(answer["log_q"]) for answer in json.loads(run([executable, "log-q", "--fit", fit, "--data", data, "--at", at]).stdout)]

    def is_closer(self, example, data, gold):
        executable = compile_model(EXAMPLES / f"{example}.vmodel")
        flow = self.log_q(executable, POSTERIORDB / "data" / data, gold)
        normal = self.log_q(executable, POSTERIORDB / "data" / data, gold, "--run", "Gaussian")
        better = [a - b for a, b in zip(flow, normal, strict=True)]
        mean, error = statistics.fmean(better), statistics.stdev(better) / math.sqrt(len(better))
        self.assertGreater(mean, 4 * error, f"{example}: log q of reference draws is higher by {mean} +- {error}")
        return mean

    @slow
    def test_eight_schools(self):
        # The normal distribution knows no funnel: 14 nats.
        self.assertGreater(self.is_closer("flows/eight_schools", "eight_schools.json", "eight_schools-eight_schools_noncentered.json"), 5)

    @slow
    def test_garch(self):
        self.is_closer("softcvi/garch_posteriordb", "garch.json", "garch-garch11.json")


if __name__ == "__main__":
    unittest.main()
