"""Environments that hold one version of torch or jax each, below build/versions and kept there.

uv makes them, with what docs/backends.md gives a backend's own environment. It links files of its cache, so
that what two versions share is on the disk once. torch is the CPU build where PyTorch's own index answers,
else what the usual index has: on Linux the CUDA build, whose libraries torch needs to be imported at all (6
GB).
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
        oldest: take its first patch; otherwise its last.
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
    """The Python of an environment that has the version, made unless it is there.

    A test that asks is skipped where this machine has no such Python, or no index of packages answers.
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
    """A Python of this machine: pyenv's too, whose own commands run the one that is switched to."""
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
    # keras-hub does without tensorflow-text, which would bring tensorflow: 2 GB.
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
    """No package index answers."""


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
