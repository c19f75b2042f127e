"""Text to token ids and back, with the preset's own SentencePiece vocabulary and no Keras.

The page counts tokens with it in every state of the engine, and the worker tokenises with it on every
backend; a test holds its ids equal to KerasHub's tokenizer.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import sentencepiece

from codegemma_ui import fim

VOCABULARY_FILE = Path("assets", "tokenizer", "vocabulary.spm")
"""Where a KerasHub preset keeps it."""

_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # SentencePiece writes a space as U+2581


@dataclass(frozen=True)
class Prompt:
    """A prompt ready for the model.

    Attributes:
        token_ids: all ids, `<bos>` first and `<|fim_middle|>` last.
        segments: the same as text with roles, without `<bos>`.
        trimmed_prefix_tokens: tokens cut from the prefix's head.
        trimmed_suffix_tokens: tokens cut from the suffix's tail.
    """

    token_ids: tuple[int, ...]
    segments: tuple[fim.Segment, ...]
    trimmed_prefix_tokens: int
    trimmed_suffix_tokens: int

    @property
    def text(self) -> str:
        """From the first control token to `<|fim_middle|>`."""
        return fim.text_of(self.segments)


class Vocabulary:
    """A preset's vocabulary.

    Args:
        preset_folder: a local KerasHub preset.

    Raises:
        ValueError: if a control token is missing or is not one token.
    """

    def __init__(self, preset_folder: Path) -> None:
        path = Path(preset_folder) / VOCABULARY_FILE
        if not path.is_file():
            raise ValueError(
                f"A preset keeps its vocabulary in `{VOCABULARY_FILE}`. Received: {preset_folder}"
            )
        self._pieces = sentencepiece.SentencePieceProcessor(model_file=str(path))
        self._texts: dict[int, str] = {}  # as they are asked for: six a token of a stream
        self.size: int = self._pieces.get_piece_size()
        self.bos_id: int = self._pieces.bos_id()
        self.eos_id: int = self._pieces.eos_id()
        self._control_ids = {name: self._resolve(name) for name in fim.FIM_TOKENS}

    def _resolve(self, name: str) -> int:
        token_id: int = self._pieces.piece_to_id(name)
        if self._pieces.is_unknown(token_id) or self._pieces.encode(name) != [token_id]:
            raise ValueError(
                f"A fill-in-the-middle vocabulary has {name} as one token. "
                f"Received: {self._pieces.encode(name)}"
            )
        return token_id

    @cached_property
    def stop_ids(self) -> frozenset[int]:
        """The ids that end a middle: the FIM tokens, the file separator and `<eos>`."""
        return frozenset((*self._control_ids.values(), self.eos_id))

    def control_id(self, name: str) -> int:
        """The id of one of `fim.FIM_TOKENS`."""
        return self._control_ids[name]

    def encode(self, text: str) -> list[int]:
        """Token ids of a person's text; control-token names in it stay text."""
        return [token_id for piece in fim.defuse(text) for token_id in self._pieces.encode(piece)]

    def count(self, text: str) -> int:
        """How many tokens a person's text has."""
        return len(self.encode(text))

    def prompt(
        self, prefix: str, suffix: str, max_length: int, layout: fim.Layout = "psm"
    ) -> Prompt:
        """Build the prompt, trimmed so that at least `fim.MIN_ROOM` of `max_length` tokens stay free.

        Args:
            prefix: the text before the cursor.
            suffix: the text after the cursor.
            max_length: prompt and middle together, in tokens; at least `fim.MIN_MAX_LENGTH`.
            layout: the order of the two sides.
        """
        prefix_tokens, suffix_tokens = self.count(prefix), self.count(suffix)
        control_tokens = 4  # <bos> and three FIM tokens
        budget = max_length - fim.MIN_ROOM - control_tokens
        prefix_kept, suffix_kept = fim.share_budget(prefix_tokens, suffix_tokens, budget)
        prefix = self._tail(prefix, prefix_tokens, prefix_kept)
        suffix = self._head(suffix, suffix_tokens, suffix_kept)
        parts = fim.segments(prefix, suffix, layout)
        token_ids = [self.bos_id]
        for part in parts:
            if part.role == "control":
                token_ids.append(self._control_ids[part.text])
            else:
                token_ids.extend(self.encode(part.text))
        return Prompt(
            token_ids=tuple(token_ids),
            segments=parts,
            trimmed_prefix_tokens=prefix_tokens - self.count(prefix),
            trimmed_suffix_tokens=suffix_tokens - self.count(suffix),
        )

    def cursor(self, token_ids: Sequence[int]) -> int:
        """Where the middle belongs in a prompt's ids, whatever its order: right after the prefix's."""
        control = set(self._control_ids.values())
        start = 1 + token_ids.index(self._control_ids[fim.FIM_PREFIX])
        return next(at for at in range(start, len(token_ids)) if token_ids[at] in control)

    def _tail(self, text: str, tokens: int, kept: int) -> str:
        """The longest end of `text` that starts where a token does, `kept` tokens at most."""
        if kept >= tokens:
            return text
        starts = self._token_starts(text)
        # Cut text is encoded anew, and a merge may fall differently at the cut: then cut one more.
        while kept > 0:
            tail = text[starts[len(starts) - kept] :]
            if self.count(tail) <= kept:
                return tail
            kept -= 1
        return ""

    def _head(self, text: str, tokens: int, kept: int) -> str:
        """The longest start of `text` that ends where a token does, `kept` tokens at most."""
        if kept >= tokens:
            return text
        starts = self._token_starts(text)
        while kept > 0:
            head = text[: starts[kept]]
            if self.count(head) <= kept:
                return head
            kept -= 1
        return ""

    def _token_starts(self, text: str) -> list[int]:
        """The character each token starts at; the bytes of one character all name that one."""
        starts: list[int] = []
        characters = 0
        for piece in fim.defuse(text):
            for token in self._pieces.encode(piece, return_type="proto").pieces:
                starts.append(characters)
                characters += len(token.surface)
        return starts

    def token_text(self, token_id: int) -> str:
        """A token as a person reads it; a lone byte reads `<0xEA>`, a control token its name."""
        text = self._texts.get(token_id)
        if text is None:
            text = str(self._pieces.id_to_piece(token_id)).replace(_SPACE, " ")
            self._texts[token_id] = text
        return text

    def _token_bytes(self, token_id: int) -> bytes:
        text = self.token_text(token_id)
        if self._pieces.is_byte(token_id):
            return bytes([int(text[1:-1], base=16)])
        return text.encode()

    def decode(self, token_ids: Iterable[int]) -> str:
        """The text of ids; bytes that are no UTF-8 become U+FFFD."""
        decoder = self.text_decoder()
        return "".join([*map(decoder.feed, token_ids), decoder.flush()])

    def text_decoder(self) -> TextDecoder:
        """A decoder for a stream of ids."""
        return TextDecoder(self)


class TextDecoder:
    """Ids to text as they arrive, in whole characters: Korean and emoji come byte by byte."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, token_id: int) -> str:
        """The characters that this token completes, often none."""
        return self._utf8.decode(self._vocabulary._token_bytes(token_id))

    def flush(self) -> str:
        """What is left at the end: U+FFFD for a character that never became whole."""
        return self._utf8.decode(b"", final=True)
