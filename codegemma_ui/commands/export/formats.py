"""What can be written: the formats, their precisions, and the libraries each is written with. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import util

from codegemma_ui import installation
from codegemma_ui.errors import BadInput, EngineError

WIDTHS = {"float32": 4, "float16": 2, "bfloat16": 2}
"""The precisions that a preset's weights may be stored in, and their bytes a value."""

DTYPES = (*WIDTHS, "q8_0", "q4_0")


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: as `--format` takes it.
        dtypes: the precisions it holds.
        libraries: what must be importable to write it.
    """

    name: str
    dtypes: tuple[str, ...]
    libraries: tuple[str, ...]


GGUF = Format("gguf", DTYPES, ("gguf",))
TRANSFORMERS = Format("transformers", tuple(WIDTHS), ("tokenizers",))
FORMATS = {one.name: one for one in (GGUF, TRANSFORMERS)}


def check(chosen: Format, dtype: str | None) -> None:
    """Whether this machine can write the format in this precision.

    Args:
        dtype: one of `DTYPES`, or None for the preset's own.

    Raises:
        BadInput: the format does not hold that precision.
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
                f"Writing {chosen.name} takes the package {package}, which is not installed.",
                f"{installation.install('bench')}.",
                code="package_missing",
            )


def _is_there(library: str) -> bool:
    try:
        return util.find_spec(library) is not None
    except ModuleNotFoundError:  # of the package around it
        return False
