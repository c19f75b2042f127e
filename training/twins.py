"""Twins: a function beside a copy of itself with other names, and a hole in one of the two.

Code repeats itself with changes, and what a hole asks stands often a few lines away under other names. Such
pairs teach to look for it there: what to copy, and what to rename.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import textwrap
from collections.abc import Iterator, Sequence
from random import Random

from training import holes
from training.holes import Source
from training.samples import CHARACTERS_PER_TOKEN, Sample, whole

SHORTEST, LONGEST = 80, 900
"""Characters of a function that gets a twin."""

RATE = 0.3
"""The share of the functions that do."""

PART = re.compile(r"[A-Z]?[a-z]{3,}")
"""A word inside a name: `max` and `length` in `max_length`, `Max` and `Length` in `MaxLength`."""

KEPT = {name.lower() for name in (*keyword.kwlist, *dir(builtins), "self", "cls")}


def samples(source: Source, random: Random, tokens: int) -> Iterator[Sample]:
    """Holes in pairs of functions of a file, with a third function between them now and then.

    Args:
        source: the file.
        random: where every choice comes from.
        tokens: the longest sample, about.
    """
    texts = [text for text in functions(source) if SHORTEST <= len(text) <= LONGEST]
    words = sorted({part.lower() for text in texts for part in PART.findall(text)} - KEPT)
    for text in texts:
        if random.random() > RATE or len(words) < 8:
            continue
        pair = [renamed(text, words, random), text]
        random.shuffle(pair)
        if random.random() < 0.4:
            pair.insert(1, random.choice(texts))
        both = "\n\n".join(pair)
        if len(both) > tokens * CHARACTERS_PER_TOKEN:
            continue
        try:
            hole = holes.draw(holes.understand(both), random)
        except SyntaxError:
            continue
        if hole is not None:
            yield whole(both, hole, random)


def functions(source: Source) -> Iterator[str]:
    """The text of each function and method, as if it stood at the left margin."""
    for node in ast.walk(ast.parse(source.text)):
        if isinstance(node, holes.Body):
            start, end = (
                source.line_starts[node.lineno - 1],
                source.line_starts[node.end_lineno or 0],
            )
            yield textwrap.dedent(source.text[start:end])


def renamed(text: str, words: Sequence[str], random: Random) -> str:
    """The text with one to four of its words replaced, wherever they stand in a name."""
    own = sorted({part.lower() for part in PART.findall(text)} - KEPT)
    for old in random.sample(own, min(len(own), random.randint(1, 4))):
        new = random.choice(words)
        text = re.sub(rf"(?<![a-z]){old}(?![a-z])", new, text)
        text = re.sub(rf"{old.capitalize()}(?![a-z])", new.capitalize(), text)
    return text
