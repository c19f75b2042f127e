"""The results of an export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Exported:
    """The files and output of `keras_probe`.

    Attributes:
        folder: holds NAME (a preset), NAME-gguf, NAME-transformers and NAME.npz.
        engine: name -> for each prompt the engine's `tokens` and their `leads`.
        refused: error messages of presets that cannot be exported.
    """

    folder: Path
    engine: dict[str, list[dict[str, Any]]]
    refused: dict[str, str]

    def gguf(self, name: str) -> Path:
        """Return the only GGUF file of an export."""
        (file,) = (self.folder / f"{name}-gguf").glob("*.gguf")
        return file
