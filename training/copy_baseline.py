"""Baseline score of copying: each hole is filled from the most similar place of its own file.

This is the lower bound for a model's figures: files repeat themselves, so part of any score needs no
knowledge of code. Two rules, each the best of those tried on held-out files:

- a whole line is the line whose neighbours are most similar to the hole's, unchanged (comparing sets of
  tokens instead of characters, or one line on either side instead of two, scored lower);
- the rest of a line is what follows, in another line, the longest text that the hole's line ends with
  (what follows the longest text that both lines begin with scored lower).

The number of lines of a hole is not covered: one is given, also for a hole of several.

    python -m training.copy_baseline --dataset build/training/held_out/single_line.jsonl
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from rapidfuzz.distance import Levenshtein

from codegemma_ui.commands.evaluate import tasks
from codegemma_ui.commands.evaluate.tasks import Task
from codegemma_ui.errors import BadInput
from codegemma_ui.fim import scoring

STEPS = (-2, -1, 1, 2)
"""Neighbouring lines compared, ignoring blank ones; the farther ones have half the weight."""

INDENTED_ALIKE = 0.5
"""Weight, beside these, of a line having the indentation that the line before the hole suggests."""


@dataclass(frozen=True)
class Report:
    """Scores of copying on a dataset, defined as in `eval`; both from 0 to 1."""

    tasks: int
    exact_match: float
    edit_similarity: float


def copy(task: Task) -> str:
    """Fill one hole from its own prompt and suffix.

    A hole at the start of a line gets a whole line. If the line has text after the hole too, the copy is cut
    where that text begins in it.
    """
    *before, head = task.prompt.split("\n")
    tail, *after = task.suffix.split("\n")
    if head.strip():
        filled = rest_of_line(before, head, after)
    elif head:  # only indentation precedes the hole
        filled = whole_line(before, after).lstrip()
    else:
        after = task.suffix.split("\n")
        return whole_line(before, after)
    end = filled.find(tail.strip()) if tail.strip() else -1
    return filled[:end] if end > 0 else filled


def whole_line(before: Sequence[str], after: Sequence[str]) -> str:
    """Return the line whose neighbours are most similar to those of a hole between two runs of lines, or
    ""."""
    lines: list[str | None] = [line for line in before if line.strip()]
    hole = len(lines)
    lines += [None, *(line for line in after if line.strip())]

    def neighbour(index: int, step: int) -> str | None:
        """Return a line near another: "" past an end of the file, None at the hole."""
        place = index + step
        return lines[place] if 0 <= place < len(lines) else ""

    around = [neighbour(hole, step) for step in STEPS]
    above = neighbour(hole, -1) or ""
    indentation = _indentation(above) + 4 * above.rstrip().endswith(":")
    best, found = -1.0, ""
    for index, line in enumerate(lines):
        if line is None:
            continue
        likeness = sum(
            _likeness(wanted, neighbour(index, step)) / abs(step)
            for step, wanted in zip(STEPS, around, strict=True)
        )
        likeness += INDENTED_ALIKE * (_indentation(line) == indentation)
        if likeness > best:
            best, found = likeness, line
    return found


def rest_of_line(before: Sequence[str], head: str, after: Sequence[str]) -> str:
    """Return what follows the longest end of `head` that occurs in another line, or "".

    Ties go to the line whose start is most similar to `head`, then to the nearest.
    """
    head = head.lstrip()
    best, found = (0, 0, 0), ""
    for index, line in enumerate([*before, *after]):
        text = line.strip()
        length = max(best[0], 1)  # a shorter common text would not win
        if not text or length > len(head) or head[-length:] not in text:
            continue
        while length < len(head) and head[-length - 1 :] in text:
            length += 1
        rest = text[text.find(head[-length:]) + length :]
        common = _common_start(text, head)
        rank = (length, common, -abs(index - len(before)))
        if rest and rank > best:
            best, found = rank, rest
    return found


def _indentation(line: str) -> int:
    """Count the characters of white space at the start of a line."""
    return len(line) - len(line.lstrip())


@lru_cache(maxsize=1 << 20)
def _likeness(one: str | None, other: str | None) -> float:
    """Return the Levenshtein similarity from 0 to 1; 0 for unknown lines."""
    if one is None or other is None:
        return 0.0
    return float(Levenshtein.normalized_similarity(one, other))


def _common_start(one: str, other: str) -> int:
    """Return the length of the common prefix of two texts."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def report(dataset: Sequence[Task]) -> Report:
    """Fill every hole and compare, as in `eval`.

    Args:
        dataset: at least one task.
    """
    pairs = [(copy(task), task.canonical_solution) for task in dataset]
    return Report(
        tasks=len(pairs),
        exact_match=sum(scoring.exact_match(*pair) for pair in pairs) / len(pairs),
        edit_similarity=sum(scoring.edit_similarity(*pair) for pair in pairs) / len(pairs),
    )


def main() -> None:
    """Print the scores of copying on one dataset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="tasks, as .jsonl or .jsonl.gz")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    try:
        figures = report(tasks.read(options.dataset).tasks)
    except BadInput as problem:
        parser.exit(1, f"{problem}\n")
    if options.json:
        print(json.dumps(asdict(figures)))
    else:
        print(f"tasks            {figures.tasks}")
        print(f"exact match      {figures.exact_match:.1%}")
        print(f"edit similarity  {figures.edit_similarity:.1%}")


if __name__ == "__main__":
    main()
