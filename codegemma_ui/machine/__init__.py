"""Resources of this machine: memory, GPUs, installed backends.

The package also covers processes, signals, proxies, the terminal, and the variables that frameworks read. It
imports no framework, and of ours only `installation` and `errors`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib import metadata

from codegemma_ui import installation
from codegemma_ui.installation import Extra
from codegemma_ui.machine import cgroups

BACKENDS = ("tensorflow", "jax", "torch")
"""Keras backends."""

OPENAI = "openai"
"""Backend for a model on a remote server, named after its client library."""
TOGETHER = ("jax", "torch")
"""Backends that decode several requests of one model concurrently; others process them in turn, and so does
torch with a large model, or int4, on a CPU."""

_EXTRAS: dict[str, Extra] = {
    "tensorflow": "",
    "jax": "jax",
    "torch": "torch",
    OPENAI: "openai",
}

_REQUIRED = {
    "tensorflow": ("tensorflow",),
    "jax": ("jax", "jaxlib"),
    "torch": ("torch",),
    OPENAI: ("openai",),
}
_PROBE = """
import json, sys
from importlib import metadata
def version(name):
    try: return metadata.version(name)
    except metadata.PackageNotFoundError: return None
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""


@dataclass(frozen=True)
class Backend:
    """A backend on this machine.

    Attributes:
        version: version of the framework or library, or None if not installed.
        python: interpreter of its worker, or None for our own.
        install: command that installs it.
    """

    name: str
    version: str | None
    python: str | None
    install: str

    @property
    def installed(self) -> bool:
        return self.version is not None


@cache
def backend(name: str, python: str | None = None) -> Backend:
    """Look up a backend, in the environment of the interpreter `python` if given."""
    versions = _versions(_REQUIRED[name], python)
    line = install(name)
    present = all(versions.get(package) for package in _REQUIRED[name])
    return Backend(
        name, versions[name] if present else None, python, f"{python} -m {line}" if python else line
    )


def install(name: str) -> str:
    """Return the pip command to show for a missing backend."""
    return installation.install(_EXTRAS[name])


def _versions(packages: tuple[str, ...], python: str | None) -> dict[str, str | None]:
    if python is not None:
        try:
            done = subprocess.run(
                [python, "-c", _PROBE, *packages], capture_output=True, timeout=20, check=True
            )
            found: dict[str, str | None] = json.loads(done.stdout)
            return found
        except (OSError, subprocess.SubprocessError, ValueError):
            return dict.fromkeys(packages)
    versions: dict[str, str | None] = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return versions


@dataclass(frozen=True)
class Gpu:
    """A CUDA device as the driver reports it; memory in bytes."""

    name: str
    memory_bytes: int
    free_bytes: int


def gpus() -> tuple[Gpu, ...]:
    """Return the CUDA devices that `nvidia-smi` lists; empty if it is missing or fails."""
    if shutil.which("nvidia-smi") is None:
        return ()
    query = [
        "nvidia-smi",
        "--query-gpu=name,memory.total,memory.free",
        "--format=csv,noheader,nounits",
    ]
    try:
        done = subprocess.run(query, capture_output=True, encoding="utf-8", timeout=10, check=True)
        rows = [line.rsplit(",", 2) for line in done.stdout.splitlines() if line.strip()]
        return tuple(
            Gpu(name.strip(), int(total) * 2**20, int(free) * 2**20) for name, total, free in rows
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return ()


def cxx_compiler() -> str | None:
    """Return the C++ compiler that torch would use on a CPU, or None; same search as `steps.torch_names`."""
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    return shutil.which(os.environ.get("CXX", usual))


def memory_bytes() -> tuple[int, int] | None:
    """Return total and available main memory, or None if unknown.

    Lower limits apply: of a group of processes (such as a container), or on a process's address space
    (`ulimit -v`), both inherited by our workers.
    """
    import psutil  # here, since a worker's separate environment may lack it

    try:
        memory = psutil.virtual_memory()
    except (psutil.Error, OSError):
        return None
    total, available = int(memory.total), int(memory.available)
    addressable = _addressable_bytes()
    if addressable is not None:
        total, available = min(total, addressable), min(available, addressable)
    for limit, used in cgroups.memory_limits():
        total, available = min(total, limit), min(available, limit - used)
    return total, available


def _addressable_bytes() -> int | None:
    """Return the limit of `ulimit -v`, or None."""
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process; 0 if unknown.

    On Windows child processes are included: the interpreter of a virtual environment is a launcher there, and
    the program its child.
    """
    try:
        import psutil
    except ImportError:  # a worker's separate environment
        return 0
    try:
        process = psutil.Process(pid)
        processes = [process]
        if sys.platform == "win32":
            processes += process.children(recursive=True)
    except psutil.Error:
        return 0
    resident = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            resident += int(process.memory_info().rss)
    return resident
