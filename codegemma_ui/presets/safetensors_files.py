"""Whether the weights of a folder in transformers' format are all there, told from the heads of their files.

Reading weights takes a framework and, of a large model, minutes; a file whose download broke off says so in
its first kilobytes. The format is that of https://github.com/huggingface/safetensors#format: the length of
the header in eight bytes, little-endian; the header, a JSON object that names each tensor's place; then the
tensors, without a gap. What the numbers in them are is not looked at.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from codegemma_ui.errors import LoadFailed
from codegemma_ui.presets import model_format

INDEX = "model.safetensors.index.json"
WHOLE = "model.safetensors"
"""What KerasHub reads where there is no index."""

LENGTH_BYTES = 8
MAX_HEADER_BYTES = 100_000_000  # safetensors' own limit

_POINTER = b"version https://git-lfs"


def check(folder: Path) -> None:
    """Look at the head of each file of weights; of a folder in another format at none.

    Raises:
        LoadFailed: a file is missing, damaged or cannot be read; it is named.
    """
    if model_format.format_of_config(model_format.config_in(folder)).format != "transformers":
        return
    for name in _names(folder):
        wrong = _wrong(folder / name)
        if wrong is not None:
            raise LoadFailed(
                f"The model's weights must be whole. Received: {folder / name}, {wrong}.",
                "Download or copy that file again.",
            )


def _names(folder: Path) -> list[str]:
    """The files that the weights lie in.

    Raises:
        LoadFailed: the index does not tell.
    """
    try:
        places = json.loads((folder / INDEX).read_bytes())["weight_map"]
        return sorted({str(name) for name in places.values()})
    except FileNotFoundError:
        return [WHOLE]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise LoadFailed(
            f"{INDEX} must name the file of each weight. Received: {folder / INDEX}, which cannot be read "
            f"({type(error).__name__}: {error}).",
            "Download or copy that file again.",
        ) from error


def _wrong(file: Path) -> str | None:
    """What is wrong with a file, to follow its name; None where nothing shows."""
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(LENGTH_BYTES), "little")
            opened.seek(0)
            if opened.read(len(_POINTER)) == _POINTER:
                return "which is a pointer of Git LFS in the file's place"
            opened.seek(LENGTH_BYTES)
            most = min(size - LENGTH_BYTES, MAX_HEADER_BYTES)
            header = json.loads(opened.read(length)) if 0 < length <= most else None
    except FileNotFoundError:
        return "which is not there"
    except OSError as error:
        return f"which cannot be read ({error.strerror})"
    except (ValueError, RecursionError):
        header = None
    needed = None if header is None else _tensor_bytes(header)
    if needed is None:
        return f"which is damaged: its {size:,} bytes do not begin with a header of safetensors"
    whole = LENGTH_BYTES + length + needed
    if size != whole:
        return f"which is damaged: it has {size:,} bytes, and its header speaks of {whole:,}"
    return None


def _tensor_bytes(header: Any) -> int | None:
    """How many bytes the tensors take by their header; None where it is no header."""
    try:
        tensors = [value for name, value in header.items() if name != "__metadata__"]
        places = sorted(
            (int(begin), int(end)) for begin, end in (t["data_offsets"] for t in tensors)
        )
    except (LookupError, TypeError, ValueError, AttributeError):
        return None
    ordered = all(begin <= end for begin, end in places)
    if not ordered or any(end != begin for (_, end), (begin, _) in pairwise([(0, 0), *places])):
        return None
    return places[-1][1] if places else 0
