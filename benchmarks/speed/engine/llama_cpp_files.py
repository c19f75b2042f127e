"""The file that llama.cpp reads."""

from __future__ import annotations

from pathlib import Path


def gguf_file(weights: Path) -> Path:
    """Return the GGUF file, if a folder with one is given.

    Raises:
        FileNotFoundError: there is none.
    """
    if weights.is_file():
        return weights
    files = sorted(weights.glob("*.gguf"))
    if not files:
        raise FileNotFoundError(f"A folder of weights must hold a .gguf file. Received: {weights}")
    return files[0]
