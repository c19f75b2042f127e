"""Create infilling tasks from packages outside the corpus, at lines that do not occur in the corpus.

Reads `corpus/train.jsonl` and `corpus/held_out.jsonl` and writes `held_out/KIND.jsonl`, one task per line in
the format of the public HumanEval-Infilling sets (https://github.com/openai/human-eval-infilling), with an
empty `test`: these tasks are scored by their text, nothing is run. A package is drawn first, then a file,
then a line, so that large packages weigh no more than small ones.

A task's surroundings are not covered. They may contain lines of the corpus, as any unknown code may;
`overlap` counts them.

    python -m training.held_out --folder build/training
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import random
import re
import tokenize
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

from codegemma_ui.commands.evaluate.tasks import Task
from training.code_tokens import token_spans
from training.corpus import SourceFile, load

LINE_CHARACTERS = 8
"""Minimum characters, without white space, of a line for a task."""

REST_CHARACTERS = 4
"""Minimum characters, without white space, of the rest of a line and of a random span."""

BLOCK_LINES = (2, 6)
"""Minimum and maximum lines of a multi-line hole."""

SPAN_CHARACTERS = (10, 120)
"""Minimum and maximum length of a random span, in characters."""

PER_FILE = 3
"""Tasks of one kind from one file, until every file has yielded as many."""

PUBLIC_SETS = re.compile(
    r"human[\W_]*eval|mbpp|mostly[\W_]+basic[\W_]+(?:python[\W_]+)?p", re.IGNORECASE
)
"""Names of the public test sets; a file that mentions one is excluded."""


@dataclass(frozen=True)
class Line:
    """A candidate line: its number from 0, and the innermost function around it.

    `body_end` is the number of the line after that function's last.
    """

    number: int
    function: str
    body_end: int


class TooLittleText(ValueError):
    """The held-out files have too few lines for the requested tasks."""


# Candidate lines. ast and tokenize count lines at \n only, so the text is split there too: splitlines() would
# also cut at form feeds and other separators inside strings.


def drawable_lines(text: str) -> list[Line]:
    """Return the lines of a file in which a task may start, by number.

    They are inside a function's body, have at least `LINE_CHARACTERS` characters and a line ending, and are
    not part of a comment, an import, a docstring or any multi-line string. A file that does not parse, or
    names a public test set, has none.
    """
    if "\r" in text or PUBLIC_SETS.search(text):
        return []
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(text)
        closed = _lines_of_long_strings(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return []
    lines = text.split("\n")
    bodies: dict[int, Line] = {}
    for node in ast.walk(tree):  # an outer function comes before the inner ones
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for number in _body(node, lines):
                bodies[number] = Line(number, node.name, _end(node))
        elif isinstance(node, ast.Import | ast.ImportFrom | ast.Expr) and _is_closed(node):
            closed.update(range(node.lineno - 1, _end(node)))
    return [
        line
        for number, line in sorted(bodies.items())
        if number not in closed
        and number < len(lines) - 1
        and _characters(lines[number]) >= LINE_CHARACTERS
        and not lines[number].lstrip().startswith("#")
    ]


def _characters(text: str) -> int:
    """Count the characters that are not white space."""
    return len("".join(text.split()))


def _end(node: ast.stmt) -> int:
    """Return the number, from 0, of the line after a statement's last."""
    assert node.end_lineno is not None  # ast.parse always sets it
    return node.end_lineno


