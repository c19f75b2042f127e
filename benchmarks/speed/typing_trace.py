"""Recorded keystrokes of a person typing a function, with the text on both sides of the cursor.

`texts/typing.jsonl` begins with a file's two sides; then each line is an edit: `{"type": "def "}`,
`{"delete": 3}` (backspace), `{"move": -12}` (characters), each with `key_ms` from one key to the next, or a
pause `{"pause_ms": 600}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.speed.prompts import TEXTS


@dataclass(frozen=True)
class Moment:
    """The editor right after a keystroke, when a completion is requested.

    Attributes:
        prefix: the text before the cursor.
        suffix: the text after it.
        kind: of the keystroke: "type", "delete" or "move". A move of many characters is one moment, at the
            new position.
        rest_s: seconds until the next keystroke.
    """

    prefix: str
    suffix: str
    kind: str
    rest_s: float


def recorded() -> list[Moment]:
    """Return the trace that ships with the benchmark."""
    with (TEXTS / "typing.jsonl").open(encoding="utf-8") as file:
        return replay(json.loads(line) for line in file)


def replay(lines: Iterable[Mapping[str, Any]]) -> list[Moment]:
    """Return the state of the editor after each keystroke, from a file's two sides and its edits.

    Args:
        lines: first `{"prefix": …, "suffix": …}`, then edits, in the format of this module.

    Raises:
        ValueError: an edit is none of the four, or leaves the text.
    """
    rows = iter(lines)
    start = next(rows)
    moments: list[Moment] = []
    prefix, suffix = start["prefix"], start["suffix"]
    for edit in rows:
        if "pause_ms" in edit:
            if not moments:
                raise ValueError(f"A pause must follow a keystroke. Received: {edit} first")
            last = moments[-1]
            moments[-1] = replace(last, rest_s=last.rest_s + edit["pause_ms"] / 1000)
            continue
        for kind, before, after in _keystrokes(prefix, suffix, edit):
            prefix, suffix = before, after
            moments.append(Moment(prefix, suffix, kind, edit["key_ms"] / 1000))
    return moments


def _keystrokes(
    prefix: str, suffix: str, edit: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """Yield the state after each key of an edit: `(kind, prefix, suffix)`."""
    if "type" in edit:
        for end in range(1, len(edit["type"]) + 1):
            yield "type", prefix + edit["type"][:end], suffix
    elif "delete" in edit and 0 < edit["delete"] <= len(prefix):
        for count in range(1, edit["delete"] + 1):
            yield "delete", prefix[: len(prefix) - count], suffix
    elif "move" in edit and -len(prefix) <= edit["move"] <= len(suffix):
        text, cursor = prefix + suffix, len(prefix) + edit["move"]
        yield "move", text[:cursor], text[cursor:]
    else:
        raise ValueError(
            "An edit must be type, delete, move or pause_ms, and stay within the text. "
            f"Received: {edit} with {len(prefix)} characters before the cursor, {len(suffix)} after"
        )
