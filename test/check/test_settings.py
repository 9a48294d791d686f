"""The settings of a `fit` block are those of the executable's `fit --set`, with the same words and ranges."""

import json
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from vmodel_testing import BUILD, VMODELC, compile_model, run  # noqa: E402

MODEL = "model M { data y: real; param m: real ~ normal(0, 1); observe y ~ normal(m, 1); }\n"
MIXED = MODEL + "family F for M { mix e: real ~ normal(0, 1); m ~ normal(e, learn); }\n"
# Place in the language, then what is accepted and what is refused, as it is written there.
PLAIN = {
    "steps": (["0", "1_000_000_000"], ["-1", "1_000_000_001", "1.5", "auto"]),
    "seed": (["0", "2147483647"], ["-1", "0.5"]),
    "threads": (["1", "1024"], ["0", "1025"]),
    "average": (["0", "0.5", "1"], ["-0.1", "1.1"]),
    "settle": (["0", "1_000_000", "auto"], ["1_000_001"]),
    "start": (["auto", "laplace", "plain"], ["zero", "1"]),
    "precondition": (["on", "off"], ["maybe", "1"]),
    "warm_up": (["on", "off"], ["maybe"]),
    "temper": (["0.1", "1"], ["0", "1.5"]),
    "temper_share": (["0", "1"], ["-0.1", "1.1"]),
}
ELBO = {"particles": (["1", "16_777_216", "auto"], ["0", "16_777_217", "many"]), "estimator": (["auto", "total", "stl", "pathwise", "sticking_the_landing"], ["score"])}
SOFTCVI = {"alpha": (["0", "0.75", "1"], ["-0.1", "1.5", "auto"]), "particles": (["2", "1_048_576"], ["1", "1_048_577", "auto"]), "negative": (["proposal", "posterior"], ["flat", "1"])}
FORWARD_KL = {"low_variance": (["true", "false"], ["on", "1"])}
RENYI = {"alpha": (["-1", "0.5", "100"], ["-101", "101"]), "particles": (["1"], ["0"]), "estimator": (["total", "dreg"], ["stl", "auto"])}
AISIVI = {
    "outer": (["1", "1_048_576"], ["0", "1_048_577", "auto"]),
    "inner": (["2"], ["1", "1.5"]),
    "batches": (["1", "4096"], ["0", "4097"]),
    "prior_share": (["0", "1"], ["-0.1", "1.1"]),
    "pretrain": (["0", "300"], ["-1"]),
    "proposal_steps": (["0", "1000"], ["1001"]),
    "proposal_rate": (["0.5"], ["0", "1.1e6"]),
}
IWHVI = {"inner": (["1"], ["0"]), **{name: AISIVI[name] for name in ("outer", "pretrain", "proposal_steps", "proposal_rate")}}
UIVI = {"inner": (["1"], ["0"]), "burn_in": (["0", "7"], ["-1"]), "leapfrogs": (["1", "1024"], ["0", "1025"])}
ADAM = {
    "rate": (["0.5", "1e6"], ["-1", "1.1e6"]),
    "schedule": (["cosine", "constant"], ["step"]),
    "last_rate": (["0", "1"], ["1.5"]),
    "clip": (["10", "1e300"], ["-1"]),
    "epsilon": (["1e-8", "1e6"], ["-1", "1.1e6"]),
    "beta1": (["0", "0.9"], ["1", "-0.5"]),
    "beta2": (["0", "0.999"], ["1"]),
}


def blocks(setting, values, form):
    return "".join(f"fit F{k} {{ {form.format(setting + ' = ' + value)}; }}\n" for k, value in enumerate(values))


class Settings(unittest.TestCase):
    def setUp(self):
        self.folder = BUILD / "test" / "settings"
        self.folder.mkdir(parents=True, exist_ok=True)

    def source(self, name, text):
        path = self.folder / f"{name}.vmodel"
        path.write_text(text)
        return path

    def compare(self, table, form, prefix="", *options, model=MODEL):
        families = "--families=F,mean_field" if model == MIXED else "--families=mean_field"
        plain = compile_model(self.source("plain", model), families, "--objectives=softcvi,iwhvi,uivi" if model == MIXED else "--objectives=softcvi")
        data = self.folder / "data.json"
        data.write_text(json.dumps({"y": 0.5}))
        for setting, (accepted, refused) in table.items():
            # The executable decides before the first step: a family that is not there ends it at once.
            run([VMODELC, self.source(setting, MODEL + blocks(setting, accepted, form)), "--emit=typed-ast"])
            errors = run([VMODELC, self.source(setting, MODEL + blocks(setting, refused, form)), "--emit=typed-ast"], status=1).stderr
            self.assertEqual(errors.count("[invalid-setting]"), len(refused), errors)
            for value in accepted + refused:
                if setting in ("seed", "threads"):
                    command = [plain, "fit", "--data", data, "--output", self.folder / "run", "--family", "none", f"--{setting}", value]
                else:
                    command = [plain, "fit", "--data", data, "--output", self.folder / "run", "--family", "none", "--set", f"{prefix}{setting}={value}", *options]
                message = run(command, status=1).stderr
                self.assertEqual("family none" in message, value in accepted, f"{setting} = {value}: {message}")

    def test_plain(self):
        self.compare(PLAIN, "{}")

    def test_elbo(self):
        self.compare(ELBO, "objective = elbo({})")

    def test_softcvi(self):
        self.compare(SOFTCVI, "objective = softcvi({})", "", "--objective", "softcvi")

    def test_forward_kl(self):
        self.compare(FORWARD_KL, "objective = snis_forward_kl({})", "", "--objective", "snis_forward_kl")

    def test_renyi(self):
        self.compare(RENYI, "objective = renyi({})", "", "--objective", "renyi")

    def test_aisivi(self):
        self.compare(AISIVI, "objective = aisivi({})", "", "--objective", "aisivi", model=MIXED)

    def test_iwhvi(self):
        self.compare(IWHVI, "objective = iwhvi({})", "", "--objective", "iwhvi", model=MIXED)

    def test_uivi(self):
        self.compare(UIVI, "objective = uivi({})", "", "--objective", "uivi", model=MIXED)

    def test_adam(self):
        self.compare(ADAM, "optimizer = adam({})", "optimizer.")

    def test_same_names(self):
        plain = compile_model(self.source("plain", MODEL), "--families=mean_field")
        message = run([plain, "fit", "--data", "x.json", "--output", self.folder / "run", "--set", "nothing=1"], status=1).stderr
        listed = re.search(r"the settings are (.*)", message)
        self.assertTrue(listed, message)
        theirs = set(listed[1].replace(" and ", ", ").split(", "))
        ours = set(PLAIN) - {"seed", "threads"} | set(ELBO) | {f"optimizer.{name}" for name in ADAM}
        self.assertEqual({name.strip() for name in theirs}, ours)


if __name__ == "__main__":
    unittest.main()
