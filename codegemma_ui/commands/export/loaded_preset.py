"""A preset that is loaded and validated for export, in any format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from codegemma_ui.commands.export import pieces, weight_reader
from codegemma_ui.commands.export.pieces import Pieces
from codegemma_ui.commands.export.weight_reader import Architecture, Tensor
from codegemma_ui.errors import EngineError
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.presets import Preset, safetensors_files


@dataclass(frozen=True)
class LoadedPreset:
    """A preset ready to be written.

    Attributes:
        preset: its table row, with its folder's information.
        folder: its local folder.
        stop_ids: the ids that end a middle.
    """

    preset: Preset
    folder: Path
    architecture: Architecture
    tensors: tuple[Tensor, ...]
    pieces: Pieces
    stop_ids: frozenset[int]

    @property
    def name(self) -> str:
        """Base name for files: the folder's, or the variation's without its version."""
        path = Path(self.preset.handle)
        return path.parent.name if path.name.isdecimal() else path.name

    @property
    def parameters(self) -> int:
        return sum(tensor.size for tensor in self.tensors)


def read(preset: Preset, folder: Path, backend: str) -> LoadedPreset:
    """Load a preset.

    Args:
        preset: its table row.
        folder: a local KerasHub preset.
        backend: the Keras backend to load it with; this process keeps it.

    Raises:
        EngineError: it cannot be loaded, or no format supports it.
    """
    try:
        vocabulary = Vocabulary(folder)
    except (ValueError, RuntimeError, OSError) as error:
        raise EngineError(
            f"{preset.label} is not a fill-in-the-middle preset. {error}", code="load_failed"
        ) from error
    safetensors_files.check(folder)
    known = pieces.read(folder)
    backbone = weight_reader.load(folder, backend)
    architecture = weight_reader.architecture(backbone)
    if len(known.all) != architecture.vocabulary:
        raise EngineError(
            "A vocabulary must have a piece for each row of the embedding, "
            f"{architecture.vocabulary}. Received: {len(known.all)} pieces",
            code="cannot_export",
        )
    return LoadedPreset(
        preset=preset,
        folder=folder,
        architecture=architecture,
        tensors=tuple(weight_reader.tensors(backbone)),
        pieces=known,
        stop_ids=vocabulary.stop_ids,
    )
