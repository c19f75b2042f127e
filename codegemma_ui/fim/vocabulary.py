"""Text to token ids and back, with the preset's own SentencePiece vocabulary and no Keras.

The page counts tokens with it in every state of the engine, and the worker tokenises with it on every
backend; a test holds its ids equal to KerasHub's tokenizer.
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
"""Where a KerasHub preset keeps it."""

TOKENIZER_MODEL = Path("tokenizer.model")
"""The same file in a folder in transformers' format."""


def vocabulary_file(folder: Path) -> Path:
    """The SentencePiece vocabulary of a preset's folder; where there is none, where KerasHub keeps it."""
    theirs = Path(folder) / TOKENIZER_MODEL
    return theirs if theirs.is_file() else Path(folder) / VOCABULARY_FILE


_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # SentencePiece writes a space as U+2581
_BLOCK = re.compile(f"({_SPACE})")


@dataclass(frozen=True)
class PromptToken:
    """One token of a prompt.

    Attributes:
        id: in the vocabulary.
        piece: as `Vocabulary.token_text` writes it.
        role: "bos", or its segment's.
        start, end: the characters that it stands for, of its side as a person gave it, or of its segment;
            equal for control tokens and for all but the last of the bytes of one character.
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
        tokens: all of it, `<bos>` first and `<|fim_middle|>` last.
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
        """The ids alone."""
        return tuple(token.id for token in self.tokens)

    @property
    def trimmed(self) -> bool:
        """Whether anything was cut to fit."""
        cut = (self.trimmed_prefix_tokens, self.trimmed_suffix_tokens, self.trimmed_context_tokens)
        return cut != (0, 0, 0)

    @property
    def text(self) -> str:
        """From the first control token to `<|fim_middle|>`."""
        return fim.text_of(self.segments)


class NotForFim(ValueError):
    """A vocabulary in which a control token is missing or is not one token."""


class Request(Protocol):
    """What a prompt is made of, as `ipc.messages.CompletionRequest` has it."""

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
    """A preset's vocabulary.

    Args:
        preset_folder: a local KerasHub preset.

    Raises:
        ValueError: there is none, or it is `NotForFim`.
    """

    def __init__(self, preset_folder: Path) -> None:
        path = vocabulary_file(preset_folder)
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
        self._block_ids = self._spelled(_SPACE)

    def _resolve(self, name: str) -> int:
        token_id: int = self._pieces.piece_to_id(name)
        if self._pieces.is_unknown(token_id) or self._pieces.encode(name) != [token_id]:
            raise NotForFim(
                f"A fill-in-the-middle vocabulary has {name} as one token. "
                f"Received: {self._pieces.encode(name)}"
            )
        return token_id

    def _spelled(self, character: str) -> list[int]:
        """A character's bytes, one token each; where the vocabulary has none, what SentencePiece makes."""
        ids = [self._pieces.piece_to_id(f"<0x{byte:02X}>") for byte in character.encode()]
        spelled = all(map(self._pieces.is_byte, ids))
        return ids if spelled else list(self._pieces.encode(character))

    @cached_property
    def stop_ids(self) -> frozenset[int]:
        """The ids that end a middle: the FIM tokens, the file separator and `<eos>`."""
        return frozenset((*self._control_ids.values(), self.eos_id))

    def control_id(self, name: str) -> int:
        """The id of one of `fim.FIM_TOKENS`."""
        return self._control_ids[name]

    def encode(self, text: str) -> list[int]:
        """Token ids of a person's text, which `decode` gives back.

        Control-token names in it stay text, and so does U+2581, which SentencePiece, and KerasHub with it,
        would read as a space: it is written by its bytes.
        """
        return [
            token_id
            for part in _parts(text)
            for token_id in (self._block_ids if part == _SPACE else self._pieces.encode(part))
        ]

    def count(self, text: str) -> int:
        """How many tokens a person's text has."""
        return len(self.encode(text))

    def prompt_of(self, request: Request) -> Prompt:
        """The prompt that a request makes."""
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

        While a person types at the cursor, what is cut stays the same for `fim.cut_step` tokens, so that the
        prefix cache still serves: a multiple of it is cut from the prefix, counted from its beginning, which
        typing leaves alone; and the prefix takes from the suffix and from the files in such steps only.

        A byte-order mark at the head of the prefix or of a file is no part of its text: models are trained
        on texts without one.

        Args:
            prefix: the text before the cursor.
            suffix: the text after the cursor.
            max_length: prompt and middle together, in tokens; at least `fim.MIN_MAX_LENGTH`.
            layout: the order of the two sides; in "ltr" the suffix has no part.
            path: of the file that is being written; left out where it takes more than a quarter of the room.
            files: of the same project; those nearest to the end get what the sides leave.
            steady: keep the cut where it is while a person types; else keep as much as fits.
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
            # All of the prompt stands after the files: they give way in whole steps, whatever the room.
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
        """The tokens of a prefix, its last line counted as half a step at least.

        Half a word may have more tokens than the whole: a line that is being typed is not to move the cut,
        and back.
        """
        line = self.count(text.rpartition("\n")[2])
        return tokens + max(0, step // 2 - line)

    def _fitting(self, files: Sequence[fim.File], budget: int) -> tuple[list[fim.File], int]:
        """What fits of the files, the last ones first, and how many tokens of their texts do not."""
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
                budget = 0  # what stands farther away stays away too
                continue
            budget -= around + left
            kept.insert(0, fim.File(file.path, text))
        return kept, trimmed

    def _placed(self, part: fim.Segment, start: int) -> list[PromptToken]:
        """The tokens of a side's text, which begins at `start` of the side."""
        placed = []
        for token_id, length in self._lengths(part.text):
            text = self.token_text(token_id)
            placed.append(PromptToken(token_id, text, part.role, start, start + length))
            start += length
        return placed

    def cursor(self, token_ids: Sequence[int]) -> int:
        """Where the middle belongs in a prompt's ids, whatever its order: right after the prefix's."""
        control = set(self._control_ids.values())
        if token_ids[-1] != self._control_ids[fim.FIM_MIDDLE]:  # left to right
            return len(token_ids)
        start = 1 + token_ids.index(self._control_ids[fim.FIM_PREFIX])
        return next(at for at in range(start, len(token_ids)) if token_ids[at] in control)

    def _tail(self, text: str, tokens: int, kept: int, step: int = 1) -> str:
        """The longest end of `text`, `kept` tokens at most, that starts after a multiple of `step` tokens."""
        if kept >= tokens:
            return text
        starts = self._token_starts(text)
        # Cut text is encoded anew, and a merge may fall differently at the cut: then cut more.
        for first in range(fim.whole_steps(tokens - kept, step), len(starts), step):
            tail = text[starts[first] :]
            if self.count(tail) <= kept:
                return tail
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
        for _, length in self._lengths(text):
            starts.append(characters)
            characters += length
        return starts

    def _lengths(self, text: str) -> Iterator[tuple[int, int]]:
        """Each token's id and how many characters it completes."""
        for part in _parts(text):
            if part == _SPACE:
                *first, last = self._block_ids
                yield from ((token_id, 0) for token_id in first)
                yield last, 1
                continue
            for token in self._pieces.encode(part, return_type="proto").pieces:
                yield token.id, len(token.surface)

    def token_text(self, token_id: int) -> str:
        """A token as a person reads it; a lone byte reads `<0xEA>`, a control token its name."""
        text = self._texts.get(token_id)
        if text is None:
            text = str(self._pieces.id_to_piece(token_id)).replace(_SPACE, " ")
            self._texts[token_id] = text
        return text

    def id_of(self, text: str) -> int | None:
        """The token that `token_text` writes so; None where there is none."""
        token_id: int = self._pieces.piece_to_id(text.replace(" ", _SPACE))
        return None if self._pieces.is_unknown(token_id) else token_id

    def token_bytes(self, token_id: int) -> bytes:
        """What a token stands for, in UTF-8; of a byte that byte."""
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


def _parts(text: str) -> Iterator[str]:
    """What is encoded apart from the rest: see `fim.defuse`; and each U+2581 by itself."""
    for piece in fim.defuse(text):
        yield from filter(None, _BLOCK.split(piece))


class TextDecoder:
    """Ids to text as they arrive, in whole characters: Korean and emoji come byte by byte."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, token_id: int) -> str:
        """The characters that this token completes, often none."""
        return self._utf8.decode(self._vocabulary.token_bytes(token_id))

    def flush(self) -> str:
        """What is left at the end: U+FFFD for a character that never became whole."""
        return self._utf8.decode(b"", final=True)
