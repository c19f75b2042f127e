"""Text to token ids and back, with the preset's own SentencePiece vocabulary and without Keras.

The page counts tokens with it in every state of the engine, and the worker tokenises with it on every
backend; a test compares its ids with KerasHub's tokenizer.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

import sentencepiece

from codegemma_ui import fim

VOCABULARY_FILE = Path("assets", "tokenizer", "vocabulary.spm")
"""Location in a KerasHub preset."""

TOKENIZER_MODEL = Path("tokenizer.model")
"""The same file in a folder in transformers' format."""


def vocabulary_file(folder: Path) -> Path:
    """Return the SentencePiece vocabulary of a preset's folder; if there is none, KerasHub's location for
    it."""
    theirs = Path(folder) / TOKENIZER_MODEL
    return theirs if theirs.is_file() else Path(folder) / VOCABULARY_FILE


_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # SentencePiece writes a space as U+2581
_BLOCK = re.compile(f"({_SPACE})")


@dataclass(frozen=True)
class PromptToken:
    """One token of a prompt.

    Attributes:
        id: id in the vocabulary.
        piece: as in `Vocabulary.token_text`.
        role: "bos", or its segment's role.
        start, end: its character range in its side as the user gave it, or in its segment; empty for control
            tokens and for all but the last byte of a character.
    """

    id: int
    piece: str
    role: Literal["bos"] | fim.Role
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class Prompt:
    """A prompt ready for the model.

    Attributes:
        tokens: all tokens, `<bos>` first and `<|fim_middle|>` last.
        segments: the same as text with roles, without `<bos>`.
        trimmed_prefix_tokens: tokens cut from the prefix's head.
        trimmed_suffix_tokens: tokens cut from the suffix's tail.
        trimmed_context_tokens: tokens cut from the other files.
    """

    tokens: tuple[PromptToken, ...]
    segments: tuple[fim.Segment, ...]
    trimmed_prefix_tokens: int
    trimmed_suffix_tokens: int
    trimmed_context_tokens: int = 0

    @property
    def token_ids(self) -> tuple[int, ...]:
        """Ids of the tokens."""
        return tuple(token.id for token in self.tokens)

    @property
    def trimmed(self) -> bool:
        """Return whether anything was cut to fit."""
        cut = (self.trimmed_prefix_tokens, self.trimmed_suffix_tokens, self.trimmed_context_tokens)
        return cut != (0, 0, 0)

    @property
    def text(self) -> str:
        """Text from the first control token to `<|fim_middle|>`."""
        return fim.text_of(self.segments)


class NotForFim(ValueError):
    """A vocabulary in which a control token is missing or is not one token."""


class Request(Protocol):
    """Inputs of a prompt, as in `ipc.messages.CompletionRequest`."""

    @property
    def prefix(self) -> str: ...
    @property
    def suffix(self) -> str: ...
    @property
    def max_length(self) -> int: ...
    @property
    def layout(self) -> fim.Layout: ...
    @property
    def path(self) -> str: ...
    @property
    def files(self) -> Sequence[fim.File]: ...


