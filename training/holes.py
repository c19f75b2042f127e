"""Choice of holes: spans of a Python file that users typically want to have filled.

Pure text and `ast`, independent of tokens and layouts.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple, TypeGuard

Body = ast.FunctionDef | ast.AsyncFunctionDef

STATEMENTS = 0.55
"""Share of nodes that are statements, or some that follow one another; the others are expressions."""

ONE_MORE = 0.3
"""Probability that the statement after a hole belongs to it too."""

KINDS = {
    "node": 0.5,
    "line": 0.16,
    "rest": 0.14,
    "lines": 0.06,
    "head": 0.03,
    "random": 0.11,
}
"""Relative frequency of each kind of hole: a node of the syntax tree (AST-FIM, arXiv 2506.00204), a line,
the rest of a line, 2 to 6 lines, the expression in a statement's head (an `if`'s condition, a `for`'s
iterable), a random span."""

ANYWHERE = 0.12
"""Share of holes in any line of the file; the others start in a function's body, outside docstrings."""

MAX_HOLE = 700
"""Maximum characters of a hole."""

EASY = 0.7
"""Share of holes that are the most predictable of `CANDIDATES`, at the start of a training; none are at its
end. A small model learns such holes first; the others, late in training, help it most (arXiv 2412.16589)."""

CANDIDATES = 3
BEFORE, AFTER = 1500, 700
"""Characters on either side of a hole in which its words are looked up."""

WORD = re.compile(r"[^\W\d]\w+")
CODE_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_HEAD = re.compile(r"\s*(?:for .+? in|if|elif|while|except|with|return) (?P<head>.+?):?")


class Span(NamedTuple):
    """Characters `start` to `end` of a text, `end` excluded."""

    start: int
    end: int


@dataclass
class Source:
    """A Python text with the information needed to draw holes.

    Attributes:
        text: the text.
        line_starts: the character each line starts at, and the text's length at the end.
        body_lines: numbers of non-blank lines in function bodies, without docstrings and comments.
        other_lines: numbers of all non-blank lines.
        expressions: spans of expressions in function bodies.
        heads: spans of the expressions in statements' heads.
        blocks: for each block of statements in a function, the first and last line number of each.
    """

    text: str
    line_starts: list[int] = field(default_factory=list)
    body_lines: list[int] = field(default_factory=list)
    other_lines: list[int] = field(default_factory=list)
    expressions: list[Span] = field(default_factory=list)
    heads: list[Span] = field(default_factory=list)
    blocks: list[list[tuple[int, int]]] = field(default_factory=list)

    def line(self, number: int) -> Span:
        """Return a line's characters without its newline."""
        end = self.line_starts[number + 1]
        return Span(self.line_starts[number], end - (self.text[end - 1 : end] == "\n"))


def understand(text: str) -> Source:
    """Parse a file.

    Raises:
        SyntaxError: if it is not valid Python.
    """
    source = Source(text)
    lines = text.split("\n")
    position = 0
    for line in lines:
        source.line_starts.append(position)
        position += len(line) + 1
    source.line_starts.append(len(text))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    body_lines: set[int] = set()
    docstrings: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if (node.end_lineno or 0) > node.lineno:
                docstrings.update(range(node.lineno - 1, node.end_lineno or 0))
        elif isinstance(node, Body):
            body_lines.update(range(node.body[0].lineno - 1, node.end_lineno or 0))
            _add_expressions(source, node, lines)
        _add_blocks(source, node)
    source.blocks = [block for block in source.blocks if set(block[0]) & body_lines]
    source.other_lines = [number for number, line in enumerate(lines) if line.strip()]
    source.body_lines = [
        number
        for number in source.other_lines
        if number in body_lines
        and number not in docstrings
        and not lines[number].lstrip().startswith("#")
        and len(lines[number].strip()) > 2
    ]
    for number in source.other_lines:
        if number not in docstrings and (found := _HEAD.fullmatch(lines[number])):
            start = source.line_starts[number]
            source.heads.append(Span(start + found.start("head"), start + found.end("head")))
    return source


def _add_expressions(source: Source, function: Body, lines: list[str]) -> None:
    docstrings = [node.value for node in ast.walk(function) if _is_text(node)]
    for node in ast.walk(function):
        if not isinstance(node, ast.expr) or node in docstrings or node.end_col_offset is None:
            continue
        line = node.lineno - 1
        if node.end_lineno == node.lineno and lines[line].isascii():
            start = source.line_starts[line]
            span = Span(start + node.col_offset, start + node.end_col_offset)
            if span.end - span.start > 5:
                source.expressions.append(span)


