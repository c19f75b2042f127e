"""The overlap of tasks with a corpus, counted in runs of ten code tokens."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from codegemma_ui.commands.evaluate.tasks import Task
from training import overlap
from training.code_tokens import code_tokens, token_spans
from training.corpus import SourceFile, write
from training.overlap import LENGTH, report

PROMPT = '''\
def mean(values):
    """The arithmetic mean of some values, or zero for none."""
    if not values:
'''
SOLUTION = "        return 0.0\n"
SUFFIX = "    return sum(values) / len(values)\n"

UNRELATED = "class Sky:\n    colour = 'blue'\n\n    def fall(self, onto):\n        onto.get(self)\n"


def task(task_id: str, prompt: str, solution: str, suffix: str) -> Task:
    """A task with nothing to run."""
    return Task(
        task_id=task_id,
        prompt=prompt,
        canonical_solution=solution,
        suffix=suffix,
        test="",
        entry_point="mean",
    )


MEAN = task("mean", PROMPT, SOLUTION, SUFFIX)
PROGRAM = PROMPT + SOLUTION + SUFFIX


def test_code_tokens_are_words_numbers_and_operators() -> None:
    assert code_tokens("x_1 **= f('two words')  # why\n\treturn -1.5e-3") == [
        *("x_1", "**=", "f", "(", "'", "two", "words", "'", ")", "#", "why"),
        *("return", "-", "1.5e-3"),
    ]


def test_a_drawn_rule_is_one_token() -> None:
    assert code_tokens("# ---------- #\n# ==========") == ["#", "-" * 10, "#", "#", "=" * 10]


@pytest.mark.parametrize(
    "text", ["", "'''open", "한글 = 'é' \x00 \\ $?", "1__0e+ 0x_", "\u2028\x0c"]
)
def test_any_text_has_tokens_that_cover_all_but_white_space(text: str) -> None:
    pieces = [text[start:end] for start, end in token_spans(text)]
    assert pieces == code_tokens(text)
    assert "".join(pieces) == "".join(text.split())


def test_a_corpus_that_contains_the_file_overlaps_whole() -> None:
    figures = report([MEAN], [UNRELATED, f"import os\n\n\n{PROGRAM}\n\nx = 1\n"])
    assert (figures.share, figures.solution_share) == (1.0, 1.0)
    assert (figures.tasks_with_any, figures.tasks_with_half) == (1, 1)
    assert [found.task_id for found in figures.most] == ["mean"]


def test_an_unrelated_corpus_does_not_overlap() -> None:
    figures = report([MEAN], [UNRELATED, "", "x"])
    assert (figures.share, figures.solution_share) == (0.0, 0.0)
    assert (figures.tasks_with_any, figures.tasks_with_half) == (0, 0)
    assert figures.most == ()


def test_every_run_is_counted_once() -> None:
    tokens = len(code_tokens(PROGRAM))
    twice = report([MEAN, task("again", PROMPT, SOLUTION, SUFFIX)], [])
    assert twice.tasks == 2
    assert twice.grams == tokens - LENGTH + 1
    # Two tokens of a solution, and the nine before and after them.
    assert twice.solution_grams == 2 + LENGTH - 1


def test_surroundings_that_are_known_do_not_count_for_the_solution() -> None:
    figures = report([MEAN], [PROMPT])
    assert figures.share > 0
    assert figures.solution_share == 0


def test_part_of_a_solution_counts_in_part() -> None:
    figures = report([MEAN], [PROMPT + SOLUTION])
    assert 0 < figures.solution_share < 0.5
    assert (figures.tasks_with_any, figures.tasks_with_half) == (1, 0)


def test_layout_does_not_hide_a_copy_and_other_names_do() -> None:
    flat = " ".join(PROGRAM.split())
    assert report([MEAN], [flat]).share == 1.0
    assert report([MEAN], [PROGRAM.replace("values", "items")]).solution_share == 0.0


def test_a_run_does_not_reach_over_two_files() -> None:
    middle = len(PROMPT)
    halves = [PROGRAM[:middle], PROGRAM[middle:]]
    assert report([MEAN], halves).share < report([MEAN], ["".join(halves)]).share


def test_a_token_that_is_cut_by_the_hole_belongs_to_the_solution() -> None:
    cut = task("cut", PROMPT + "        ret", "urn 0", ".0\n" + SUFFIX)
    assert report([cut], [PROGRAM]).solution_grams == report([MEAN], [PROGRAM]).solution_grams


def test_a_program_shorter_than_a_run_overlaps_with_nothing() -> None:
    figures = report([task("short", "x = ", "1", "\n")], ["x = 1\n" * 9])
    assert (figures.grams, figures.share, figures.tasks_with_any) == (0, 0.0, 0)


def test_the_most_overlapping_tasks_come_first() -> None:
    some = [
        task(f"some {number}", f"def f{number}():\n    a = 1, 2, 3, 4, 5, 6\n", SOLUTION, SUFFIX)
        for number in range(12)
    ]
    figures = report([*some, MEAN], [PROGRAM])
    assert figures.most[0].task_id == "mean"
    assert len(figures.most) == overlap.SHOWN
    shares = [found.share for found in figures.most]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize(
    "start", [["-m", "training.overlap"], ["training/overlap.py"]], ids=" ".join
)
def test_it_runs_as_a_module_and_by_its_path(tmp_path: Path, start: list[str]) -> None:
    (tmp_path / "corpus").mkdir()
    source = SourceFile("known", "1", "known/mean.py", PROGRAM)
    write(tmp_path / "corpus" / "train.jsonl", [source])
    against = tmp_path / "tasks.jsonl.gz"
    with gzip.open(against, "wt") as lines:
        lines.write(json.dumps(vars(MEAN)) + "\n")
    command = [sys.executable, *start, "--folder", str(tmp_path), "--against", str(against)]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout)
    assert figures["share"] == figures["solution_share"] == 1.0
    assert figures["most"][0]["task_id"] == "mean"
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "100.00%" in told


def test_the_command_says_that_there_is_no_corpus(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "training.overlap", "--folder", str(tmp_path)]
    done = subprocess.run([*command, "--against", "no.jsonl"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "training.corpus writes the corpus first. Received: no" in done.stderr