class Vocabulary:
    """Vocabulary of a preset.

    Args:
        preset_folder: local KerasHub preset.

    Raises:
        ValueError: there is none, or it is `NotForFim`.
    """

    def __init__(self, preset_folder: Path) -> None:
        path = vocabulary_file(preset_folder)
        if not path.is_file():
            raise ValueError(
                f"A preset must have its vocabulary in `{VOCABULARY_FILE}`. Received: {preset_folder}"
            )
        self._pieces = sentencepiece.SentencePieceProcessor(model_file=str(path))
        self._texts: dict[int, str] = {}  # cache: six are needed per streamed token
        self._characters: dict[int, int] = {}  # of each token so far; -1 of a byte
        self.size: int = self._pieces.get_piece_size()
        self.bos_id: int = self._pieces.bos_id()
        self.eos_id: int = self._pieces.eos_id()
        self._control_ids = {name: self._resolve(name) for name in fim.FIM_TOKENS}
        self._block_ids = self._spelled(_SPACE)

    def _resolve(self, name: str) -> int:
        token_id: int = self._pieces.piece_to_id(name)
        if self._pieces.is_unknown(token_id) or self._pieces.encode(name) != [token_id]:
            raise NotForFim(
                f"A fill-in-the-middle vocabulary must have {name} as one token. "
                f"Received: {self._pieces.encode(name)}"
            )
        return token_id

    def _spelled(self, character: str) -> list[int]:
        """Encode a character as byte tokens, or as SentencePiece does if the vocabulary has none."""
        ids = [self._pieces.piece_to_id(f"<0x{byte:02X}>") for byte in character.encode()]
        spelled = all(map(self._pieces.is_byte, ids))
        return ids if spelled else list(self._pieces.encode(character))

    @cached_property
    def stop_ids(self) -> frozenset[int]:
        """Ids that end a middle: the FIM tokens, the file separator and `<eos>`."""
        return frozenset((*self._control_ids.values(), self.eos_id))

    def control_id(self, name: str) -> int:
        """Return the id of one of `fim.FIM_TOKENS`."""
        return self._control_ids[name]

    def encode(self, text: str) -> list[int]:
        """Encode the user's text; `decode` restores it.

        Control-token names in it stay text. So does U+2581, which SentencePiece and KerasHub would read as a
        space: it is encoded as bytes.
        """
        return [
            token_id
            for part in _parts(text)
            for token_id in (self._block_ids if part == _SPACE else self._pieces.encode(part))
        ]

    def count(self, text: str) -> int:
        """Return the number of tokens of the user's text."""
        return len(self.encode(text))

    def prompt_of(self, request: Request) -> Prompt:
        """Return the prompt for a request."""
        return self.prompt(
            request.prefix,
            request.suffix,
            request.max_length,
            request.layout,
            request.path,
            request.files,
        )

    def prompt(
        self,
        prefix: str,
        suffix: str,
        max_length: int,
        layout: fim.Layout = "psm",
        path: str = "",
        files: Sequence[fim.File] = (),
        *,
        steady: bool = True,
    ) -> Prompt:
        """Build the prompt, trimmed so that at least `fim.MIN_ROOM` of `max_length` tokens stay free.

        While the user types at the cursor, the cut stays in place for `fim.cut_step` tokens, so that the
        prefix cache remains valid: the prefix is cut by a multiple of it, counted from the beginning, which
        typing does not change; and the prefix takes from the suffix and from the files in such steps only.

        A byte-order mark at the start of the prefix or of a file is not part of its text: models are trained
        on texts without one.

        Args:
            prefix: the text before the cursor.
            suffix: the text after the cursor.
            max_length: prompt and middle together, in tokens; at least `fim.MIN_MAX_LENGTH`.
            layout: order of the two sides; "ltr" leaves out the suffix.
            path: path of the file being edited; left out if it takes more than a quarter of the room.
            files: files of the same project; those nearest to the end get what the sides leave.
            steady: keep the cut in place while the user types; otherwise keep as much as fits.
        """
        text = prefix.removeprefix(fim.BYTE_ORDER_MARK)
        suffix = "" if layout == "ltr" else suffix
        control = 1 if layout == "ltr" else 4  # <bos>, three FIM tokens
        budget = max_length - fim.MIN_ROOM - control
        path_tokens = self.count(f"{path}\n") if path else 0
        if path_tokens > budget // 4:
            path, path_tokens = "", 0
        budget -= path_tokens
        prefix_tokens, suffix_tokens = self.count(text), self.count(suffix)
        step = fim.cut_step(budget, suffix_tokens) if steady else 1
        steady_tokens = wanted = self._steady_tokens(text, prefix_tokens, step)
        if prefix_tokens + suffix_tokens <= budget:
            wanted = prefix_tokens
        prefix_kept, suffix_kept = fim.share_budget(wanted, suffix_tokens, budget, step)
        tail = self._tail(text, wanted, prefix_kept, step)
        head = self._head(suffix, suffix_tokens, suffix_kept)
        room = budget - suffix_kept
        kept, trimmed_files = self._fitting(files, room - prefix_kept)
        if trimmed_files:
            # The whole prompt follows the files, so they shrink in whole steps, whatever the room.
            room -= min(room, fim.whole_steps(steady_tokens, fim.CUT_STEP if steady else 1))
            kept, trimmed_files = self._fitting(files, room)
        parts = fim.segments(tail, head, layout, path, kept)
        starts = {"prefix": len(prefix) - len(tail)}
        tokens = [PromptToken(self.bos_id, "<bos>", "bos")]
        for part in parts:
            if part.role == "control":
                tokens.append(PromptToken(self._control_ids[part.text], part.text, "control"))
            else:
                tokens += self._placed(part, starts.get(part.role, 0))
        return Prompt(
            tokens=tuple(tokens),
            segments=parts,
            trimmed_prefix_tokens=prefix_tokens - self.count(tail),
            trimmed_suffix_tokens=suffix_tokens - self.count(head),
            trimmed_context_tokens=trimmed_files,
        )

    def _steady_tokens(self, text: str, tokens: int, step: int) -> int:
        """Return the prefix's token count, with its last line counted as at least half a step.

        Half a word may have more tokens than the whole: a line being typed must not move the cut back and
        forth.
        """
        line = self.count(text.rpartition("\n")[2])
        return tokens + max(0, step // 2 - line)

    def _fitting(self, files: Sequence[fim.File], budget: int) -> tuple[list[fim.File], int]:
        """Return the files that fit, last ones first, and the number of tokens of their texts that do not."""
        kept: list[fim.File] = []
        trimmed = 0
        for file in reversed(files):
            whole = file.text.removeprefix(fim.BYTE_ORDER_MARK)
            tokens = self.count(whole)
            around = 1 + (self.count(f"{file.path}\n") if file.path else 0)
            text = self._tail(whole, tokens, min(tokens, max(0, budget - around)))
            left = self.count(text)
            trimmed += tokens - left
            if not left:
                budget = 0  # nor do files farther away
                continue
            budget -= around + left
            kept.insert(0, fim.File(file.path, text))
        return kept, trimmed

    def _placed(self, part: fim.Segment, start: int) -> list[PromptToken]:
        """Return the tokens of a side's text that begins at `start` of the side."""
        placed = []
        for token_id, length in self._lengths(part.text):
            text = self.token_text(token_id)
            placed.append(PromptToken(token_id, text, part.role, start, start + length))
            start += length
        return placed

    def cursor(self, token_ids: Sequence[int]) -> int:
        """Return where the middle belongs in a prompt's ids, in any layout: right after the prefix's
        tokens."""
        control = set(self._control_ids.values())
        if token_ids[-1] != self._control_ids[fim.FIM_MIDDLE]:  # left to right
            return len(token_ids)
        start = 1 + token_ids.index(self._control_ids[fim.FIM_PREFIX])
        return next(at for at in range(start, len(token_ids)) if token_ids[at] in control)

    def _tail(self, text: str, tokens: int, kept: int, step: int = 1) -> str:
        """Return the longest end of `text`, at most `kept` tokens, that starts after a multiple of `step`
        tokens."""
        if kept >= tokens:
            return text
        starts = self._token_starts(text)
        # Cut text is re-encoded, and may merge differently at the cut: then cut more.
        for first in range(fim.whole_steps(tokens - kept, step), len(starts), step):
            tail = text[starts[first] :]
            if self.count(tail) <= kept:
                return tail
        return ""

    def _head(self, text: str, tokens: int, kept: int) -> str:
        """Return the longest start of `text` that ends at a token boundary, at most `kept` tokens."""
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
        """Return each token's first character; all bytes of one character share it."""
        starts: list[int] = []
        characters = 0
        for _, length in self._lengths(text):
            starts.append(characters)
            characters += length
        return starts

    def _lengths(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield each token's id and how many characters it completes."""
        for part in _parts(text):
            if part == _SPACE:
                *first, last = self._block_ids
                yield from ((token_id, 0) for token_id in first)
                yield last, 1
                continue
            ids = self._pieces.encode(part)
            lengths = self._completed(ids)
            if sum(lengths) == len(part):
                yield from zip(ids, lengths, strict=True)
            else:  # a vocabulary that changes text; this takes twice as long
                for token in self._pieces.encode(part, return_type="proto").pieces:
                    yield token.id, len(token.surface)

    def _completed(self, token_ids: Sequence[int]) -> list[int]:
        """Return how many characters each token completes, of a text that it spells exactly."""
        utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        lengths = []
        for token_id in token_ids:
            length = self._characters.get(token_id)
            if length is None:
                is_byte = self._pieces.is_byte(token_id)
                length = self._characters[token_id] = (
                    -1 if is_byte else len(self.token_text(token_id))
                )
            lengths.append(len(utf8.decode(self.token_bytes(token_id))) if length < 0 else length)
        return lengths

    def token_text(self, token_id: int) -> str:
        """Return a token's display text; `<0xEA>` for a lone byte, its name for a control token."""
        text = self._texts.get(token_id)
        if text is None:
            text = str(self._pieces.id_to_piece(token_id)).replace(_SPACE, " ")
            self._texts[token_id] = text
        return text

    def id_of(self, text: str) -> int | None:
        """Return the token with this `token_text`, or None."""
        token_id: int = self._pieces.piece_to_id(text.replace(" ", _SPACE))
        return None if self._pieces.is_unknown(token_id) else token_id

    def token_bytes(self, token_id: int) -> bytes:
        """Return a token's UTF-8 bytes; for a byte token, that byte."""
        text = self.token_text(token_id)
        if self._pieces.is_byte(token_id):
            return bytes([int(text[1:-1], base=16)])
        return text.encode()

    def decode(self, token_ids: Iterable[int]) -> str:
        """Return the text of ids; invalid UTF-8 becomes U+FFFD."""
        decoder = self.text_decoder()
        return "".join([*map(decoder.feed, token_ids), decoder.flush()])

    def text_decoder(self) -> TextDecoder:
        """Return a decoder for a stream of ids."""
        return TextDecoder(self)


def _parts(text: str) -> Iterator[str]:
    """Yield what is encoded separately: see `fim.defuse`; and each U+2581 by itself."""
    for piece in fim.defuse(text):
        yield from filter(None, _BLOCK.split(piece))


class TextDecoder:
    """Incremental ids-to-text decoder that yields whole characters: Korean and emoji arrive byte by byte."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, token_id: int) -> str:
        """Return the characters that this token completes, often none."""
        return self._utf8.decode(self._vocabulary.token_bytes(token_id))

    def flush(self) -> str:
        """Return the rest at the end: U+FFFD for an incomplete character."""
        return self._utf8.decode(b"", final=True)
