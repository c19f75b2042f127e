"""Checks of the text around the cursor for problems that mislead a model, with fixes.

A model reads tokens, but a user splits text. Where the two disagree (a space that belongs to the next word's
token, a name cut in half, a suffix that repeats the end of the prefix) the middle suffers, with no visible
cause. Pure: texts and a vocabulary in, findings out. Positions are character offsets in a side, as in
`vocabulary.PromptToken`. Nothing here changes a text: a fix is a list of edits for the caller to apply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import gcd
from typing import Literal, get_args

from codegemma_ui import fim
from codegemma_ui.fim import invisible
from codegemma_ui.fim.tokenizers import BLOCK
from codegemma_ui.fim.vocabulary import Prompt, Vocabulary

Kind = Literal[
    "trailing_space",
    "trailing_blanks",
    "carriage_returns",
    "crlf",
    "inside_name",
    "mixed_indentation",
    "invisible",
    "control_text",
    "whole_prompt",
    "blocks",
    "repeated",
    "empty_suffix",
    "trimmed",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

Severity = Literal["warning", "note", "fine"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""Likely to spoil the middle; worth knowing; looks wrong but is fine."""

Side = Literal["prefix", "suffix"]

MOST_EDITS = 500
"""A fix with more edits than this is not offered."""

LEAST_REPEATED = 4
"""Minimum non-blank characters for a repeated text to be reported."""

COMFORTABLE_ROOM = 64
"""Tokens for the middle that a raised `max_length` leaves, if the model's context allows."""

_NEAR = 1_000  # characters examined on either side of the cursor
_WORDS = ("self", "x", "return", "1")  # what may follow a space
_CONTROL = re.compile("|".join(map(re.escape, fim.CONTROL_TOKENS)))
_INDENTATION = re.compile(r"^[ \t]++(?=\S|\Z)", re.MULTILINE)
_UNITS = (2, 3)  # beside 4; 8 on all lines is two steps


@dataclass(frozen=True)
class Place:
    """Characters `start` to `end` of a side, `end` excluded."""

    side: Side
    start: int
    end: int


@dataclass(frozen=True)
class Edit:
    """Replacement of characters of a side."""

    side: Side
    start: int
    end: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding to show to the user.

    Attributes:
        severity: see `SEVERITIES`.
        places: where it is, the first one first; empty if it concerns the whole.
        edits: the fix, each edit on the original text, without overlaps; empty if there is none.
        max_length: alternative fix, in tokens; None if it does not apply.
        facts: values for its description.
    """

    kind: Kind
    severity: Severity
    places: tuple[Place, ...] = ()
    edits: tuple[Edit, ...] = ()
    max_length: int | None = None
    facts: Mapping[str, str | int] = field(default_factory=dict)


def check(
    prefix: str,
    suffix: str,
    vocabulary: Vocabulary,
    *,
    layout: fim.Layout = "psm",
    trained: bool = True,
    ending: str = "LF",
) -> list[Finding]:
    """Check the edges of the two texts.

    Args:
        prefix: the text before the cursor.
        suffix: the text after the cursor.
        vocabulary: vocabulary of the model.
        layout: order of the prompt.
        trained: whether the model was trained to fill in prompts of that order. Whole texts, as in training
            with "ltr", never end inside a word's token; texts with holes end anywhere (Bavarian et al. 2022,
            https://arxiv.org/abs/2207.14255, section 3; the CodeGemma report, 2.1).
        ending: line ending of the program, "LF" or "CRLF", if the texts hold LF.

    Returns:
        Warnings first, then notes, then what is fine; empty for two empty texts.
    """
    fills_in = trained and layout != "ltr"
    reads_suffix = layout != "ltr"
    found = [
        *_blanks_before(prefix, vocabulary, fills_in),
        *_carriage_returns(prefix, suffix, ending),
        *(_inside_name(prefix, suffix, vocabulary) if reads_suffix else ()),
        *_mixed_indentation(prefix, suffix),
        *_invisible(prefix, suffix),
        *_control_text(prefix, suffix),
        *_blocks(prefix, suffix),
        *(_repeated(prefix, suffix) if reads_suffix else ()),
        *(_empty_suffix(prefix, suffix) if reads_suffix else ()),
    ]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def apply(edits: Sequence[Edit], side: Side, text: str) -> str:
    """Apply edits to a side's text."""
    for edit in sorted((one for one in edits if one.side == side), key=lambda one: -one.start):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


# The cursor


def _blanks_before(prefix: str, vocabulary: Vocabulary, fills_in: bool) -> Iterator[Finding]:
    """Blanks between the last word and the cursor: in running text a word's token includes its leading
    space."""
    line = _last_line(prefix)
    blanks = line[len(line.rstrip(" \t")) :]
    if not blanks:
        return
    place = Place("prefix", len(prefix) - len(blanks), len(prefix))
    if _splits(line, vocabulary):
        yield Finding(
            kind="trailing_space",
            severity="fine" if fills_in else "warning",
            places=(place,),
            edits=() if fills_in else (Edit("prefix", place.start, place.end, ""),),
        )
    elif len(blanks) > 1 and line.strip():
        yield Finding(
            kind="trailing_blanks",
            severity="note",
            places=(place,),
            edits=(Edit("prefix", place.start, place.end, " "),),
            facts={"count": len(blanks)},
        )


