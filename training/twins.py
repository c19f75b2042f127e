"""Twins: a function next to a copy of itself with other names, and a hole in one of the two.

Code repeats itself with variations, and the answer to a hole is often a few lines away under other names.
Such pairs teach the model to look there: what to copy, and what to rename.
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
"""Length limits of functions that get a twin, in characters."""

RATE = 0.3
"""Share of functions that get one."""

PART = re.compile(r"[A-Z]?[a-z]{3,}")
"""A word inside a name: `max` and `length` in `max_length`, `Max` and `Length` in `MaxLength`."""

KEPT = {name.lower() for name in (*keyword.kwlist, *dir(builtins), "self", "cls")}


def samples(source: Source, random: Random, tokens: int, hard: float = 0.0) -> Iterator[Sample]:
    """Yield holes in pairs of functions of a file, sometimes with a third function between them.

    Args:
        source: the file.
        random: source of all random choices.
        tokens: approximate maximum tokens of a sample.
        hard: as in `holes.draw`.
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
            hole = holes.draw(holes.understand(both), random, hard)
        except SyntaxError:
            continue
        if hole is not None:
            yield whole(both, hole, random)


def functions(source: Source) -> Iterator[str]:
    """Yield the text of each function and method, dedented."""
    for node in ast.walk(ast.parse(source.text)):
        if isinstance(node, holes.Body):
            start, end = (
                source.line_starts[node.lineno - 1],
                source.line_starts[node.end_lineno or 0],
            )
            yield textwrap.dedent(source.text[start:end])


def renamed(text: str, words: Sequence[str], random: Random) -> str:
    """Return the text with one to four of its words replaced wherever they occur in a name."""
    own = sorted({part.lower() for part in PART.findall(text)} - KEPT)
    for old in random.sample(own, min(len(own), random.randint(1, 4))):
        new = random.choice(words)
        text = re.sub(rf"(?<![a-z]){old}(?![a-z])", new, text)
        text = re.sub(rf"{old.capitalize()}(?![a-z])", new.capitalize(), text)
    return text
