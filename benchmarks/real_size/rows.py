"""The rows of the table: a backend and a precision, or a llama.cpp file, with all memory or a limit."""

from __future__ import annotations

from dataclasses import dataclass

LLAMA_CPP = "llama.cpp"


@dataclass(frozen=True)
class Kind:
    """A row of the table.

    Attributes:
        engine: one of Keras' backends, or llama.cpp.
        dtype: as in `--dtype` or llama.cpp's file.
        limit_gb: memory limit of the processes together; None is all of the machine's.
        beside: llama.cpp's file of the same width, whose decode speed it is compared with.
    """

    engine: str
    dtype: str
    limit_gb: int | None = None
    beside: str | None = None

    @property
    def name(self) -> str:
        where = f" in {self.limit_gb} GB" if self.limit_gb else ""
        return f"{self.engine} {self.dtype}{where}"


KINDS = (
    Kind(LLAMA_CPP, "float16"),
    Kind("torch", "bfloat16", beside="float16"),
    Kind(LLAMA_CPP, "q8_0"),
    Kind("torch", "int8", beside="q8_0"),
    Kind(LLAMA_CPP, "q4_0"),
    Kind("torch", "int4", beside="q4_0"),
    Kind("jax", "float32"),
    Kind("jax", "bfloat16", beside="float16"),
    Kind("jax", "int8", beside="q8_0"),
    Kind("tensorflow", "float32"),
    Kind("tensorflow", "bfloat16", beside="float16"),
    Kind("tensorflow", "int8", beside="q8_0"),
    Kind("torch", "float32"),
    Kind("torch", "float16", beside="float16"),
    Kind("jax", "float16", beside="float16"),
    Kind("tensorflow", "float16", beside="float16"),
    *(
        Kind(engine, "auto", limit)
        for limit in (16, 8)
        for engine in ("torch", "jax", "tensorflow")
    ),
)