def _last_line(text: str) -> str:
    """Return the last line, or its end if it is very long."""
    return text[max(text.rfind("\n") + 1, len(text) - _NEAR) :]


def _splits(line: str, vocabulary: Vocabulary) -> bool:
    """Return whether the end of a line splits a token that a following word would share."""
    tokens = vocabulary.encode(line)
    return any(
        vocabulary.encode(line + word) != tokens + vocabulary.encode(word) for word in _WORDS
    )


def _inside_name(prefix: str, suffix: str, vocabulary: Vocabulary) -> Iterator[Finding]:
    before, after = re.match(r"\w+", prefix[: -_NEAR - 1 : -1]), re.match(r"\w+", suffix[:_NEAR])
    if not before or not after or not (before[0][::-1] + after[0]).isidentifier():
        return
    head, tail = before[0][::-1], after[0]
    line = _last_line(prefix)
    whole = vocabulary.encode(line + tail)
    cut = whole != vocabulary.encode(line) + vocabulary.encode(tail)
    end = len(prefix)
    yield Finding(
        kind="inside_name",
        severity="warning" if cut else "note",
        places=(Place("prefix", end - len(head), end), Place("suffix", 0, len(tail))),
        edits=(Edit("prefix", end, end, tail), Edit("suffix", 0, len(tail), "")),
        facts={"name": head + tail, "head": head, "tail": tail},
    )


def _repeated(prefix: str, suffix: str) -> Iterator[Finding]:
    """The longest text that both ends the prefix and begins the suffix."""
    end, start = prefix[-_NEAR:], suffix[:_NEAR]
    for length in range(min(len(end), len(start)), LEAST_REPEATED - 1, -1):
        if end.endswith(start[:length]):
            break
    else:
        return
    text = start[:length]
    if len("".join(text.split())) < LEAST_REPEATED or not re.search(r"[^\W\d_]", text):
        return
    yield Finding(
        kind="repeated",
        severity="warning",
        places=(Place("prefix", len(prefix) - length, len(prefix)), Place("suffix", 0, length)),
        edits=(Edit("suffix", 0, length, ""),),
        facts={"text": text.strip().split("\n")[0]},
    )


def _empty_suffix(prefix: str, suffix: str) -> Iterator[Finding]:
    if prefix.strip() and not suffix.strip():
        yield Finding(kind="empty_suffix", severity="note")


# The texts


def _carriage_returns(prefix: str, suffix: str, ending: str) -> Iterator[Finding]:
    places, edits = [], []
    for side, text in _sides(prefix, suffix):
        for match in re.finditer(r"\r\n?", text):
            places.append(Place(side, match.start(), match.start() + 1))
            edits.append(Edit(side, match.start(), match.end(), "\n"))
    if places:
        yield Finding(
            kind="carriage_returns",
            severity="warning",
            places=tuple(places[:MOST_EDITS]),
            edits=_offered(edits),
            facts={"count": len(places)},
        )
    elif ending == "CRLF" and (prefix or suffix):
        yield Finding(kind="crlf", severity="fine")


