"""Memory needs of models, and alternatives that need less. All such estimates come from here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codegemma_ui import machine
from codegemma_ui.fim import DEFAULT_MAX_LENGTH
from codegemma_ui.presets import DTYPES, LARGE, Preset, within

FRAMEWORK_BYTES = {"tensorflow": 1_720_000_000, "jax": 830_000_000, "torch": 770_000_000}
"""Memory of a CPU worker besides weights and cache once all its programs are compiled, measured with a model
of 40M parameters."""

MORE_BYTES = {
    ("tensorflow", "int8"): 250_000_000,
    ("torch", "float32"): 70_000_000,
    ("torch", "int8"): 70_000_000,
    ("torch", "int4"): 70_000_000,
}
"""Additional memory in these precisions, measured with the same model: tensorflow takes 1.98 to 2.06 GB in
all in int8, but 1.77 to 1.89 in 16 bits; torch 0.88 to 0.98, but 0.79 to 0.93 in 16 bits."""


AUTO_OF_LARGE = ("bfloat16", "int8", "int4")
"""Precisions that "auto" may choose for a large model on a CPU, widest first."""


@dataclass(frozen=True, kw_only=True)
class Narrowed:
    """Reason why "auto" chose a narrower precision than it would with more memory.

    Attributes:
        dtype: the chosen precision.
        wider: the next wider precision, which did not fit.
        needed_bytes: memory needed in that one.
        free_bytes: memory available when the model was loaded.
    """

    dtype: str
    wider: str
    needed_bytes: int
    free_bytes: int


def precisions(backend: str) -> tuple[str, ...]:
    """Return a backend's precisions on this machine, widest first: int4 is for torch on a CPU."""
    four_bits = backend == "torch" and not machine.gpus()
    return tuple(one for one in DTYPES if one != "auto" and (one != "int4" or four_bits))


def needed(preset: Preset, backend: str, dtype: str, at_once: int = 1) -> int | None:
    """Return the bytes that a model needs on a backend in a precision.

    On a CPU, for CodeGemma 2B's shape, within 15% of measured peaks.

    Args:
        at_once: requests that it works on at once, where its backend can.

    Returns:
        None if the model's size is unknown, or if it runs on a remote server.
    """
    if backend == machine.OPENAI:
        return None
    need = preset.memory_bytes(dtype, activations(dtype))
    if need is None:
        return None
    need += int(1.1 * batch_rows(preset, backend, at_once) * preset.cache_bytes(activations(dtype)))
    if machine.gpus():
        return need
    return need + FRAMEWORK_BYTES.get(backend, 0) + MORE_BYTES.get((backend, dtype), 0)


def batch_rows(preset: Preset, backend: str, at_once: int) -> int:
    """Return the rows of the common cache of requests that are decoded together; a prompt is prefilled in a
    cache beside it."""
    in_turn = backend == "torch" and (preset.parameters or 0) >= LARGE and not machine.gpus()
    return at_once if at_once > 1 and backend in machine.TOGETHER and not in_turn else 0


def activations(dtype: str) -> str:
    """Return the precision of computation and cache for weights in `dtype` on this machine."""
    return dtype if machine.gpus() else "float32"


def by_precision(preset: Preset, backend: str, at_once: int = 1) -> dict[str, int | None]:
    """Return the needed bytes for every available precision."""
    return {dtype: needed(preset, backend, dtype, at_once) for dtype in precisions(backend)}


def sizes(figures: Mapping[str, int | None]) -> str:
    """Format the result of `by_precision` for display; empty if nothing is known."""
    known = {dtype: need / 1e9 for dtype, need in figures.items() if need is not None}
    return " · ".join(
        f"{dtype} {need:.1f} GB" if need >= 0.1 else f"{dtype} {need:.2f} GB"
        for dtype, need in known.items()
    )


def settled(preset: Preset, backend: str, dtype: str, freed: int = 0) -> str:
    """Return the precision that "auto" stands for on this machine; see `settle`."""
    return settle(preset, backend, dtype, freed)[0]


def settle(preset: Preset, backend: str, dtype: str, freed: int = 0) -> tuple[str, Narrowed | None]:
    """Return the precision that "auto" stands for on this machine, and the reason if memory made it narrower.

    On a CPU that is float32 for a small model, and for a large one the widest of bfloat16, int8 and int4 that
    fits into memory.

    Args:
        freed: bytes of main memory that will be freed by what is running now.
    """
    if dtype != "auto" or backend == machine.OPENAI:
        return dtype, None
    if machine.gpus():
        return "bfloat16", None
    if preset.parameters is None or preset.parameters < LARGE:
        return "float32", None
    free, needs = free_bytes(freed), _large_needs(preset, backend)
    if free is None:
        return next(iter(needs)), None
    settled = next((one for one, need in needs.items() if need <= free), [*needs][-1])
    if settled == next(iter(needs)):
        return settled, None
    wider = [*needs][[*needs].index(settled) - 1]
    return settled, Narrowed(dtype=settled, wider=wider, needed_bytes=needs[wider], free_bytes=free)


