"""Installs the peers from the package index into a virtual environment, once for each content of requirements.txt."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements.txt"


@dataclass
class Environment:
    """Where the peers are."""

    folder: Path

    @property
    def python(self):
        return self.folder / "bin" / "python"

    @property
    def packages(self):
        return next((self.folder / "lib").glob("python3*")) / "site-packages"

    @property
    def httpstan(self):
        """Holds stanc, include/ and lib/."""
        return self.packages / "httpstan"

    @property
    def stanli_library(self):
        return self.packages / "stanli" / "_bin" / "libstanli.so"

    def versions(self):
        """Installed versions by name of package."""
        done = subprocess.run([self.python, "-m", "pip", "list", "--format=json", "--disable-pip-version-check"], check=True, capture_output=True, text=True)
        return {entry["name"]: entry["version"] for entry in json.loads(done.stdout)}


def install(folder):
    """Makes the environment if it is not there, or if requirements.txt has changed since. Raises RuntimeError with what pip said."""
    environment = Environment(Path(folder).resolve())
    stamp = environment.folder / "installed"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return environment
    print(f"installing the peers into {folder} (once; some minutes)", file=sys.stderr)
    stamp.unlink(missing_ok=True)
    step([sys.executable, "-m", "venv", environment.folder])
    step([environment.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS])
    stamp.write_text(wanted)
    return environment


def step(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"$ {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