def _add_blocks(source: Source, node: ast.AST) -> None:
    """Add a node's blocks: the bodies of functions, loops, branches and `with`, without docstrings."""
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if not isinstance(block, list) or isinstance(node, ast.Module | ast.ClassDef):
            continue
        spans = [
            (one.lineno - 1, (one.end_lineno or one.lineno) - 1)
            for one in block
            if not _is_text(one) and getattr(one, "decorator_list", []) == []
        ]
        if spans:
            source.blocks.append(spans)


def _is_text(node: ast.AST) -> TypeGuard[ast.Expr]:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def draw(source: Source, random: Random, hard: float = 0.0) -> Span | None:
    """Draw one hole; None if this draw finds no place.

    Args:
        source: the file.
        random: source of all random choices.
        hard: from 0 to 1: the share of `EASY` that is given up.
    """
    (kind,) = random.choices(list(KINDS), list(KINDS.values()))
    count = CANDIDATES if random.random() < EASY * (1 - hard) else 1
    found = [_candidate(source, kind, random) for _ in range(count)]
    return max(found, key=lambda span: _predictability(source.text, span) if span else -1.0)


def _predictability(text: str, span: Span) -> float:
    """Return how predictable a span is from its surroundings, from 0 to 2: the share of its words that occur
    there, and the similarity (Jaccard, of words) of the line there that is most similar to its own."""
    words = WORD.findall(text, span.start, span.end)
    around = (text[max(0, span.start - BEFORE) : span.start], text[span.end : span.end + AFTER])
    near = set(WORD.findall("\n".join(around)))
    known = sum(word in near for word in words) / max(len(words), 1)
    own = set(words)
    lines = (set(WORD.findall(line)) for side in around for line in side.split("\n"))
    return known + max(len(own & line) / max(len(own | line), 1) for line in lines)


def _candidate(source: Source, kind: str, random: Random) -> Span | None:
    if kind == "node":
        if source.expressions and random.random() >= STATEMENTS:
            return random.choice(source.expressions)
        if source.blocks:
            return _some_statements(source, random)
    if kind == "head" and source.heads:
        return random.choice(source.heads)
    lines = source.other_lines if random.random() < ANYWHERE else source.body_lines
    if not lines:
        return None
    number = random.choice(lines)
    if kind == "rest":
        return _rest(source, number, random)
    if kind == "random":
        line = source.line(number)
        start = random.randint(line.start, line.end)
        length = int(10 ** random.uniform(0.9, 2.15))
        return Span(start, min(start + length, len(source.text)))
    last = number + (random.randint(1, 5) if kind == "lines" else 0)
    return _short(_whole(source, number, min(last, len(source.line_starts) - 2), random))


def _some_statements(source: Source, random: Random) -> Span | None:
    (block,) = random.choices(source.blocks, [len(block) for block in source.blocks])
    first = last = random.randrange(len(block))
    while last + 1 < len(block) and random.random() < ONE_MORE:
        last += 1
    return _short(_whole(source, block[first][0], block[last][1], random))


def _whole(source: Source, first: int, last: int, random: Random) -> Span:
    """Return whole lines, with the possible cursor positions: at the line's start, after its indentation, and
    with the line ending inside or after the hole."""
    start, end = source.line_starts[first], source.line(last).end
    way = random.random()
    if way < 0.5:
        return Span(start, source.line_starts[last + 1])
    if way < 0.75:
        while start < end and source.text[start] in " \t":
            start += 1
    return Span(start, end)


def _rest(source: Source, number: int, random: Random) -> Span | None:
    """Return the span from a point inside the line to its end."""
    line = source.line(number)
    text = source.text[line.start : line.end]
    indentation = len(text) - len(text.lstrip())
    if random.random() < 0.2:
        cuts = list(range(indentation + 1, len(text)))
    else:
        cuts = [token.end() for token in CODE_TOKEN.finditer(text, indentation)][:-1]
    return Span(line.start + random.choice(cuts), line.end) if cuts else None


def _short(span: Span) -> Span | None:
    return span if span.end - span.start <= MAX_HOLE else None


def import_hole(text: str, random: Random) -> Span | None:
    """Return an import line, or the part after its first word, with or without the blank lines after it."""
    matches = list(re.finditer(r"^(?:import|from) (\S[^\n]*)(\n*)", text, re.MULTILINE))
    if not matches:
        return None
    match = random.choice(matches)
    start = match.start(1) if random.random() < 0.65 else match.start()
    return Span(start, match.end(1) if random.random() < 0.5 else match.end())