def _body(function: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> range:
    """Return the lines of a function's body; empty if it begins on the header's own line."""
    first = function.body[0]
    decorators = getattr(first, "decorator_list", [])
    start = min(node.lineno for node in (first, *decorators)) - 1
    if not decorators and lines[start].encode()[: first.col_offset].strip():
        return range(0)
    return range(start, _end(function))


def _is_closed(statement: ast.Import | ast.ImportFrom | ast.Expr) -> bool:
    """Return whether a statement is an import, or only a string: usually a docstring."""
    if not isinstance(statement, ast.Expr):
        return True
    value = statement.value
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _lines_of_long_strings(text: str) -> set[int]:
    """Return the numbers, from 0, of all lines touched by a multi-line string."""
    numbers: set[int] = set()
    opened: list[int] = []  # since Python 3.12, an f-string is a run of tokens between two marks
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        name = tokenize.tok_name[token.type]
        first, last = token.start[0] - 1, token.end[0] - 1
        if name.endswith("STRING_START"):
            opened.append(first)
        elif name.endswith("STRING_END"):
            first = opened.pop()
        elif name != "STRING":
            continue
        if first != last:
            numbers.update(range(first, last + 1))
    return numbers


# The four kinds of holes. Each maker gets a file's lines without line endings, a candidate line and the
# random generator, and returns the hole's first character and the one after its last, or None if none fits.

Hole = tuple[int, int]
Maker = Callable[[list[str], Line, random.Random], Hole | None]


def single_line(lines: list[str], line: Line, _: random.Random) -> Hole | None:
    """Return the whole line, including indentation and line ending."""
    offsets = _offsets(lines)
    return offsets[line.number], offsets[line.number + 1]


def rest_of_line(lines: list[str], line: Line, draw: random.Random) -> Hole | None:
    """Return a line from the start or end of a code token to the line ending."""
    text = lines[line.number]
    cuts = sorted(
        cut
        for cut in {edge for span in token_spans(text) for edge in span}
        if text[:cut].strip() and _characters(text[cut:]) >= REST_CHARACTERS
    )
    if not cuts:
        return None
    start = _offsets(lines)[line.number]
    return start + draw.choice(cuts), start + len(text)


def multi_line(lines: list[str], line: Line, draw: random.Random) -> Hole | None:
    """Return a few whole lines of one body; the last is not blank."""
    fewest, most = BLOCK_LINES
    ends = range(line.number + fewest, min(line.number + most, line.body_end) + 1)
    ends_with_code = [end for end in ends if lines[end - 1].strip()]
    if not ends_with_code:
        return None
    offsets = _offsets(lines)
    return offsets[line.number], offsets[draw.choice(ends_with_code)]


def random_span(lines: list[str], line: Line, draw: random.Random) -> Hole | None:
    """Return some characters of one body, from anywhere in the line, possibly across lines."""
    offsets = _offsets(lines)
    text = lines[line.number]
    indentation = len(text) - len(text.lstrip())
    start = draw.randrange(indentation, len(text))
    length = draw.randint(*SPAN_CHARACTERS)
    span = "\n".join(lines[line.number : line.body_end])[start : start + length]
    if len(span) < length or _characters(span) < REST_CHARACTERS:
        return None
    return offsets[line.number] + start, offsets[line.number] + start + length


def _offsets(lines: list[str]) -> list[int]:
    """Return the offset of each line's start, in characters."""
    return list(accumulate((len(line) + 1 for line in lines), initial=0))


KINDS: dict[str, tuple[Maker, int]] = {
    "single_line": (single_line, 500),
    "rest_of_line": (rest_of_line, 300),
    "multi_line": (multi_line, 200),
    "random_span": (random_span, 200),
}
"""Kinds of tasks, and the number of each to draw."""


class Pool:
    """The held-out files; each line's text is used once, whatever the kind of task."""

    def __init__(self, sources: Iterable[SourceFile], corpus: Iterable[str]) -> None:
        """Store the files, and exclude all lines of the corpus's texts."""
        self._files = sorted(sources, key=lambda source: (source.package, source.path))
        self._fresh = {line.strip() for file in self._files for line in file.text.split("\n")}
        for text in corpus:
            self._fresh.difference_update(map(str.strip, text.split("\n")))
        self._lines: dict[int, list[Line]] = {}  # of the files drawn so far, by index in _files

    def tasks(self, kind: str, make: Maker, wanted: int, draw: random.Random) -> list[Task]:
        """Draw tasks of one kind, in random order, so that the first few are a fair sample too.

        Raises:
            TooLittleText: All candidate lines have been used.
        """
        tasks: list[Task] = []
        given: Counter[int] = Counter()
        limit = PER_FILE
        packages = self._by_package(range(len(self._files)))
        while len(tasks) < wanted:
            if not packages:
                packages = self._by_package(index for index in given if given[index] == limit)
                limit += PER_FILE
            if not packages:
                raise TooLittleText(
                    f"{wanted} tasks of the kind {kind} were expected; hold out more packages."
                    f" Received: {len(self._files)} files, enough for {len(tasks)}"
                )
            package = draw.choice(list(packages))
            files, task = packages[package], None
            while files and task is None:
                index = draw.choice(files)
                task = self._task(kind, make, index, draw)
                if task is not None:
                    tasks.append(task)
                    given[index] += 1
                if task is None or given[index] == limit:
                    files.remove(index)
            if not files:
                del packages[package]
        return tasks

    def _by_package(self, indexes: Iterable[int]) -> dict[str, list[int]]:
        """Group files by package, in an order that depends on their names only."""
        packages: dict[str, list[int]] = {}
        for index in sorted(indexes):
            packages.setdefault(self._files[index].package, []).append(index)
        return packages

    def _task(self, kind: str, make: Maker, index: int, draw: random.Random) -> Task | None:
        """Return a task from one file, or None if no remaining line has a hole of this kind."""
        file = self._files[index]
        if index not in self._lines:
            self._lines[index] = drawable_lines(file.text)
        texts = file.text.split("\n")
        lines = [line for line in self._lines[index] if texts[line.number].strip() in self._fresh]
        for line in draw.sample(lines, len(lines)):
            hole = make(texts, line, draw)
            if hole is not None:
                self._fresh.discard(texts[line.number].strip())
                start, end = hole
                return Task(
                    task_id=f"{kind}/{file.package}/{file.path}/L{line.number + 1}",
                    entry_point=line.function,
                    prompt=file.text[:start],
                    canonical_solution=file.text[start:end],
                    suffix=file.text[end:],
                    test="",
                )
        return None


def write_held_out(
    folder: Path, seed: int = 0, shares: dict[str, int] | None = None
) -> dict[str, list[Task]]:
    """Draw tasks of all kinds from `folder/corpus` and write them to `folder/held_out`.

    Args:
        folder: location of the two files written by `corpus.py`.
        seed: another seed draws other tasks.
        shares: number of tasks of each kind; by default as in `KINDS`.

    Returns:
        The tasks by kind. The same corpus and seed give the same bytes.

    Raises:
        TooLittleText: The held-out packages have too few lines.
    """
    corpus = folder / "corpus"
    train = (file.text for file in load(corpus / "train.jsonl"))
    pool = Pool(load(corpus / "held_out.jsonl"), train)
    written = {}
    (folder / "held_out").mkdir(parents=True, exist_ok=True)
    for kind, (make, usual) in KINDS.items():
        wanted = (shares or {}).get(kind, usual)
        tasks = pool.tasks(kind, make, wanted, random.Random(f"{seed} {kind}"))
        lines = (json.dumps(asdict(task)) + "\n" for task in tasks)
        (folder / "held_out" / f"{kind}.jsonl").write_text("".join(lines), encoding="utf-8")
        written[kind] = tasks
    return written


def main() -> None:
    """Write the four files, and print how many tasks came from how many packages and files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/training"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        written = write_held_out(options.folder, options.seed)
    except (FileNotFoundError, TooLittleText) as problem:
        parser.exit(1, f"{problem}\n")
    for kind, tasks in written.items():
        places = [task.task_id.split("/", 2)[1:] for task in tasks]
        files = {(package, path.rpartition("/")[0]) for package, path in places}
        packages = {package for package, _ in places}
        print(f"{kind}: {len(tasks)} tasks, {len(packages)} packages, {len(files)} files")


if __name__ == "__main__":
    main()
