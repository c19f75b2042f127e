"""Prompts of an exact length: a window of real code, cut at a cursor, as token ids.

Every subject gets the same ids. Two windows of one length begin at different places, so that a prefix cache
does not help across prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codegemma_ui import fim
from codegemma_ui.fim.vocabulary import Vocabulary

TEXTS = Path(__file__).parent / "texts"
CURSOR = "<CURSOR>"

CONTROL_TOKENS = 4
"""`<bos>` and three FIM tokens, in every prompt."""

_STEP = 37  # tokens between two windows; coprime to common text lengths


@dataclass(frozen=True)
class Prompt:
    """One prompt, as text and as ids.

    Attributes:
        prefix: the text before the cursor.
        suffix: the text after it.
        layout: the order of the ids.
        token_ids: `<bos>` first.
    """

    prefix: str
    suffix: str
    layout: fim.Layout
    token_ids: tuple[int, ...]


class Prompts:
    """Cuts prompts for one vocabulary.

    Args:
        vocabulary: of the measured preset.

    Attributes:
        stop_ids: the tokens that end a middle.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.stop_ids = vocabulary.stop_ids
        self._code = vocabulary.encode((TEXTS / "lending.txt").read_text(encoding="utf-8"))

    def window(self, length: int, variant: int) -> tuple[int, ...]:
        """Return a prompt of exactly `length` tokens, three quarters of them before the cursor.

        Args:
            length: in tokens, control tokens included; from 8 up.
            variant: index of the window; two variants start differently.

        Raises:
            ValueError: the text is not that long.
        """
        before, after = self._sides(length, variant)
        control = self._vocabulary.control_id
        return (
            self._vocabulary.bos_id,
            *(control(fim.FIM_PREFIX), *before),
            *(control(fim.FIM_SUFFIX), *after),
            control(fim.FIM_MIDDLE),
        )

    def window_text(self, length: int, variant: int) -> Prompt:
        """Return the same window as text; its ids are those of the text encoded again."""
        before, after = self._sides(length, variant)
        return self.of_text(self._vocabulary.decode(before), self._vocabulary.decode(after))

    def of_text(self, prefix: str, suffix: str, layout: fim.Layout = "psm") -> Prompt:
        """Return a prompt of two whole texts."""
        most = (
            len(prefix.encode()) + len(suffix.encode()) + CONTROL_TOKENS
        )  # at most one token per byte
        prompt = self._vocabulary.prompt(prefix, suffix, most + fim.MIN_ROOM, layout)
        return Prompt(prefix, suffix, layout, prompt.token_ids)

    def copies(self) -> list[Prompt]:
        """Return prompts with table rows, handlers, similar functions: the middle is mostly in the prefix."""
        text = (TEXTS / "copies.txt").read_text(encoding="utf-8")
        pieces = (piece.split(f"{CURSOR}\n") for piece in text.split("<NEXT>\n"))
        return [self.of_text(prefix, suffix) for prefix, suffix in pieces]

    def _sides(self, length: int, variant: int) -> tuple[list[int], list[int]]:
        wanted = length - CONTROL_TOKENS
        starts = len(self._code) - wanted
        if wanted < 4 or starts < 1:
            raise ValueError(
                f"A window must have from {CONTROL_TOKENS + 4} to "
                f"{len(self._code) + CONTROL_TOKENS - 1} tokens. Received: {length}"
            )
        start = variant * _STEP % starts
        window = self._code[start : start + wanted]
        cursor = wanted - wanted // 4
        return window[:cursor], window[cursor:]


def common_start(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the length of the common prefix of two sequences."""
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return index
    return min(len(one), len(other))
