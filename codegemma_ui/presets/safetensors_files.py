"""Check that the weights of a folder in transformers' format are complete, from the headers of their files.

Reading weights takes a framework and, for a large model, minutes; an interrupted download shows in a file's
first kilobytes. The format (https://github.com/huggingface/safetensors#format): the length of the header in
eight bytes, little-endian; the header, a JSON object with each tensor's offsets; then the tensors, without
gaps. Their values are not checked.
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
"""File that KerasHub reads if there is no index."""

LENGTH_BYTES = 8
MAX_HEADER_BYTES = 100_000_000  # safetensors' own limit

_POINTER = b"version https://git-lfs"


def check(folder: Path) -> None:
    """Check the header of each weight file; folders in other formats are skipped.

    Raises:
        LoadFailed: names a file that is missing, damaged or unreadable.
    """
    if model_format.format_of_config(model_format.config_in(folder)).format != "transformers":
        return
    for name in _names(folder):
        wrong = _wrong(folder / name)
        if wrong is not None:
            raise LoadFailed(
                f"The model's weights must be complete. Received: {folder / name}, {wrong}.",
                "Download or copy that file again.",
            )


def _names(folder: Path) -> list[str]:
    """Return the names of the weight files.

    Raises:
        LoadFailed: the index is unreadable.
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
    """Return what is wrong with a file, to follow its name, or None."""
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(LENGTH_BYTES), "little")
            opened.seek(0)
            if opened.read(len(_POINTER)) == _POINTER:
                return "which is a Git LFS pointer instead of the file"
            opened.seek(LENGTH_BYTES)
            most = min(size - LENGTH_BYTES, MAX_HEADER_BYTES)
            header = json.loads(opened.read(length)) if 0 < length <= most else None
    except FileNotFoundError:
        return "which does not exist"
    except OSError as error:
        return f"which cannot be read ({error.strerror})"
    except (ValueError, RecursionError):
        header = None
    needed = None if header is None else _tensor_bytes(header)
    if needed is None:
        return f"which is damaged: its {size:,} bytes do not begin with a safetensors header"
    whole = LENGTH_BYTES + length + needed
    if size != whole:
        return f"which is damaged: it has {size:,} bytes, but its header requires {whole:,}"
    return None


def _tensor_bytes(header: Any) -> int | None:
    """Return the bytes of the tensors according to a header, or None if it is not a header."""
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
