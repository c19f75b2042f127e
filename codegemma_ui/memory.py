"""How much memory a model needs, and what would need less. Nothing else asks a preset for that figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from codegemma_ui import machine
from codegemma_ui.messages import DEFAULT_MAX_LENGTH
from codegemma_ui.presets import Preset
from codegemma_ui.settings import DTYPES

PRECISIONS = tuple(dtype for dtype in DTYPES if dtype != "auto")


def needed(preset: Preset, backend: str, dtype: str) -> int | None:
    """Bytes that a model needs on a backend in a precision, or None where nobody knows its size."""
    del backend  # the estimate is the same on each
    return preset.memory_bytes(dtype)


def by_precision(preset: Preset, backend: str) -> dict[str, int | None]:
    """The same for every precision on offer."""
    return {dtype: needed(preset, backend, dtype) for dtype in PRECISIONS}


def sizes(figures: Mapping[str, int | None]) -> str:
    """Return what `by_precision` told as a person reads it; empty where nobody knows."""
    known = {dtype: need / 1e9 for dtype, need in figures.items() if need is not None}
    return " · ".join(
        f"{dtype} {need:.1f} GB" if need >= 0.1 else f"{dtype} {need:.2f} GB"
        for dtype, need in known.items()
    )


def settled(dtype: str) -> str:
    """The precision that "auto" stands for on this machine."""
    if dtype != "auto":
        return dtype
    return "bfloat16" if machine.gpus() else "float32"


def free_bytes(freed: int = 0, devices: int = 1) -> int | None:
    """The most that one model can have here: main memory, a card's, or that of several together.

    Args:
        freed: bytes of main memory that what runs now gives back when it ends.
        devices: that a model is sharded over.
    """
    main, cards = machine.memory_bytes(), machine.gpus()
    if main is None:
        return None
    together = sum(card.memory_bytes for card in cards[:devices])
    return max([main[1] + freed, together, *(card.memory_bytes for card in cards)])


def hint(
    preset: Preset,
    backend: str,
    dtype: str,
    offered: Sequence[Preset],
    max_length: int | None = None,
) -> str:
    """Return what to do where memory ran out: only what is on offer here and not in force yet.

    Args:
        dtype: of the model that did not fit.
        offered: the models to choose from.
        max_length: of the request, where one ran.
    """
    steps = []
    if max_length is not None and max_length >= DEFAULT_MAX_LENGTH:
        steps.append(f"lower max_length, which is {max_length:,}")
    now = needed(preset, backend, dtype)
    if now is not None and backend != machine.OPENAI:
        narrower = [
            one for one, need in by_precision(preset, backend).items() if (need or now) < now
        ]
        if narrower:
            steps.append(f"choose the precision {_either(narrower)}")
        needs = {one.title: needed(one, backend, dtype) for one in offered}
        smaller = {label: need for label, need in needs.items() if need is not None and need < now}
        if smaller:
            steps.append(
                f"choose a smaller model, such as {max(smaller, key=lambda one: smaller[one])}"
            )
    steps.append("close other programs")
    said = _either(steps)
    return f"{said[0].upper()}{said[1:]}."


def _either(several: Sequence[str]) -> str:
    *others, last = several
    return f"{', '.join(others)} or {last}" if others else last
