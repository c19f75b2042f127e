"""Cut a file into training samples: a prefix, a middle and a suffix, or plain text; characters in, ids out.

The transform is at character level, as described in the CodeGemma report (section 2.1: FIM rate 0.8 to 0.9,
PSM and SPM alike, files joined by `<|file_separator|>`, paths before a file).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Protocol

from codegemma_ui import fim
from training import holes
from training.corpus import SourceFile
from training.holes import Source, Span

FIM_RATE = 0.88
SPM_RATE = 0.5
"""As in the report. SPM is what a completion as one types asks for: the suffix stays, the prefix grows."""

PATH_RATE = 0.1
NO_SUFFIX_RATE = 0.06
IMPORT_RATE = 0.06  # of snippets that begin with imports

CHARACTERS_PER_TOKEN = 3.4


@dataclass(frozen=True)
class Sample:
    """One training sample.

    Attributes:
        prefix: text before the hole; the whole text if there is no hole.
        middle: the text of the hole, or None.
        suffix: text after the hole.
        layout: order of the two sides.
        before: a path, or other files with their paths, before everything else.
        ends: whether plain text ends where the file does.
    """

    prefix: str
    middle: str | None
    suffix: str
    layout: fim.Layout = "psm"
    before: tuple[str, ...] = ()
    ends: bool = False


class Encoder(Protocol):
    """Interface of `codegemma_ui.fim.vocabulary.Vocabulary`."""

    bos_id: int

    def encode(self, text: str) -> list[int]: ...

    def control_id(self, name: str) -> int: ...


def encode(sample: Sample, vocabulary: Encoder) -> tuple[list[int], int]:
    """Return the token ids of a sample.

    Returns:
        The ids, `<bos>` first and the file separator last, and where the middle's ids start (for plain
        text: the number of ids).
    """
    separator = vocabulary.control_id(fim.FILE_SEPARATOR)
    ids = [vocabulary.bos_id]
    for number, text in enumerate(sample.before):
        ids += vocabulary.encode(text)
        if number < len(sample.before) - 1:
            ids.append(separator)
    if sample.middle is None:
        ids += vocabulary.encode(sample.prefix)
        return [*ids, separator] if sample.ends else ids, len(ids) + sample.ends
    for part in fim.segments(sample.prefix, sample.suffix, sample.layout):
        if part.role == "control":
            ids.append(vocabulary.control_id(part.text))
        else:
            ids += vocabulary.encode(part.text)
    return [*ids, *vocabulary.encode(sample.middle), separator], len(ids)


def windows(
    file: SourceFile,
    source: Source,
    random: Random,
    tokens: int,
    coverage: float = 1.0,
    hard: float = 0.0,
) -> Iterator[Sample]:
    """Yield windows of a file around a hole, as trimmed by the page.

    Args:
        file: the file.
        source: its parsed text.
        random: source of all random choices.
        tokens: approximate maximum tokens of a sample.
        coverage: approximate tokens of all samples, as a share of the file's.
        hard: as in `holes.draw`.
    """
    text = source.text
    count = max(1, round(coverage * len(text) / CHARACTERS_PER_TOKEN / (0.6 * tokens)))
    for _ in range(count):
        room = int(tokens * _fullness(random) * CHARACTERS_PER_TOKEN)
        if random.random() > FIM_RATE:
            start = _line_start(text, random.randint(0, max(0, len(text) - room)))
            end = min(len(text), start + room)
            yield Sample(text[start:end], None, "", ends=end == len(text))
            continue
        hole = holes.draw(source, random, hard)
        if hole is None:
            continue
        yield _around(text, hole, room, random, file.path)


def _fullness(random: Random) -> float:
    """Return the share of the maximum length that a sample fills, 0.6 on average.

    Long prompts are common with real files, so half are long. Short ones teach more, since each has a hole,
    so the other half is uniform in length.
    """
    if random.random() < 0.5:
        return random.uniform(0.65, 0.97)
    return float(0.15 * (0.97 / 0.15) ** random.random())


def _around(text: str, hole: Span, room: int, random: Random, path: str = "") -> Sample:
    room = max(200, room - (hole.end - hole.start))
    suffix_room = int(room * random.uniform(0.12, 0.42))
    prefix_room = room - min(suffix_room, len(text) - hole.end)
    start = max(0, hole.start - prefix_room)
    if start and random.random() < 0.7:
        start = min(hole.start, text.find("\n", start) + 1 or hole.start)
    end = min(len(text), hole.end + room - (hole.start - start))
    if random.random() < NO_SUFFIX_RATE:
        end = hole.end
    return Sample(
        prefix=text[start : hole.start],
        middle=text[hole.start : hole.end],
        suffix=text[hole.end : end],
        layout="spm" if random.random() < SPM_RATE else "psm",
        before=(f"{path}\n",) if path and random.random() < PATH_RATE else (),
    )


def whole(text: str, hole: Span, random: Random) -> Sample:
    """Return a whole text around a hole."""
    return Sample(
        prefix=text[: hole.start],
        middle=text[hole.start : hole.end],
        suffix=text[hole.end :],
        layout="spm" if random.random() < SPM_RATE else "psm",
    )


def _line_start(text: str, position: int) -> int:
    return text.rfind("\n", 0, position) + 1


def snippets(
    file: SourceFile, source: Source, random: Random, tokens: int, hard: float = 0.0
) -> Iterator[Sample]:
    """Yield complete functions and small classes, with the imports that they use."""
    room = int(tokens * CHARACTERS_PER_TOKEN)
    tree = ast.parse(source.text)
    imports = _imports(source, tree)
    for node in tree.body:
        units = [node]
        if isinstance(node, ast.ClassDef) and (node.end_lineno or 0) - node.lineno > 40:
            units = list(node.body)
        for unit in units:
            if not isinstance(unit, ast.ClassDef | holes.Body):
                continue
            text = _unit(source, node, unit, imports)
            if 120 <= len(text) <= room:
                sample = _snippet(text, random, file.path, hard)
                if sample is not None:
                    yield sample


def _unit(source: Source, node: ast.stmt, unit: ast.stmt, imports: dict[str, str]) -> str:
    """Return a function or class from its decorators to its end; a method follows its class's first line."""
    text = source.text[_first(source, unit) : source.line_starts[unit.end_lineno or 0]]
    if unit is not node:
        head = source.line(node.lineno - 1)
        text = source.text[head.start : head.end] + "\n" + text
    names = set(re.findall(r"\w+", text))
    used = list(dict.fromkeys(line for name, line in imports.items() if name in names))[:8]
    return "".join(used) + ("\n\n" if used else "") + text


