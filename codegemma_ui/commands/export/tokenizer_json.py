"""A SentencePiece BPE vocabulary as a `tokenizer.json` of Hugging Face tokenizers.

SentencePiece merges any two neighbours whose joined text is a piece, best score first; tokenizers needs every
such pair listed in that order. User-defined pieces are matched first, longest first; so are added tokens. The
ids are equal (a test). transformers 5.24's own conversion of the SentencePiece file differs for lines
indented by more than 31 spaces, omits `<bos>`, and treats no FIM token as special.
"""

from __future__ import annotations

from typing import Any

from codegemma_ui.commands.export.pieces import SPACE, Kind, Pieces


def build(pieces: Pieces) -> Any:
    """Build a `tokenizers.Tokenizer` that puts `<bos>` before a text, as the engine does.

    Args:
        pieces: the vocabulary.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

    tokenizer = Tokenizer(
        models.BPE(
            vocab=pieces.ids,
            merges=merges(pieces),
            unk_token=pieces.unknown,
            byte_fallback=True,
        )
    )
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.add_special_tokens(
        [AddedToken(text, normalized=False, special=True) for text in special(pieces)]
    )
    tokenizer.add_tokens(
        [
            AddedToken(piece.text, normalized=True)
            for piece in pieces.all
            if piece.kind == Kind.USER_DEFINED
        ]
    )
    bos = (pieces.bos, pieces.ids[pieces.bos])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{pieces.bos} $A", pair=f"{pieces.bos} $A {pieces.bos} $B:1", special_tokens=[bos]
    )
    return tokenizer


def special(pieces: Pieces) -> list[str]:
    """Return the names of the control tokens."""
    return [piece.text for piece in pieces.all if piece.kind in (Kind.CONTROL, Kind.UNKNOWN)]


def merges(pieces: Pieces) -> list[tuple[str, str]]:
    """Return every pair of pieces that joins to a piece, best score first.

    Args:
        pieces: the vocabulary; only its normal pieces are used, as user-defined ones are never split.
    """
    normal = {piece.text for piece in pieces.all if piece.kind == Kind.NORMAL}
    best_first = sorted(
        (piece for piece in pieces.all if piece.kind == Kind.NORMAL),
        key=lambda piece: piece.score,
        reverse=True,
    )
    return [
        (piece.text[:cut], piece.text[cut:])
        for piece in best_first
        for cut in range(1, len(piece.text))
        if piece.text[:cut] in normal and piece.text[cut:] in normal
    ]
