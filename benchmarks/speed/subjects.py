"""The table of subjects: one row each, with its requirements and extra measurements.

A new engine is a row here and a module in `engine/`.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.speed import surroundings
from codegemma_ui import installation, machine
from codegemma_ui.errors import BadInput

Family = Literal["engine", "worker", "http", "kerashub", "transformers", "llama.cpp"]
Device = Literal["cpu", "cuda"]
Extra = Literal["streaming", "logprobs", "drafting", "appending", "typing"]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One engine in one precision.

    Attributes:
        name: as in `--only` and the tables.
        module: its process, in `benchmarks.speed.engine`; "" for the playground's own worker and its page.
        backend: a Keras backend, "torch" or "llama.cpp".
        dtype: of weights and activations; of the weights only if it is "q8_0".
        weights: the format it reads: "preset", "transformers" or "gguf".
        packages: required in addition to its Keras backend.
        mode: of its engine, if there is more than one.
        streams: whether it returns each token as it is generated.
        writes_stops: whether it can generate a stop token and continue; llama.cpp's server either ends there
            or never generates one.
        extras: measurements in addition to the plain cases.
        swept: settings whose best value depends on the machine, each with the values that a sweep tries, the
            default first.
        settings: those that are fixed.
        speed: whether its speed is compared; else only its tokens are.
        peer: name of the subject whose engine answers the same requests in turns with it.
    """

    name: str
    family: Family
    module: str
    backend: str
    dtype: str
    weights: Literal["preset", "transformers", "gguf"] = "preset"
    packages: tuple[str, ...] = ()
    mode: str = ""
    streams: bool = True
    writes_stops: bool = True
    extras: tuple[Extra, ...] = ()
    swept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    speed: bool = True
    peer: str = ""

    def missing(self, python: str | None = None) -> str | None:
        """Return the command that installs what it lacks here, or None.

        Args:
            python: the interpreter of its Keras backend, or None for our own.
        """
        if self.backend in machine.BACKENDS:
            backend = machine.backend(self.backend, python)
            if not backend.installed:
                return backend.install
        # Further packages of another environment are checked when its process starts.
        if python is None and not all(map(surroundings.version, self.packages)):
            return (
                BUILD_LLAMA_CPP if _BUILT_HERE in self.packages else installation.install("bench")
            )
        return None


_BUILT_HERE = "llama-cpp-python"
BUILD_LLAMA_CPP = f"CMAKE_ARGS=-DGGML_NATIVE=on pip install --no-binary {_BUILT_HERE} {_BUILT_HERE}"
"""Builds llama.cpp for the processor that it is built on; it takes a compiler and some minutes."""

_BACKENDS = ("jax", "tensorflow", "torch")
_OUR_EXTRAS: tuple[Extra, ...] = ("streaming", "logprobs", "drafting", "appending")

_ENGINE = tuple(
    Subject(
        name=f"engine-{backend}-{dtype}",
        family="engine",
        module="ours",
        backend=backend,
        dtype=dtype,
        extras=_OUR_EXTRAS,
    )
    for dtype in ("float32", "bfloat16", "int8", "int4")
    for backend in (_BACKENDS if dtype != "int4" else ("torch",))
)

_WORKER = tuple(
    Subject(
        name=f"worker-{backend}-{dtype}",
        family="worker",
        module="",
        backend=backend,
        dtype=dtype,
        extras=("typing",),
    )
    for dtype in ("float32", "bfloat16", "int8")
    for backend in _BACKENDS
)

_HTTP = tuple(
    Subject(
        name=f"http-{backend}-{dtype}",
        family="http",
        module="",
        backend=backend,
        dtype=dtype,
        packages=("xllamacpp", "gguf"),
        peer=f"llama.cpp-{peer}",
    )
    for dtype, peer in (("float32", "f32"), ("bfloat16", "f16"), ("int8", "q8_0"))
    for backend in _BACKENDS
)

_KERASHUB = tuple(
    Subject(
        name=f"kerashub-{backend}-{dtype}",
        family="kerashub",
        module="kerashub",
        backend=backend,
        dtype=dtype,
        streams=False,
    )
    for dtype in ("float32", "bfloat16", "int8")
    for backend in _BACKENDS
)