def _large_needs(preset: Preset, backend: str, at_once: int = 1) -> dict[str, int]:
    """Return a large model's CPU memory needs in each precision that "auto" may choose, widest first."""
    offered = precisions(backend)
    return {
        one: needed(preset, backend, one, at_once) or 0 for one in AUTO_OF_LARGE if one in offered
    }


def free_bytes(freed: int = 0, devices: int = 1) -> int | None:
    """Return the memory available to one model: main memory, a GPU's, or several GPUs' together.

    Args:
        freed: bytes of main memory that will be freed by what is running now.
        devices: number of devices that the model is sharded over.
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
    free: int | None = None,
    pythons: Mapping[str, str] | None = None,
    at_once: int = 1,
) -> str:
    """Return what to do after running out of memory: only steps that are available, not yet taken, and
    sufficient.

    Args:
        dtype: precision of the model that did not fit.
        offered: the models to choose from.
        max_length: that of the request, if one was running.
        free: bytes available to a model; None if unknown.
        pythons: the interpreter of each backend with a separate environment.
        at_once: requests that the model works on at once.
    """

    def fits(need: int) -> bool:
        return free is None or need <= free

    steps = []
    if max_length is not None and max_length >= DEFAULT_MAX_LENGTH:
        steps.append(f"lower max_length, which is {max_length:,}")
    now = needed(preset, backend, dtype, at_once)
    if now is not None:
        known = {one: need or now for one, need in by_precision(preset, backend, at_once).items()}
        narrower = [one for one, need in known.items() if need < now and fits(need)]
        if narrower:
            steps.append(f"choose the precision {_either(narrower)}")
        elif free is not None:
            shorter = _shorter_context(preset, backend, dtype, free, at_once)
            other = other_backend(preset, backend, free, pythons, at_once)
            steps.extend(filter(None, [shorter, other]))
        needs = {one.title: needed(one, backend, dtype, at_once) for one in offered}
        smaller = {
            label: need
            for label, need in needs.items()
            if need is not None and need < now and fits(need)
        }
        if smaller:
            steps.append(
                f"choose a smaller model, such as {max(smaller, key=lambda one: smaller[one])}"
            )
    if batch_rows(preset, backend, at_once) and fits(needed(preset, backend, dtype) or 0):
        steps.append("lower --max-concurrency")
    steps.append("close other programs")
    advice = _either(steps)
    return f"{advice[0].upper()}{advice[1:]}."


def _shorter_context(
    preset: Preset, backend: str, dtype: str, free: int, at_once: int
) -> str | None:
    """Suggest a shorter context with which a model fits that does not fit with the full one."""
    for most in (4096, 2048, 1024):
        need = needed(within(preset, most), backend, dtype, at_once) or 0
        if most < preset.context_length and need <= free:
            return f"start with --context-length {most}, which needs about {need / 1e9:.1f} GB"
    return None


def other_backend(
    preset: Preset,
    backend: str,
    free: int,
    pythons: Mapping[str, str] | None = None,
    at_once: int = 1,
) -> str | None:
    """Suggest another backend on which a model fits that does not fit on this one.

    Installed ones come first.

    Args:
        free: bytes available to the model.
        pythons: the interpreter of each backend with a separate environment.
        at_once: requests that the model works on at once.
    """
    if machine.gpus():  # where needs are the same on all backends
        return None
    found = []
    for name in machine.BACKENDS:
        needs = _large_needs(preset, name, at_once)
        fitting = [(one, need) for one, need in needs.items() if 0 < need <= free]
        if name != backend and fitting:
            found.append((machine.backend(name, (pythons or {}).get(name)), *fitting[0]))
    found.sort(key=lambda one: (not one[0].installed, AUTO_OF_LARGE.index(one[1])))
    for there, dtype, need in found:
        size = f"which needs about {need / 1e9:.1f} GB"
        if there.installed:
            return f"choose the backend {there.name} and the precision {dtype}, {size}"
        return f"install {there.name} ({there.install}) and choose it with the precision {dtype}, {size}"
    return None


def _either(several: Sequence[str]) -> str:
    *others, last = several
    return f"{', '.join(others)} or {last}" if others else last
