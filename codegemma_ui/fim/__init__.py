"""Fill-in-the-middle as CodeGemma speaks it: tokens, layouts, trimming, extraction, splice.

Pure: strings and integers in, strings and integers out. Nothing here knows how text becomes token ids
(that is `vocabulary`) or how ids become more ids (that is `workers/keras`). The room imports `errors` alone.

Sources: the CodeGemma report (https://arxiv.org/abs/2406.11409, section 2.1 and figures 2 to 4) and
Google's quickstart (https://ai.google.dev/gemma/docs/codegemma/keras_quickstart). The SPM order is the
one llama.cpp writes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

FIM_PREFIX = "<|fim_prefix|>"
FIM_SUFFIX = "<|fim_suffix|>"
FIM_MIDDLE = "<|fim_middle|>"
FILE_SEPARATOR = "<|file_separator|>"
START_OF_TURN = "<start_of_turn>"
END_OF_TURN = "<end_of_turn>"

FIM_TOKENS = (FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE, FILE_SEPARATOR)
CONTROL_TOKENS = (*FIM_TOKENS, START_OF_TURN, END_OF_TURN)

Layout = Literal["psm", "spm", "ltr"]
"""The order of a prompt: prefix, suffix, middle; suffix, prefix, middle; or left to right, which is the
prefix alone, without a control token, as for a model that knows no suffix."""

LAYOUTS: tuple[Layout, ...] = get_args(Layout)
FIM_LAYOUTS: tuple[Layout, ...] = ("psm", "spm")

Role = Literal["control", "path", "context", "prefix", "suffix"]

BYTE_ORDER_MARK = "\ufeff"
"""What some editors write at the head of a file to tell its encoding. It is no part of the text."""

MIN_ROOM = 16
"""Tokens that always stay free for the middle, however long the context is."""

MIN_MAX_LENGTH = 32
"""The least `max_length`: bos and three control tokens, 12 tokens of context, `MIN_ROOM` for the middle."""

DEFAULT_MAX_LENGTH = 128

MAX_SIDE_CHARACTERS = 200_000
"""The longest prefix or suffix that is taken, in characters."""

SUFFIX_SHARE = 0.25
"""The part of the context that the suffix keeps when both sides are too long: code depends more on what
stands before it."""

CUT_STEP = 64
"""Tokens by which a cut moves while a person types: at each move, nothing after it is in the prefix cache."""


PREFILLED_ANEW = 56
"""Tokens that a prefix keeps at most where its cut moves before `CUT_STEP` tokens were typed: all of them are
prefilled then, with the control tokens around them and what is typed at most `CUT_STEP`."""


@dataclass(frozen=True)
class File:
    """A file of the same project, shown to the model before the one that is being written."""

    path: str
    text: str


@dataclass(frozen=True)
class Segment:
    """A run of prompt text that plays one role."""

    role: Role
    text: str


def segments(
    prefix: str,
    suffix: str,
    layout: Layout = "psm",
    path: str = "",
    files: Sequence[File] = (),
) -> tuple[Segment, ...]:
    """Put a prefix and a suffix in the order the model was trained on, nothing between token and text.

    Args:
        prefix: the text before the cursor.
        suffix: the text after the cursor.
        layout: one of `LAYOUTS`.
        path: of the file that is being written; stands on a line before it.
        files: of the same project; each stands before, with its path, and ends in the file separator.

    Returns:
        The segments from the first control token to `<|fim_middle|>`, with what stands before them; `<bos>`
        is not among them.
    """
    parts: list[Segment] = []
    for file in files:
        parts += _headed(file.path)
        parts += (Segment("context", file.text), Segment("control", FILE_SEPARATOR))
    parts += _headed(path)
    if layout == "ltr":
        return (*parts, Segment("prefix", prefix))
    before = (Segment("control", FIM_PREFIX), Segment("prefix", prefix))
    after = (Segment("control", FIM_SUFFIX), Segment("suffix", suffix))
    sides = (*before, *after) if layout == "psm" else (*after, *before)
    return (*parts, *sides, Segment("control", FIM_MIDDLE))


def _headed(path: str) -> tuple[Segment, ...]:
    return (Segment("path", f"{path}\n"),) if path else ()


def text_of(parts: Sequence[Segment]) -> str:
    """The prompt as one string."""
    return "".join(part.text for part in parts)


def cut_step(budget: int, suffix_tokens: int = 0) -> int:
    """Return the tokens by which the cut of a prefix moves: `CUT_STEP`, or fewer where the room is small.

    At least a power of two that is a quarter of the budget at most; and so many that what is kept after a
    move, which is prefilled anew, is `PREFILLED_ANEW` at most.

    Args:
        budget: tokens that both sides may use together.
        suffix_tokens: tokens of the whole suffix.
    """
    step = CUT_STEP
    while step > max(1, budget // 4):
        step //= 2
    room = budget - min(suffix_tokens, int(budget * SUFFIX_SHARE))
    return max(step, min(CUT_STEP, room - PREFILLED_ANEW))


def whole_steps(tokens: int, step: int) -> int:
    """The least multiple of `step` that holds so many tokens."""
    return -(-tokens // step) * step


def share_budget(
    prefix_tokens: int, suffix_tokens: int, budget: int, step: int = 1
) -> tuple[int, int]:
    """Decide how many tokens each side may keep.

    Args:
        prefix_tokens: tokens of the whole prefix.
        suffix_tokens: tokens of the whole suffix.
        budget: tokens that both may use together, at least 0.
        step: tokens by which the prefix may grow before the suffix keeps fewer.

    Returns:
        Tokens of the prefix's tail and of the suffix's head, together at most `budget`. A side that
        needs less than its share leaves the rest to the other.
    """
    if prefix_tokens + suffix_tokens <= budget:
        return prefix_tokens, suffix_tokens
    suffix_share = int(budget * SUFFIX_SHARE)
    left = budget - whole_steps(prefix_tokens, step)
    suffix_kept = min(suffix_tokens, max(suffix_share, left))
    return min(prefix_tokens, budget - suffix_kept), suffix_kept


def extract(token_ids: Sequence[int], stop_ids: Collection[int]) -> tuple[list[int], int | None]:
    """Cut the middle out of what was generated, on token ids.

    Text is the wrong place to look: `str.find` answers -1 where no stop token came, and a slice to -1
    loses the last character.

    Args:
        token_ids: the generated ids.
        stop_ids: the ids that end a middle.

    Returns:
        The ids before the first stop token, and that token, or None where none came.
    """
    for index, token_id in enumerate(token_ids):
        if token_id in stop_ids:
            return list(token_ids[:index]), token_id
    return list(token_ids), None


def splice(prefix: str, middle: str, suffix: str) -> str:
    """The program, byte for byte: nothing is added, stripped or normalised."""
    return prefix + middle + suffix


_CONTROL_PATTERN = re.compile("|".join(map(re.escape, CONTROL_TOKENS)))


def defuse(text: str) -> list[str]:
    """Split text so that control-token names typed by a person stay text.

    A SentencePiece vocabulary turns the characters of `<|fim_middle|>` into the control token wherever
    they stand. Encoding the name in two halves keeps it text.

    Returns:
        Pieces that join to `text`; none contains a whole control-token name.
    """
    cuts = [match.start() + 1 for match in _CONTROL_PATTERN.finditer(text)]
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
