"""What runs or is to run: a model on a backend in a precision, and whether this machine can run it at all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from codegemma_ui import machine
from codegemma_ui.errors import BackendMissing, NotEnoughMemory, UnknownBackend
from codegemma_ui.presets import Preset


@dataclass(frozen=True)
class Choice:
    """What runs, or is to run."""

    preset: Preset
    backend: str
    dtype: str

    def named(self) -> dict[str, str]:
        return {"preset": self.preset.name, "backend": self.backend, "dtype": self.dtype}


Command = Callable[[Choice, Path], Sequence[str]]
"""Builds the command of a choice's worker from its preset's folder."""


def worker_command(choice: Choice, folder: Path) -> list[str]:
    """The real worker's."""
    return [
        sys.executable,
        *("-m", "codegemma_ui.engine.worker"),
        *("--preset", choice.preset.name),
        *("--folder", str(folder)),
        *("--backend", choice.backend),
        *("--dtype", choice.dtype),
        *("--context-length", str(choice.preset.context_length)),
    ]


def check_backend(choice: Choice, pythons: Mapping[str, str]) -> None:
    """Whether the backend is there.

    Args:
        pythons: backend name -> interpreter of another environment.

    Raises:
        UnknownBackend, BackendMissing.
    """
    if choice.backend not in machine.BACKENDS:
        names = ", ".join(machine.BACKENDS)
        raise UnknownBackend(f"backend must be one of {names}. Received: {choice.backend!r}")
    backend = machine.backend(choice.backend, pythons.get(choice.backend))
    if not backend.installed:
        raise BackendMissing(f"{backend.name} is not installed.", backend.install)


def check_memory(choice: Choice, freed: int = 0) -> None:
    """Whether the model fits, before anything is loaded.

    Args:
        freed: bytes that what runs now gives back when it ends.

    Raises:
        NotEnoughMemory: with the sum.
    """
    cards = machine.gpus()
    dtype = choice.dtype
    if dtype == "auto":
        dtype = "bfloat16" if cards else "float32"
    preset = choice.preset
    need, main = preset.memory_bytes(dtype), machine.memory_bytes()
    if need is None or main is None:
        return
    most = max([main[1] + freed, *(card.memory_bytes for card in cards)])
    if need > most:
        weights, cache = preset.weights_bytes(dtype) or 0, preset.cache_bytes(dtype)
        raise NotEnoughMemory(
            f"{preset.label} needs about {need / 1e9:.1f} GB in {dtype} ({weights / 1e9:.1f} of weights + "
            f"{cache / 1e9:.1f} of cache for {preset.context_length:,} tokens, and a tenth); "
            f"{most / 1e9:.1f} GB are free here.",
            "Choose a smaller model or a half-width precision, or close other programs.",
        )
