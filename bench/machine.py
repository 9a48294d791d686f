"""The machine: what it is, one core for whatever is timed, and processes whose time and memory are measured."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

FEATURES = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512dq", "avx512vl")


def describe():
    """What a reader must know of the machine to judge the figures."""
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.*)$", text, re.M)
    flags = re.search(r"^flags\s*:\s*(.*)$", text, re.M)
    flags = flags.group(1).split() if flags else []
    memory = re.search(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), re.M)
    return {
        "processor": model.group(1) if model else platform.machine(),
        "vector_units": [f for f in FEATURES if f in flags],
        "virtual": "hypervisor" in flags,
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory.group(1)) / 2**20, 1) if memory else None,
        "caches": caches(),
        "system": system(),
        "kernel": platform.release(),
    }


def system():
    release = Path("/etc/os-release")
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', release.read_text(), re.M) if release.exists() else None
    return found.group(1) if found else platform.system()


def caches():
    """Sizes of the caches of one core by level, as the kernel names them: {"L1d": "48K", ...}."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind = (folder / "level").read_text().strip(), (folder / "type").read_text().strip()
        if kind != "Instruction":
            found["L" + level + ("d" if kind == "Data" else "")] = (folder / "size").read_text().strip()
    return found


def load():
    """Processes that wanted to run in the last minute, on average."""
    return os.getloadavg()[0]


def compiler_version():
    compiler = os.environ.get("CXX", "g++")
    return first_line([compiler, "--version"])


def first_line(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    lines = (done.stdout or done.stderr).splitlines()
    return lines[0].strip() if lines else ""


def default_core():
    """The last core that this process may use: the first ones serve interrupts more often."""
    return max(os.sched_getaffinity(0))


def pin(core):
    """What a child does before it starts, so that it and its threads stay on one core (None: anywhere)."""
    if core is None:
        return None
    return lambda: os.sched_setaffinity(0, {core})


def one_thread():
    """The environment of a process that is timed: libraries that look there use one thread."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "STAN_NUM_THREADS")
    return dict(os.environ) | {name: "1" for name in names} | {"LC_ALL": "C"}


@dataclass
class Usage:
    """What a finished process used."""

    status: int
    wall: float  # seconds
    cpu: float  # seconds of user and system time, children included
    memory_kib: int | None  # peak resident memory, where a meter was given
    output: str
    errors: str


def run(command, core=None, check=True, meter=None):
    """Runs a command to its end and measures it. Another status than 0 raises RuntimeError where `check` is true.

    `meter` is the program of loop/usage.cpp: Python cannot tell the peak memory of a small child, which inherits its own."""
    command = [str(part) for part in command]
    # Outputs go through files, so that no pipe can fill up while wait4 tells the usage of this one child.
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors, tempfile.NamedTemporaryFile("r") as memory:
        metered = [str(meter), memory.name, *command] if meter else command
        begin = time.monotonic()
        process = subprocess.Popen(metered, stdout=output, stderr=errors, stdin=subprocess.DEVNULL, preexec_fn=pin(core), env=one_thread())
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read())
        peak = int(memory.read()) if meter and process.returncode != 127 else None
    if check and process.returncode != 0:
        raise RuntimeError(f"$ {' '.join(command)}\nstatus {process.returncode}\n{texts[0]}{texts[1]}")
    return Usage(process.returncode, wall, usage.ru_utime + usage.ru_stime, peak, *texts)


def long_enough(run, steps, shortest):
    """(seconds a step, steps of a run) by run(steps), which answers (seconds, steps that they hold); `steps` grows until a run takes `shortest` seconds."""
    while True:
        seconds, counted = run(steps)
        if seconds >= shortest:
            return seconds / counted, steps
        steps = int(steps * min(100, 1.3 * shortest / max(seconds, 1e-6))) + 1


def available_gib():
    """Memory that a new process could have."""
    available = re.search(r"^MemAvailable:\s*(\d+)", Path("/proc/meminfo").read_text(), re.M)
    return int(available.group(1)) / 2**20 if available else 2.0


def compiler():
    """The C++ compiler of the machine, as for the project itself."""
    return os.environ.get("CXX") or shutil.which("g++") or "g++"