def _mixed_indentation(prefix: str, suffix: str) -> Iterator[Finding]:
    """Lines indented with tabs among lines indented with spaces; the more common kind is kept."""
    lines = [
        (Place(side, match.start(), match.end()), match[0])
        for side, text in _sides(prefix, suffix)
        for match in _INDENTATION.finditer(text)
        if side == "prefix" or match.start() > 0 or prefix[-1:] in ("", "\n")
    ]
    tabbed = sum(indent.startswith("\t") for _, indent in lines)
    keeps_tabs = tabbed > len(lines) - tabbed
    unit = _unit([indent for _, indent in lines if "\t" not in indent])
    places, edits = [], []
    for place, indent in lines:
        width = len(indent.expandtabs(unit))
        if keeps_tabs:
            kept = "\t" * (width // unit) + " " * (width % unit)
            differs = indent.startswith(" ") or " \t" in indent
        else:
            kept, differs = " " * width, "\t" in indent
        if differs:
            places.append(place)
            edits.append(Edit(place.side, place.start, place.end, kept))
    if places:
        yield Finding(
            kind="mixed_indentation",
            severity="warning",
            places=tuple(places[:MOST_EDITS]),
            edits=_offered(edits),
            facts={"count": len(places), "kept": "tabs" if keeps_tabs else "spaces", "unit": unit},
        )


def _unit(indents: Sequence[str]) -> int:
    """Return the spaces per indentation step: a divisor of all lines' indents, if a usual one."""
    step = gcd(*map(len, indents))
    return step if step in _UNITS else 4


def _invisible(prefix: str, suffix: str) -> Iterator[Finding]:
    """Invisible characters; adjacent ones are one place."""
    places: list[Place] = []
    edits: list[Edit] = []
    odd: list[invisible.Invisible] = []
    for side, text in _sides(prefix, suffix):
        for one in invisible.find(text):
            odd.append(one)
            start, plain = one.at, one.plain
            if edits and (edits[-1].side, edits[-1].end) == (side, one.at):
                start, plain = edits[-1].start, edits[-1].text + plain
                del places[-1], edits[-1]
            places.append(Place(side, start, one.at + 1))
            edits.append(Edit(side, start, one.at + 1, plain))
    if not odd:
        return
    # The mark is not sent to the model, so it does no harm.
    unread = len(odd) == 1 and prefix.startswith(fim.BYTE_ORDER_MARK)
    kept = {"": "nothing", " ": "spaces"}.get(odd[0].plain, "some")
    if len({one.plain for one in odd}) > 1:
        kept = "some"
    yield Finding(
        kind="invisible",
        severity="note" if unread else "warning",
        places=tuple(places[:MOST_EDITS]),
        edits=_offered(edits),
        facts={"count": len(odd), "name": invisible.name_of(odd[0].character), "kept": kept},
    )


def _blocks(prefix: str, suffix: str) -> Iterator[Finding]:
    """U+2581, which KerasHub reads as a space (see `Vocabulary.encode`)."""
    places = [
        Place(side, match.start(), match.end())
        for side, text in _sides(prefix, suffix)
        for match in re.finditer(BLOCK, text)
    ]
    if places:
        yield Finding(
            kind="blocks",
            severity="note",
            places=tuple(places[:MOST_EDITS]),
            edits=_offered([Edit(one.side, one.start, one.end, " ") for one in places]),
            facts={"count": len(places)},
        )


def _control_text(prefix: str, suffix: str) -> Iterator[Finding]:
    """Names of control tokens, which `fim.defuse` keeps as text."""
    places = [
        Place(side, match.start(), match.end())
        for side, text in _sides(prefix, suffix)
        for match in _CONTROL.finditer(text)
    ]
    if not places:
        return
    start, cut = prefix.find(fim.FIM_PREFIX), prefix.rfind(fim.FIM_SUFFIX)
    bare = prefix[: max(start, 0)].removeprefix("<bos>").strip() == ""
    if 0 <= start < cut and bare and not suffix.strip():  # in PSM order
        start += len(fim.FIM_PREFIX)
        after = prefix[cut + len(fim.FIM_SUFFIX) :].partition(fim.FIM_MIDDLE)[0]
        yield Finding(
            kind="whole_prompt",
            severity="warning",
            places=tuple(places[:MOST_EDITS]),
            edits=(
                Edit("prefix", 0, start, ""),
                Edit("prefix", cut, len(prefix), ""),
                Edit("suffix", 0, len(suffix), after),
            ),
        )
        return
    first = places[0]
    text = prefix if first.side == "prefix" else suffix
    yield Finding(
        kind="control_text",
        severity="note",
        places=tuple(places[:MOST_EDITS]),
        edits=_offered([Edit(one.side, one.start, one.end, "") for one in places]),
        facts={"name": text[first.start : first.end], "count": len(places)},
    )


def _sides(prefix: str, suffix: str) -> tuple[tuple[Side, str], tuple[Side, str]]:
    return ("prefix", prefix), ("suffix", suffix)


def _offered(edits: Sequence[Edit]) -> tuple[Edit, ...]:
    return tuple(edits) if len(edits) <= MOST_EDITS else ()


# The budget


def check_room(
    prompt: Prompt,
    prefix: str,
    suffix: str,
    vocabulary: Vocabulary,
    *,
    max_length: int,
    context_length: int,
    layout: fim.Layout = "psm",
    path: str = "",
    files: Sequence[fim.File] = (),
) -> list[Finding]:
    """Report what does not fit in the prompt.

    Args:
        prompt: the trimmed prompt, from `vocabulary.prompt`.
        max_length: prompt and middle together, in tokens.
        context_length: upper limit of `max_length`.

    Returns:
        At most one warning. Its `max_length` fits everything, or is the model's limit.
    """
    cut = (
        prompt.trimmed_prefix_tokens + prompt.trimmed_suffix_tokens + prompt.trimmed_context_tokens
    )
    if not cut:
        return []
    places: list[Place] = []
    if prompt.trimmed_prefix_tokens:
        starts = [token.start for token in prompt.tokens if token.role == "prefix"]
        places.append(Place("prefix", 0, starts[0] if starts else len(prefix)))
    if prompt.trimmed_suffix_tokens:
        ends = [token.end for token in prompt.tokens if token.role == "suffix"]
        places.append(Place("suffix", ends[-1] if ends else 0, len(suffix)))
    raised = context_length
    if len(prompt.tokens) + cut + fim.MIN_ROOM <= context_length:
        whole = vocabulary.prompt(prefix, suffix, context_length, layout, path, files)
        raised = min(context_length, len(whole.tokens) + COMFORTABLE_ROOM)
    return [
        Finding(
            kind="trimmed",
            severity="warning",
            places=tuple(places),
            max_length=raised if raised > max_length else None,
            facts={"count": cut},
        )
    ]
