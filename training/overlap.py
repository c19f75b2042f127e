"""Measure how much of a set of infilling tasks the corpus contains, in runs of ten code tokens.

A task whose answer was in the training text does not test a model. So each task's program is cut into
10-grams of code tokens, including words of comments and docstrings, and the corpus is searched for each one.
Grams that touch the solution indicate the answer; the others its surroundings. Only identical tokens in the
same order count: layout and white space are ignored, and renaming hides a copy.

Only the tasks' grams are kept; the corpus is streamed, one file at a time.

    python -m training.overlap --against TASKS.jsonl[.gz]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

if not __package__:  # run by path: then this folder is on sys.path instead of the repository
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from codegemma_ui.commands.evaluate import tasks
from codegemma_ui.commands.evaluate.tasks import Task
from codegemma_ui.errors import BadInput
from training.code_tokens import code_tokens, token_spans
from training.corpus import load

LENGTH = 10
"""Code tokens per gram."""

SHOWN = 10
"""Number of tasks with the largest overlap listed in a report."""

Gram = tuple[int, ...]
"""Numbers of `LENGTH` code tokens; each distinct token text of the tasks has one, from 1 on."""


@dataclass(frozen=True)
class TaskOverlap:
    """One task: its distinct grams that touch the solution, and those of them in the corpus."""

    task_id: str
    solution_grams: int
    solution_found: int

    @property
    def share(self) -> float:
        """Share found in the corpus, from 0 to 1; 0 for a program shorter than one gram."""
        return self.solution_found / max(self.solution_grams, 1)


@dataclass(frozen=True)
class Report:
    """Overlap of a dataset with the corpus.

    Attributes:
        tasks: number of tasks.
        grams: number of distinct 10-grams of all programs: prompt, solution and suffix joined.
        share: share of them in the corpus, from 0 to 1.
        solution_grams: distinct 10-grams with at least one token of a solution.
        solution_share: share of those in the corpus.
        tasks_with_any: tasks with at least one gram that touches the solution and is in the corpus.
        tasks_with_half: tasks with at least half of those grams in it.
        most: the tasks with the largest share of them, largest first; none with zero.
    """

    tasks: int
    grams: int
    share: float
    solution_grams: int
    solution_share: float
    tasks_with_any: int
    tasks_with_half: int
    most: tuple[TaskOverlap, ...]


class Grams:
    """Grams to search for, and those found so far."""

    def __init__(self) -> None:
        """Create an empty set."""
        self.found: set[Gram] = set()
        self._wanted: set[Gram] = set()
        self._numbers: dict[str, int] = {}
        # A gram's hash is the sum of its numbers, each times the factor of its position, modulo 2 ** 64. The
        # factors are odd and random, with a fixed seed; equal hashes are compared by their tokens.
        draw = np.random.default_rng(0)
        self._factors = draw.integers(1 << 63, size=LENGTH, dtype=np.uint64) * np.uint64(2)
        self._factors += np.uint64(1)
        self._hashes: NDArray[np.uint64] | None = None

    def add(self, task: Task) -> tuple[set[Gram], set[Gram]]:
        """Add a task's grams to the search.

        Returns:
            All grams of its program, and those that touch the solution.
        """
        program = task.prompt + task.canonical_solution + task.suffix
        start, end = len(task.prompt), len(task.prompt) + len(task.canonical_solution)
        spans = token_spans(program)
        numbers = [
            self._numbers.setdefault(program[first:last], len(self._numbers) + 1)
            for first, last in spans
        ]
        touches = [first < end and last > start for first, last in spans]
        every: set[Gram] = set()
        touching: set[Gram] = set()
        for place in range(len(numbers) - LENGTH + 1):
            gram = tuple(numbers[place : place + LENGTH])
            every.add(gram)
            if any(touches[place : place + LENGTH]):
                touching.add(gram)
        self._wanted |= every
        self._hashes = None
        return every, touching

    def search(self, text: str) -> None:
        """Search one file of the corpus for the grams."""
        if self._hashes is None:
            wanted = np.array(sorted(self._wanted), dtype=np.uint64).reshape(-1, LENGTH)
            self._hashes = np.unique((wanted * self._factors).sum(axis=1, dtype=np.uint64))
        tokens = code_tokens(text)
        places = len(tokens) - LENGTH + 1
        if places < 1 or not len(self._hashes):
            return
        # 0 stands for a token that occurs in no task, and so in no wanted gram.
        numbers = np.fromiter(map(self._numbers.get, tokens, repeat(0)), np.uint64, len(tokens))
        hashes = np.zeros(places, np.uint64)
        whole = np.ones(places, np.bool_)
        for step, factor in enumerate(self._factors):
            part = numbers[step : step + places]
            hashes += part * factor
            whole &= part != 0
        (candidates,) = np.nonzero(whole)
        near = np.searchsorted(self._hashes, hashes[candidates])
        near[near == len(self._hashes)] = 0
        for place in candidates[self._hashes[near] == hashes[candidates]].tolist():
            gram = tuple(numbers[place : place + LENGTH].tolist())
            if gram in self._wanted:
                self.found.add(gram)


def report(dataset: Sequence[Task], corpus: Iterable[str]) -> Report:
    """Search the corpus for every gram of every task.

    Args:
        dataset: the tasks, kept in memory.
        corpus: the texts of its files, one at a time.
    """
    grams = Grams()
    every: set[Gram] = set()
    touching: dict[str, set[Gram]] = {}
    for task in dataset:
        whole, touching[task.task_id] = grams.add(task)
        every |= whole
    for text in corpus:
        grams.search(text)
    solution = set().union(*touching.values())
    overlaps = [
        TaskOverlap(task_id, len(own), len(own & grams.found)) for task_id, own in touching.items()
    ]
    overlaps.sort(key=lambda task: (-task.share, -task.solution_found, task.task_id))
    return Report(
        tasks=len(dataset),
        grams=len(every),
        share=len(every & grams.found) / max(len(every), 1),
        solution_grams=len(solution),
        solution_share=len(solution & grams.found) / max(len(solution), 1),
        tasks_with_any=sum(task.solution_found > 0 for task in overlaps),
        tasks_with_half=sum(task.share >= 0.5 for task in overlaps),
        most=tuple(task for task in overlaps[:SHOWN] if task.solution_found),
    )


def lines(figures: Report) -> Iterator[str]:
    """Format a report as lines of text."""
    yield f"tasks                              {figures.tasks}"
    yield f"distinct {LENGTH}-grams                  {figures.grams}"
    yield f"  in the corpus                    {figures.share:.2%}"
    yield f"that touch a solution              {figures.solution_grams}"
    yield f"  in the corpus                    {figures.solution_share:.2%}"
    yield f"tasks with any of them in it       {figures.tasks_with_any}"
    yield f"tasks with half of them or more    {figures.tasks_with_half}"
    for task in figures.most:
        yield f"  {task.share:7.2%}  {task.solution_found} of {task.solution_grams}  {task.task_id}"


def main() -> None:
    """Print the overlap of one dataset with the training text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, required=True, help="tasks, as .jsonl or .jsonl.gz")
    parser.add_argument("--folder", type=Path, default=Path("build/training"))
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    corpus = options.folder / "corpus" / "train.jsonl"
    if not corpus.exists():
        parser.exit(
            1, f"python -m training.corpus writes the corpus first. Received: no {corpus}\n"
        )
    try:
        dataset = tasks.read(options.against).tasks
    except BadInput as problem:
        parser.exit(1, f"{problem}\n")
    figures = report(dataset, (file.text for file in load(corpus)))
    if options.json:
        print(json.dumps(asdict(figures)))
    else:
        print(*lines(figures), sep="\n")


if __name__ == "__main__":
    main()