def _first(source: Source, unit: ast.stmt) -> int:
    decorators = getattr(unit, "decorator_list", [])
    first: int = min([unit.lineno, *(node.lineno for node in decorators)])
    return source.line_starts[first - 1]


def _imports(source: Source, tree: ast.Module) -> dict[str, str]:
    """Return bound name -> the import line that binds it; one-line imports only."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom) and node.lineno == node.end_lineno:
            start, end = source.line(node.lineno - 1)
            for alias in node.names:
                found[(alias.asname or alias.name).partition(".")[0]] = (
                    source.text[start:end] + "\n"
                )
    return found


def _snippet(text: str, random: Random, path: str, hard: float) -> Sample | None:
    if random.random() > FIM_RATE:
        return Sample(text, None, "", ends=True)
    hole: Span | None = None
    if random.random() < IMPORT_RATE:
        hole = holes.import_hole(text, random)
    try:
        hole = hole or holes.draw(holes.understand(text), random, hard)
    except SyntaxError:
        return None
    return hole and _around(text, hole, len(text) + 200, random, path)


def beside(sample: Sample, path: str, other: SourceFile, random: Random) -> Sample:
    """Prepend the head of another file of the same package to a sample, each under its path."""
    head = other.text[: random.randint(300, 1200)]
    head = head[: head.rfind("\n") + 1] or head
    return replace(sample, before=(f"{other.path}\n{head}", f"{path}\n"))
