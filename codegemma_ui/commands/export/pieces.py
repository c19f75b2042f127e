"""Pieces of a preset's SentencePiece vocabulary, with score and kind, for other tokenizers.

Format: https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto. Other programs
rebuild the BPE algorithm from the pieces and have no normaliser, so vocabularies they would handle
differently are refused here.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from codegemma_ui import fim
from codegemma_ui.errors import EngineError
from codegemma_ui.fim.vocabulary import vocabulary_file

SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
"""SentencePiece's encoding of a space, U+2581."""

_BPE = 2


class Kind(IntEnum):
    """Kind of a piece, in SentencePiece's numbers; `gguf.TokenType` has the same."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True)
class VocabularyPiece:
    """One token; its id is its index.

    Attributes:
        text: with U+2581 for spaces; a byte is `<0xEA>`.
        score: merge score, higher first.
        kind: a control token of `fim` is CONTROL, though user-defined in SentencePiece: text that a user
            types must not become one.
    """

    text: str
    score: float
    kind: Kind


@dataclass(frozen=True)
class Pieces:
    """A vocabulary.

    Attributes:
        all: the pieces in the order of their ids.
        pad, eos, bos, unknown: names of four pieces that every Gemma vocabulary has.
    """

    all: tuple[VocabularyPiece, ...]
    pad: str
    eos: str
    bos: str
    unknown: str

    @cached_property
    def ids(self) -> dict[str, int]:
        """Return text -> id."""
        return {piece.text: number for number, piece in enumerate(self.all)}


def read(preset_folder: Path) -> Pieces:
    """Read a preset's vocabulary.

    Args:
        preset_folder: a local KerasHub preset.

    Raises:
        EngineError: it is not a BPE vocabulary, or it normalises text before matching pieces.
    """
    # By name: it is generated at import, and a type checker finds nothing in it.
    messages = importlib.import_module("sentencepiece.sentencepiece_model_pb2")
    model = messages.ModelProto()
    model.ParseFromString(vocabulary_file(preset_folder).read_bytes())
    _check(model)
    pieces = tuple(
        VocabularyPiece(piece.piece, piece.score, _kind(piece)) for piece in model.pieces
    )
    names = model.trainer_spec
    return Pieces(pieces, names.pad_piece, names.eos_piece, names.bos_piece, names.unk_piece)


def _kind(piece: Any) -> Kind:
    return Kind.CONTROL if piece.piece in fim.CONTROL_TOKENS else Kind(piece.type)


def _check(model: Any) -> None:
    trained, normalizer = model.trainer_spec, model.normalizer_spec
    wrong = {
        "no BPE": trained.model_type != _BPE,
        "no pieces for single bytes": not trained.byte_fallback,
        "spaces after words": trained.treat_whitespace_as_suffix,
        f"the normaliser {normalizer.name}": bool(normalizer.precompiled_charsmap),
        "extra spaces removed": normalizer.remove_extra_whitespaces,
        "spaces kept as spaces": not normalizer.escape_whitespaces,
        "a space put before the text": normalizer.add_dummy_prefix,
    }
    found = [name for name, present in wrong.items() if present]
    if found:
        raise EngineError(
            "A vocabulary must be BPE with a piece for each byte and without normalisation, as "
            f"CodeGemma's, to be exported. Received: one with {', '.join(found)}.",
            code="cannot_export",
        )
