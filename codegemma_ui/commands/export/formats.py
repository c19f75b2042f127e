"""Export formats, their precisions, and the libraries that write them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import util

from codegemma_ui import installation
from codegemma_ui.errors import BadInput, EngineError

WIDTHS = {"float32": 4, "float16": 2, "bfloat16": 2}
"""Possible precisions of a preset's stored weights, and their bytes per value."""

DTYPES = (*WIDTHS, "q8_0", "q4_0")


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: value of `--format`.
        dtypes: supported precisions.
        libraries: modules required to write it.
    """

    name: str
    dtypes: tuple[str, ...]
    libraries: tuple[str, ...]


GGUF = Format("gguf", DTYPES, ("gguf",))
TRANSFORMERS = Format("transformers", tuple(WIDTHS), ("tokenizers",))
FORMATS = {one.name: one for one in (GGUF, TRANSFORMERS)}


def check(chosen: Format, dtype: str | None) -> None:
    """Check that this machine can write the format in this precision.

    Args:
        dtype: one of `DTYPES`, or None for the preset's own.

    Raises:
        BadInput: the format does not support that precision.
        EngineError: a library is missing.
    """
    if dtype is not None and dtype not in chosen.dtypes:
        raise BadInput(
            f"--dtype for {chosen.name} must be one of {', '.join(chosen.dtypes)}. "
            f"Received: {dtype!r}"
        )
    for library in (*chosen.libraries, "google.protobuf"):
        if not _is_there(library):
            package = "protobuf" if library == "google.protobuf" else library
            raise EngineError(
                f"Writing {chosen.name} needs the package {package}, which is not installed.",
                f"{installation.install('bench')}.",
                code="package_missing",
            )


def _is_there(library: str) -> bool:
    try:
        return util.find_spec(library) is not None
    except ModuleNotFoundError:  # the enclosing package is missing
        return False
