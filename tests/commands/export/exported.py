"""What an export leaves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Exported:
    """What `keras_probe` left and said.

    Attributes:
        folder: holds NAME (a preset), NAME-gguf, NAME-transformers and NAME.npz.
        engine: name -> for each prompt the engine's `tokens` and their `leads`.
        refused: what was said of presets that cannot be exported.
    """

    folder: Path
    engine: dict[str, list[dict[str, Any]]]
    refused: dict[str, str]

    def gguf(self, name: str) -> Path:
        """The one GGUF file of an export."""
        (file,) = (self.folder / f"{name}-gguf").glob("*.gguf")
        return file
