"""A choice of model, backend and precision, and checks that this machine can run it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from codegemma_ui import machine
from codegemma_ui.errors import (
    BackendMissing,
    NotEnoughMemory,
    UnknownBackend,
    UnsupportedPrecision,
)
from codegemma_ui.presets import LARGE, Preset, memory
from codegemma_ui.presets.memory import Narrowed
from codegemma_ui.settings import PARALLEL, Settings


@dataclass(frozen=True)
class Choice:
    """A model on a backend in a precision."""

    preset: Preset
    backend: str
    dtype: str

    def named(self) -> dict[str, str]:
        return {"preset": self.preset.name, "backend": self.backend, "dtype": self.dtype}

    def words(self) -> str:
        """Return its name in the log."""
        return f"{self.preset.name} on {self.backend} in {self.dtype}"

    def settled_dtype(self, freed: int = 0) -> str:
        """Return the precision it resolves to on this machine; see `memory.settled`."""
        return memory.settled(self.preset, self.backend, self.dtype, freed)

    def narrowed(self) -> Narrowed | None:
        """Return why "auto" is narrower than with more memory; see `memory.settle`."""
        return memory.settle(self.preset, self.backend, self.dtype)[1]

    def need_bytes(self, at_once: int = 1) -> int | None:
        """Return the memory it needs on this machine for so many requests at once; None if unknown."""
        return memory.needed(self.preset, self.backend, self.settled_dtype(), at_once)

    def label(self) -> str:
        """Return its name in a sentence."""
        return f"{self.preset.title} ({self.backend}, {self.dtype})"


Command = Callable[[Choice, Path], Sequence[str]]
"""Builds the command of a choice's worker from its preset's folder."""


def worker_command(choice: Choice, folder: Path, settings: Settings) -> list[str]:
    """Return the command of the real worker.

    Args:
        settings: the server of the backend "openai", the number of devices for jax, the device of torch.
    """
    remote = choice.backend == machine.OPENAI
    command = [
        sys.executable,
        *(
            "-m",
            "codegemma_ui.workers.openai.worker" if remote else "codegemma_ui.workers.keras.worker",
        ),
        *("--preset", choice.preset.name),
        *("--folder", str(folder)),
        *("--context-length", str(choice.preset.context_length)),
    ]
    if not remote:
        devices = settings.model_parallel
        parallel = ["--model-parallel", str(devices)] if devices > 1 else []
        device = ["--torch-device", settings.torch_device] if choice.backend == "torch" else []
        # On a GPU, or with an unknown model, the worker knows more.
        known = choice.preset.parameters is not None and not machine.gpus()
        dtype = choice.settled_dtype() if known else choice.dtype
        return [*command, "--backend", choice.backend, "--dtype", dtype, *parallel, *device]
    server = settings.server
    assert server is not None  # ensured by `check_backend`
    return [
        *command,
        *("--base-url", server.base_url),
        *("--model", server.model),
        *("--connect-timeout", str(server.connect_timeout_s)),
        *("--timeout", str(server.timeout_s)),
        *("--retries", str(server.retries)),
    ]


def check_backend(choice: Choice, settings: Settings) -> None:
    """Check that the backend is installed and supports the operator's options.

    Raises:
        UnknownBackend: it is not offered, or not with these options.
        BackendMissing: it is not installed.
        UnsupportedPrecision: it does not support the precision.
    """
    offered = settings.backends
    if choice.backend not in offered:
        names = ", ".join(offered)
        raise UnknownBackend(f"backend must be one of {names}. Received: {choice.backend!r}")
    if settings.model_parallel > 1 and choice.backend not in PARALLEL:
        raise UnknownBackend(
            f"With --model-parallel {settings.model_parallel} the backend must be one of "
            f"{', '.join(PARALLEL)}. Received: {choice.backend!r}",
            "The other backends run a model on one device.",
        )
    backend = machine.backend(choice.backend, settings.pythons.get(choice.backend))
    if not backend.installed:
        raise BackendMissing(f"{backend.name} is not installed.", backend.install)
    if choice.dtype not in ("auto", *memory.precisions(choice.backend)):
        where = f"the backend {choice.backend}" if choice.backend != "torch" else "a GPU"
        raise UnsupportedPrecision(
            f"{choice.dtype} needs torch on a CPU. Received: {where}, whose compiler dequantises whole "
            "matrices of four bits before it multiplies.",
            _without_int4(settings),
        )


def _without_int4(settings: Settings) -> str:
    """Return the hint where int4 does not run."""
    torch = machine.backend("torch", settings.pythons.get("torch"))
    if machine.gpus():
        return "Choose int8."
    if torch.installed:
        return "Choose int8, or the backend torch."
    return f"Choose int8, or install torch ({torch.install}) and choose it."


LARGE_TOKENS_PER_S = {"torch": 6.5, "jax": 5.4, "tensorflow": 4.7}
"""Tokens per second of CodeGemma 2B's shape in bfloat16 on two cores, measured on the page:
docs/sizing.md."""

CLEARLY = 1.25
"""The speedup from which the page recommends a backend."""


def faster_backend(choice: Choice, dtype: str, settings: Settings) -> str | None:
    """Return torch if it is installed and clearly faster with a large model on this CPU, else None.

    In int8 it is not: jax decodes 8.4 tokens per second, torch 8.3.

    Args:
        dtype: the model's precision; float32, which is slower, is judged by the figures of bfloat16.
    """
    speed, torch = LARGE_TOKENS_PER_S.get(choice.backend), LARGE_TOKENS_PER_S["torch"]
    if speed is None or dtype not in ("float32", "bfloat16") or torch < CLEARLY * speed:
        return None
    if (choice.preset.parameters or 0) < LARGE or not machine.cxx_compiler() or machine.gpus():
        return None
    return "torch" if machine.backend("torch", settings.pythons.get("torch")).installed else None


def check_memory(
    choice: Choice,
    freed: int = 0,
    devices: int = 1,
    at_once: int = 1,
    offered: Sequence[Preset] = (),
    pythons: Mapping[str, str] | None = None,
) -> None:
    """Check that the model fits into memory, before anything is loaded.

    Args:
        freed: bytes that the running worker will free when it ends.
        devices: the number of devices the model is sharded over.
        at_once: requests to run at once, where the backend can.
        offered: the models to choose from.
        pythons: the interpreter of each backend that has its own environment.

    Raises:
        NotEnoughMemory: with the calculation.
    """
    preset = choice.preset
    dtype = choice.settled_dtype(freed)
    need = memory.needed(preset, choice.backend, dtype, at_once)
    most = memory.free_bytes(freed, devices)
    if need is None or most is None:
        return
    if need > most:
        rows = memory.batch_rows(preset, choice.backend, at_once)
        cache = preset.cache_bytes(memory.activations(dtype))
        weights = preset.weights_bytes(dtype) or 0
        times = f"{1 + rows} times " if rows else ""
        raise NotEnoughMemory(
            f"{preset.label} needs about {need / 1e9:.1f} GB in {dtype} ({weights / 1e9:.1f} of weights + "
            f"{(1 + rows) * cache / 1e9:.1f} of cache for {times}{preset.context_length:,} tokens, a "
            f"tenth, and what {choice.backend} takes). Only {most / 1e9:.1f} GB are free here.",
            memory.hint(
                preset,
                choice.backend,
                dtype,
                offered,
                free=most,
                pythons=pythons,
                at_once=at_once,
            ),
        )
