"""CodeGemma's fill-in-the-middle format: tokens, layouts, trimming, extraction, splicing.

Pure: strings and integers in, strings and integers out. Tokenisation is in `vocabulary`, generation in
`workers/keras`. The package imports `errors` only.

Sources: the CodeGemma report (https://arxiv.org/abs/2406.11409, section 2.1 and figures 2 to 4) and Google's
quickstart (https://ai.google.dev/gemma/docs/codegemma/keras_quickstart). The SPM order is llama.cpp's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
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
"""Order of a prompt: prefix, suffix, middle; suffix, prefix, middle; or left to right, which is the prefix
alone, without control tokens, as for a model not trained on suffixes."""

LAYOUTS: tuple[Layout, ...] = get_args(Layout)
FIM_LAYOUTS: tuple[Layout, ...] = ("psm", "spm")

Role = Literal["control", "path", "context", "prefix", "suffix"]

BYTE_ORDER_MARK = "\ufeff"
"""Written by some editors at the start of a file to mark its encoding. It is not part of the text."""

MIN_ROOM = 16
"""Tokens always kept free for the middle, however long the context is."""

MIN_MAX_LENGTH = 32
"""Minimum `max_length`: bos and three control tokens, 12 tokens of context, `MIN_ROOM` for the middle."""

DEFAULT_MAX_LENGTH = 128

MAX_SIDE_CHARACTERS = 200_000
"""Maximum length of prefix or suffix, in characters."""

SUFFIX_SHARE = 0.25
"""Share of the context that the suffix keeps if both sides are too long: code depends more on what precedes
it."""

CUT_STEP = 64
"""Tokens by which a cut moves while the user types: each move invalidates the prefix cache from the cut
on."""


PREFILLED_ANEW = 56
"""Maximum tokens that a prefix keeps if its cut moves before `CUT_STEP` tokens were typed: all of them are
prefilled again, with the control tokens around them and at most `CUT_STEP` typed tokens."""


@dataclass(frozen=True)
class File:
    """A file of the same project, shown to the model before the one being edited."""

    path: str
    text: str


@dataclass(frozen=True)
class Segment:
    """A run of prompt text with one role."""

    role: Role
    text: str


def segments(
    prefix: str,
    suffix: str,
    layout: Layout = "psm",
    path: str = "",
    files: Sequence[File] = (),
) -> tuple[Segment, ...]:
    """Arrange a prefix and a suffix in the order the model was trained on, with nothing between token and
    text.

    Args:
        prefix: the text before the cursor.
        suffix: the text after the cursor.
        layout: one of `LAYOUTS`.
        path: path of the file being edited; placed on a line before it.
        files: files of the same project; each precedes it, with its path, and ends in the file separator.

    Returns:
        The segments from the first control token to `<|fim_middle|>`, with any path and files before them;
        without `<bos>`.
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


@dataclass(frozen=True)
class Sides:
    """What a prompt is made of: the arguments of `segments`, but for the layout."""

    prefix: str = ""
    suffix: str = ""
    path: str = ""
    files: tuple[File, ...] = ()


def sides_of(parts: Iterable[Segment]) -> Sides:
    """Read the segments of a prompt back, as far as it kept them; the inverse of `segments`."""
    sides = {"prefix": "", "suffix": ""}
    files: list[File] = []
    path = ""
    for part in parts:
        if part.role == "path":
            path = part.text.removesuffix("\n")
        elif part.role == "context":
            files.append(File(path, part.text))
            path = ""
        elif part.role in sides:
            sides[part.role] = part.text
    return Sides(**sides, path=path, files=tuple(files))


def _headed(path: str) -> tuple[Segment, ...]:
    return (Segment("path", f"{path}\n"),) if path else ()


def text_of(parts: Sequence[Segment]) -> str:
    """Join segments to the prompt as one string."""
    return "".join(part.text for part in parts)


def cut_step(budget: int, suffix_tokens: int = 0) -> int:
    """Return the number of tokens by which a prefix's cut moves: `CUT_STEP`, or fewer with little room.

    At least a power of two that is at most a quarter of the budget; and enough that what is kept after a
    move, which is prefilled again, is at most `PREFILLED_ANEW`.

    Args:
        budget: tokens that both sides may use together.
        suffix_tokens: number of tokens of the whole suffix.
    """
    step = CUT_STEP
    while step > max(1, budget // 4):
        step //= 2
    room = budget - min(suffix_tokens, int(budget * SUFFIX_SHARE))
    return max(step, min(CUT_STEP, room - PREFILLED_ANEW))


def whole_steps(tokens: int, step: int) -> int:
    """Return the smallest multiple of `step` that is at least `tokens`."""
    return -(-tokens // step) * step


def share_budget(
    prefix_tokens: int, suffix_tokens: int, budget: int, step: int = 1
) -> tuple[int, int]:
    """Decide how many tokens each side may keep.

    Args:
        prefix_tokens: number of tokens of the whole prefix.
        suffix_tokens: number of tokens of the whole suffix.
        budget: tokens that both may use together, at least 0.
        step: tokens by which the prefix may grow before the suffix keeps fewer.

    Returns:
        Tokens of the prefix's tail and of the suffix's head, together at most `budget`. A side that needs
        less than its share leaves the rest to the other.
    """
    if prefix_tokens + suffix_tokens <= budget:
        return prefix_tokens, suffix_tokens
    suffix_share = int(budget * SUFFIX_SHARE)
    left = budget - whole_steps(prefix_tokens, step)
    suffix_kept = min(suffix_tokens, max(suffix_share, left))
    return min(prefix_tokens, budget - suffix_kept), suffix_kept


def extract(token_ids: Sequence[int], stop_ids: Collection[int]) -> tuple[list[int], int | None]:
    """Extract the middle from generated token ids.

    Extraction on text fails: `str.find` returns -1 if there is no stop token, and a slice to -1 loses the
    last character.

    Args:
        token_ids: generated ids.
        stop_ids: ids that end a middle.

    Returns:
        The ids before the first stop token, and that token, or None if there is none.
    """
    for index, token_id in enumerate(token_ids):
        if token_id in stop_ids:
            return list(token_ids[:index]), token_id
    return list(token_ids), None


def splice(prefix: str, middle: str, suffix: str) -> str:
    """Return the program, byte for byte: nothing is added, stripped or normalised."""
    return prefix + middle + suffix


_CONTROL_PATTERN = re.compile("|".join(map(re.escape, CONTROL_TOKENS)))


def defuse(text: str) -> list[str]:
    """Split text so that control-token names typed by the user stay text.

    A SentencePiece vocabulary turns the characters of `<|fim_middle|>` into the control token anywhere.
    Encoding the name in two halves keeps it text.

    Returns:
        Pieces that join to `text`; none contains a whole control-token name.
    """
    cuts = [match.start() + 1 for match in _CONTROL_PATTERN.finditer(text)]
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
