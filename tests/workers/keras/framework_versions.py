"""Environments that each hold one version of torch or jax, kept below build/versions.

uv creates them with the requirements that docs/backends.md lists for a backend's own environment. It links
files from its cache, so that files shared by two versions are stored once. torch is the CPU build if
PyTorch's own index responds, otherwise the build of the usual index: on Linux the CUDA build, whose libraries
torch needs to be imported at all (6 GB).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from tests.support import package_index

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "build" / "versions"
BESIDE = ("keras-nlp", "keras", "sentencepiece", "psutil", "safetensors")
"""What the engine needs beside its framework."""


@dataclass(frozen=True)
class Version:
    """One version of a framework, with the Python to run it on.

    Attributes:
        minor: such as "2.8".
        oldest: take its first patch release; otherwise its last.
        python: such as "3.12".
    """

    backend: str
    minor: str
    python: str
    oldest: bool = False

    @property
    def requirement(self) -> str:
        return f"{self.backend}{'==' if self.oldest else '~='}{self.minor}.0"

    def __str__(self) -> str:
        return f"{self.backend}-{self.minor}"


VERSIONS = (
    Version("torch", "2.8", "3.12", oldest=True),
    *(Version("torch", minor, "3.12") for minor in ("2.9", "2.10", "2.11", "2.12", "2.13")),
    Version("jax", "0.10", "3.11", oldest=True),
    Version("jax", "0.11", "3.12"),
)
"""All that the extras torch and jax allow; tests/suites.py says which run when."""


def interpreter(version: Version) -> Path:
    """Return the Python of an environment with the version, which is created if necessary.

    The calling test is skipped if this machine has no such Python, or no package index responds.
    """
    folder = FOLDER / f"{version}-python{version.python}"
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    done = folder / "installed"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            uv("venv", "--no-project", "--python", base(version.python), str(folder))
            install(python, version)
            done.touch()
    return python


def base(wanted: str) -> str:
    """Return a Python of this machine, including pyenv's, whose commands only run the selected version."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [sys.executable, f"python{wanted}"]
    candidates += map(str, sorted(pyenv.glob(f"{wanted}.*/bin/python")))
    tell = "import sys; print('%d.%d' % sys.version_info[:2])"
    for one in candidates:
        try:
            told = subprocess.run([one, "-c", tell], capture_output=True, text=True, timeout=60)
        except OSError:
            continue
        if told.stdout.strip() == wanted:
            return one
    pytest.skip(f"this machine has no Python {wanted}, neither on the PATH nor of pyenv")


def install(python: Path, version: Version) -> None:
    # keras-hub works without tensorflow-text, which would install tensorflow: 2 GB.
    left_out = FOLDER / "left-out.txt"
    left_out.write_text("tensorflow-text; sys_platform == 'none'\n", encoding="ascii")
    wanted = [version.requirement, *BESIDE, "--python", str(python)]
    wanted += ["--constraints", str(ROOT / "requirements.txt"), "--overrides", str(left_out)]
    if version.backend == "torch":
        try:
            uv("pip", "install", *wanted, "--torch-backend", "cpu")
            return
        except OutOfReach:
            pass
    try:
        uv("pip", "install", *wanted)
    except OutOfReach as error:
        pytest.skip(f"no package index is within reach: {error}")


class OutOfReach(Exception):
    """No package index responds."""


def uv(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "uv", *arguments, "--quiet", "--no-config"],
        cwd=ROOT,
        env=package_index.variables(),
        capture_output=True,
        encoding="utf-8",
        timeout=600,
    )
    if done.returncode and package_index.out_of_reach(done.stderr):
        raise OutOfReach(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
