"""Non-public torch names used by the engine, all looked up here.

These names change between releases; 2.8, 2.11 and 2.13 have them all. A missing name costs one feature only:
without inductor's, graphs run as is; without an int8 kernel, other products replace it; without the int4
kernels, int4 is refused with a message. Version numbers are not checked, since a build may lack what its
release has.

`python -m codegemma_ui.workers.keras.steps.torch_names` prints as JSON why a model would run uncompiled, or
null.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from codegemma_ui.errors import LoadFailed

_INDUCTOR = {
    "compile": "torch._inductor.compile",
    "tracing": "torch._guards.tracing",
    "context": "torch._guards.TracingContext",
    "fake_mode": "torch._subclasses.FakeTensorMode",
    "shapes": "torch.fx.experimental.symbolic_shapes.ShapeEnv",
}
_SYMBOLS = {
    "dimension": "torch.fx.experimental.symbolic_shapes.DimDynamic",
    "context": "torch.fx.experimental.symbolic_shapes.StatelessSymbolicContext",
}
_PACK_INT4 = "torch.ops.aten._convert_weight_to_int4pack_for_cpu"
_MULTIPLY_INT4 = "torch.ops.aten._weight_int4pack_mm_for_cpu"


@dataclass(frozen=True)
class Inductor:
    """inductor's entry points for compiling a graph.

    Attributes:
        compile: compiles a graph for given inputs.
        tracing: context manager under which `compile` finds a tracing context.
        context: creates a tracing context from a fake mode.
        fake_mode: creates a fake mode from a shape environment.
        shapes: creates a shape environment.
    """

    compile: Callable[..., Any]
    tracing: Callable[..., Any]
    context: Callable[..., Any]
    fake_mode: Callable[..., Any]
    shapes: Callable[..., Any]


def found(name: str) -> Any:
    """Resolve a dotted name, which may be a module; None if this torch lacks it."""
    module, _, attribute = name.rpartition(".")
    if module == "torch.ops.aten":
        return getattr(torch.ops.aten, attribute, None)
    with contextlib.suppress(ImportError):
        owner = importlib.import_module(module)
        return getattr(owner, attribute, None) or importlib.import_module(name)
    return None


def inductor() -> Inductor:
    """Return inductor's entry points; importing them takes seconds.

    Raises:
        ImportError: this torch lacks some of them; `uncompiled` reports that in advance.
    """
    there = {role: found(name) for role, name in _INDUCTOR.items()}
    missing = [_INDUCTOR[role] for role, one in there.items() if one is None]
    if missing:
        raise ImportError(f"torch {torch.__version__} has no {', '.join(missing)}")
    return Inductor(**there)


def without_compiler(device: str) -> str | None:
    """Return what the machine lacks to compile for a device, or None; this check is instant.

    Args:
        device: torch's device type: "cpu", "cuda" or "mps".
    """
    if device == "cpu" and not cxx_compiler():
        return "no C++ compiler found. Install g++, or name yours in CXX"
    if device == "cuda" and importlib.util.find_spec("triton") is None:
        return "triton is not installed, with which torch compiles for a card. Install triton"
    return None


def uncompiled(device: str) -> str | None:
    """Return why graphs cannot be compiled for a device, as far as is known in advance, or None."""
    reason = without_compiler(device)
    if reason is None:
        try:
            inductor()
        except ImportError as error:
            return str(error)
    return reason


def cxx_compiler() -> str | None:
    """Return the C++ compiler that inductor would use on a CPU, or None.

    Returns:
        The path of the compiler named by CXX, or of the platform's usual one: the search of
        `torch._inductor.config.cpp.cxx` (torch 2.13).
    """
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    return shutil.which(os.environ.get("CXX", usual))


def knows_sizes_as_symbols() -> bool:
    """Return whether `of_any_size` can be used."""
    names = (*_SYMBOLS.values(), _INDUCTOR["fake_mode"], _INDUCTOR["shapes"])
    return all(found(name) is not None for name in names)


def of_any_size(
    tensors: Sequence[torch.Tensor], axes: Sequence[Collection[int]]
) -> list[torch.Tensor]:
    """Return fake tensors like these, in which the sizes of some axes are symbols.

    Args:
        tensors: as placeholders, some may be None. Where the memory of one has gaps, so may its later ones,
            of any size.
        axes: of each tensor those of any size. Axes of the same size share a symbol; sizes of 2 and more may
            take their place.
    """
    dimension, symbolic = (found(name) for name in _SYMBOLS.values())
    mode = found(_INDUCTOR["fake_mode"])(shape_env=found(_INDUCTOR["shapes"])())

    def fake(tensor: Any, some: Collection[int]) -> Any:
        if tensor is None:
            return None
        sizes = [
            dimension.DUCK if axis in some else dimension.STATIC for axis in range(tensor.dim())
        ]
        return mode.from_tensor(tensor, symbolic_context=symbolic(dynamic_sizes=sizes))

    return [fake(tensor, some) for tensor, some in zip(tensors, axes, strict=True)]


@cache
def enter_lasting_fake_mode() -> None:
    """Enter the first fake mode of this process on a thread that never ends.

    Without a GPU, torch (2.11) ties all fake modes to an object of the thread that first entered one; once
    that thread has ended, the next fake mode crashes.
    """
    fake_mode, entered = found(_INDUCTOR["fake_mode"]), threading.Event()
    if fake_mode is None:
        return

    def stay() -> None:
        try:
            with fake_mode():
                pass
        finally:
            entered.set()
        threading.Event().wait()

    threading.Thread(target=stay, name="fake mode", daemon=True).start()
    entered.wait()


def keep_headers_with_cache() -> None:
    """Make inductor put precompiled headers beside its other files.

    Otherwise they go to a temporary folder named after the user (torch 2.13), where a damaged one is never
    deleted.
    """
    cache_dir = found("torch._inductor.runtime.cache_dir_utils.cache_dir")
    codecache: Any = found("torch._inductor.codecache")
    if cache_dir is None or codecache is None:
        return
    headers = f"{cache_dir()}/precompiled_headers"
    for name, folder in (("_HEADER_DIR", headers), ("_HEADER_LOCK_DIR", f"{headers}/locks")):
        if hasattr(codecache, name):
            setattr(codecache, name, folder)


def forget_compiled_files() -> None:
    """Make inductor look for its files on disk again."""
    clear_caches = found("torch._inductor.utils.clear_caches")
    if clear_caches is not None:
        clear_caches()
    for name in (
        "torch._inductor.codecache._precompile_header",
        "torch._inductor.cpu_vec_isa.valid_vec_isa_list",
    ):
        cached = found(name)
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()


def cpu_kernels() -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the kernels that inductor has compiled for the CPU: the names of a generated module, and one of
    them. A pass looks its kernels up there whenever it runs."""
    generated: Any = found("torch._inductor.codecache.PyCodeCache")
    for module in list(getattr(generated, "modules", ())):
        yield from ((vars(module), name) for name in list(vars(module)) if name.startswith("cpp_"))


