"""Configuration of the lit suites. Run them with `./dev test`."""

import os
import sys

import lit.formats

source = config.vmodel_source_dir
build = config.vmodel_build_dir

config.name = "VModel"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".vmodel", ".vir", ".test"]
config.test_source_root = os.path.join(source, "test")
config.test_exec_root = os.path.join(build, "test", "lit")
# Folders whose model files are inputs of other tests (`Inputs`, `models`), or whose tests are
# Python or C++.
config.excludes = ["Inputs", "models", "data", "posteriordb", "docs", "install", "unit", "fuzz", "tools"]

# --- Environment -----------------------------------------------------------------------------
for name in list(config.environment):
    if name.startswith("VMODEL_"):
        del config.environment[name]
config.environment["LC_ALL"] = "C"
config.environment["VMODEL_VERIFY"] = "1"
config.environment["PATH"] = os.pathsep.join(
    [os.path.join(build, "bin"), config.vmodel_llvm_tools, config.environment.get("PATH", os.defpath)]
)
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

# --- Substitutions ---------------------------------------------------------------------------
vmodelc = os.path.join(build, "bin", "vmodelc")
python = sys.executable
check_error = f"{python} {os.path.join(source, 'test', 'tools', 'check_error.py')} --vmodelc {vmodelc}"
config.substitutions += [
    ("%vmodelc", vmodelc),
    ("%check-error", check_error),
    ("%vir-opt", os.path.join(build, "bin", "vir-opt")),
    ("%FileCheck", os.path.join(config.vmodel_llvm_tools, "FileCheck")),
    ("%python", python),
    ("%{root}", source),
    ("%{build}", build),
    ("%{examples}", os.path.join(source, "examples")),
    ("%{posteriordb}", os.path.join(source, "test", "posteriordb")),
]

# --- Features --------------------------------------------------------------------------------
if lit_config.params.get("all"):
    config.available_features.add("slow")
if config.vmodel_sanitize:
    config.available_features.add("sanitize")
try:
    with open("/proc/cpuinfo") as cpuinfo:
        flags = next((line.split(":", 1)[1].split() for line in cpuinfo if line.startswith("flags")), [])
except OSError:
    flags = []
for flag in ("avx2", "fma", "avx512f"):
    if flag in flags:
        config.available_features.add(flag)
