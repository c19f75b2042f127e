"""A person types a function: the recorded keystrokes, and what stood on either side of the cursor.

`texts/typing.jsonl` opens with a file's two sides; then each line is an edit: `{"type": "def "}`,
`{"delete": 3}` (backspace), `{"move": -12}` (characters), each with `key_ms` from one key to the next, or
`{"pause_ms": 600}`, in which the person looks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.speed.prompts import TEXTS


@dataclass(frozen=True)
class Moment:
    """The editor right after a keystroke, when a completion is asked for.

    Attributes:
        prefix: the text before the cursor.
        suffix: the text after it.
        kind: what the keystroke was: "type", "delete" or "move". A move of many characters is one
            moment, where the cursor lands.
        rest_s: seconds until the next keystroke.
    """

    prefix: str
    suffix: str
    kind: str
    rest_s: float


def recorded() -> list[Moment]:
    """The trace that ships with the benchmark."""
    with (TEXTS / "typing.jsonl").open(encoding="utf-8") as file:
        return replay(json.loads(line) for line in file)


def replay(lines: Iterable[Mapping[str, Any]]) -> list[Moment]:
    """Turn a file's two sides and its edits into what the editor held after each keystroke.

    Args:
        lines: first `{"prefix": …, "suffix": …}`, then edits; see the module.

    Raises:
        ValueError: an edit that is none of the four, or one that leaves the text.
    """
    rows = iter(lines)
    start = next(rows)
    moments: list[Moment] = []
    prefix, suffix = start["prefix"], start["suffix"]
    for edit in rows:
        if "pause_ms" in edit:
            if not moments:
                raise ValueError(f"A pause should follow a keystroke. Received: {edit} first")
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
    """What each key of an edit leaves: `(kind, prefix, suffix)`."""
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
            "An edit should be type, delete, move or pause_ms, and stay within the text. "
            f"Received: {edit} with {len(prefix)} characters before the cursor, {len(suffix)} after"
        )