def multiply_int8() -> Callable[..., torch.Tensor] | None:
    """Return torch's CPU kernel for rows times an int8 matrix, `(x, values, scale)`, or None."""
    kernel: Callable[..., torch.Tensor] | None = found("torch._weight_int8pack_mm")
    return kernel


def pack_int4() -> Callable[..., torch.Tensor]:
    """Return the function that packs an int4 matrix for `multiply_int4`: `(codes, 1)`.

    Raises:
        LoadFailed: this torch lacks the int4 kernels.
    """
    return _for_int4(_PACK_INT4)


def multiply_int4() -> Callable[..., torch.Tensor]:
    """Return torch's CPU kernel for rows times an int4 matrix: `(x, packed, group size, scales)`.

    Raises:
        LoadFailed: this torch lacks the int4 kernels.
    """
    return _for_int4(_MULTIPLY_INT4)


def _for_int4(name: str) -> Callable[..., torch.Tensor]:
    kernel: Callable[..., torch.Tensor] | None = found(name)
    if kernel is None:
        raise LoadFailed(
            f"int4 needs {name}, which a torch of 2.8 or newer has. Received: torch {torch.__version__}",
            "Choose --dtype int8, or install another torch.",
        )
    return kernel


def main() -> None:
    """Print as JSON why torch would run models uncompiled here, or null."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(json.dumps({"uncompiled": uncompiled(device)}))


if __name__ == "__main__":
    main()