_TRANSFORMERS = tuple(
    Subject(
        name=f"transformers-{mode}-{dtype}",
        family="transformers",
        module="hf_transformers",
        backend="torch",
        dtype=dtype,
        weights="transformers",
        packages=("transformers", "safetensors"),
        mode=mode,
        swept={"attention": ("sdpa", "eager")},
    )
    for dtype in ("float32", "bfloat16")
    for mode in ("dynamic", "compile", "lookup")
)

LLAMA_CPP_SETTINGS = {
    "flash": ("on", "off"),
    "cache": ("f16", "f32", "bf16"),
    "repack": ("on", "off"),
    "mmap": ("on", "off"),
    "ubatch": ("512", "128"),
}
"""Flash attention, the type of the KV cache, whether weights are repacked for the processor's products,
whether they stay in the file's pages or are read into memory, which may have huge pages, and the most tokens
of one pass: what changes llama.cpp's speed on a CPU but not its weights."""

_GGUF = {"f32": "float32", "f16": "float16", "q8_0": "q8_0", "q4_0": "q4_0"}

_LLAMA_CPP = tuple(
    Subject(
        name=f"llama.cpp-{name}",
        family="llama.cpp",
        module="llama_cpp",
        backend="llama.cpp",
        dtype=dtype,
        weights="gguf",
        packages=("xllamacpp", "gguf"),
        writes_stops=False,
        extras=("appending", "typing"),
        swept=LLAMA_CPP_SETTINGS,
    )
    for name, dtype in _GGUF.items()
)

# Its cache is float16 by default, and rounds what float32 weights compute.
_LLAMA_CPP_TOKENS = Subject(
    name="llama.cpp-f32-exact",
    family="llama.cpp",
    module="llama_cpp",
    backend="llama.cpp",
    dtype="float32",
    weights="gguf",
    packages=("xllamacpp", "gguf"),
    writes_stops=False,
    settings={"flash": "off", "cache": "f32"},
    speed=False,
)

_LLAMA_CPP_NATIVE = tuple(
    Subject(
        name=f"llama.cpp-native-{name}",
        family="llama.cpp",
        module="llama_cpp_native",
        backend="llama.cpp",
        dtype=dtype,
        weights="gguf",
        packages=(_BUILT_HERE, "gguf"),
        extras=("appending", "typing"),
        swept=LLAMA_CPP_SETTINGS,
    )
    for name, dtype in _GGUF.items()
)

SUBJECTS = (
    *(*_ENGINE, *_WORKER, *_HTTP, *_KERASHUB, *_TRANSFORMERS),
    *(*_LLAMA_CPP, _LLAMA_CPP_TOKENS, *_LLAMA_CPP_NATIVE),
)

_NAMED = {subject.name: subject for subject in SUBJECTS}

# Without --only a run on a CPU leaves these out: half precision is for GPUs.
_CUDA_ONLY = ("kerashub-*-bfloat16", "kerashub-t*-int8", "transformers-lookup-bfloat16")


def chosen(only: Sequence[str], device: Device) -> tuple[Subject, ...]:
    """Return the subjects of a run, in the table's order.

    Args:
        only: names, beginnings of names (`engine-jax`, `llama.cpp`) or patterns (`*-bfloat16`);
            none means all for the device.
        device: "cpu" or "cuda".

    Raises:
        BadInput: a name is not in the table.
    """
    if not only:
        return tuple(
            subject
            for subject in SUBJECTS
            if device == "cuda"
            or not any(fnmatch.fnmatchcase(subject.name, pattern) for pattern in _CUDA_ONLY)
        )
    for name in only:
        if not any(_fits(subject, name) for subject in SUBJECTS):
            names = ", ".join(subject.name for subject in SUBJECTS)
            raise BadInput(f"--only takes names, or how they begin, of: {names}. Received: {name}")
    return tuple(subject for subject in SUBJECTS if any(_fits(subject, name) for name in only))


def named(name: str) -> Subject:
    """Return the subject of exactly this name."""
    return _NAMED[name]


def _fits(subject: Subject, name: str) -> bool:
    return subject.name.startswith(name) or fnmatch.fnmatchcase(subject.name, name)
