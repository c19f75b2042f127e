"""The machine and the versions of a run, so that a table can be understood a year later."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from codegemma_ui import __version__, machine

PACKAGES = (
    *("keras", "keras-hub", "jax", "jaxlib", "tensorflow", "torch", "numpy"),
    *("transformers", "xllamacpp"),
)

_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


def version(package: str) -> str | None:
    """Return the installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def usable_cores() -> int:
    """Return the number of cores this process may use: its affinity if the system has one, else all."""
    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):  # not on macOS
        return len(process.cpu_affinity())
    return os.cpu_count() or 1


def last_level_cache_bytes() -> int:
    """Return the size of the largest cache of the first core; 0 if unknown."""
    sizes = [0]
    for file in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = file.read_text(encoding="ascii").strip()
        if text[:-1].isdigit() and text[-1:] in _UNITS:
            sizes.append(int(text[:-1]) * _UNITS[text[-1]])
    return max(sizes)


def examine() -> dict[str, Any]:
    """Return the machine as a JSON object; sizes in bytes.

    Returns:
        `cpu`, `cores` (usable), `features` (relevant to matrix products), `cache_bytes`, `memory_bytes`,
        `gpus`, `system`, `load` (mean number of busy cores in the last minute, before this run).
    """
    name, flags = _cpu()
    memory = machine.memory_bytes()
    return {
        "cpu": name,
        "cores": usable_cores(),
        "features": [one for one in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if one in flags],
        "cache_bytes": last_level_cache_bytes(),
        "memory_bytes": memory[0] if memory else None,
        "gpus": [{"name": gpu.name, "memory_bytes": gpu.memory_bytes} for gpu in machine.gpus()],
        "system": platform.platform(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def versions() -> dict[str, str]:
    """Return the versions of the playground, of Python, and of the relevant installed packages."""
    found = {package: version(package) for package in PACKAGES}
    return {
        "codegemma-ui": __version__,
        "python": platform.python_version(),
        **{package: known for package, known in found.items() if known},
    }


def _cpu() -> tuple[str, frozenset[str]]:
    """Return the processor's name and flags from Linux; elsewhere from the platform."""
    facts: dict[str, str] = {}
    try:
        for line in (
            Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        ):
            key, found, value = line.partition(":")
            if found:
                facts.setdefault(key.strip(), value.strip())
    except OSError:
        pass
    name = facts.get("model name") or platform.processor() or platform.machine()
    return name, frozenset(facts.get("flags", "").split())
