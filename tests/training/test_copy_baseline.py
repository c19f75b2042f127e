"""The copy baseline fills a hole from the same file, without a model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from codegemma_ui.commands.evaluate.tasks import Task
from training.copy_baseline import copy, report, rest_of_line, whole_line


def task(prompt: str, solution: str, suffix: str) -> Task:
    """A task with nothing to run."""
    return Task(
        task_id=f"{len(prompt)} {len(suffix)}",
        prompt=prompt,
        canonical_solution=solution,
        suffix=suffix,
        test="",
        entry_point="f",
    )


REPEATED = task(
    prompt=(
        "def start(self):\n"
        "    with self.lock:\n"
        "        self.count += 1\n"
        "        return self.state\n"
        "\n"
        "def stop(self):\n"
        "    with self.lock:\n"
    ),
    solution="        self.count += 1\n",
    suffix="        return self.state\n",
)

STARTED = task(
    prompt="    first = self.read(name, timeout=3)\n    x = None\n    second = self.read(",
    solution="name, timeout=3)",
    suffix="\n    return first, second\n",
)


def test_a_whole_line_comes_from_between_the_most_similar_neighbours() -> None:
    assert copy(REPEATED) == "        self.count += 1"


def test_the_rest_of_a_line_follows_what_another_line_has_in_common() -> None:
    assert copy(STARTED) == "name, timeout=3)"


def test_of_two_lines_that_go_on_the_one_that_starts_alike_counts() -> None:
    before = ["log.debug(message)", "raise Error(reason)"]
    assert rest_of_line(before, "raise Broken(", ["print(value)"]) == "reason)"


def test_a_copy_ends_where_the_rest_of_the_line_begins() -> None:
    hole = task("    a = load(path, mode)\n    b = load(", "path", ", mode)\n")
    assert copy(hole) == "path"


def test_indentation_that_stands_before_the_hole_is_not_given_again() -> None:
    line = REPEATED.canonical_solution.removesuffix("\n")
    hole = task(REPEATED.prompt + " " * 8, line.lstrip(), "\n" + REPEATED.suffix)
    assert copy(hole) == line.lstrip()


@pytest.mark.parametrize(
    ("prompt", "suffix"), [("", ""), ("\n", "\n\n"), ("x = ", ""), ("  ", "y")], ids=repr
)
def test_a_file_with_nothing_to_copy_gives_nothing(prompt: str, suffix: str) -> None:
    assert copy(task(prompt, "", suffix)) in ("", suffix)


def test_the_hole_itself_is_never_looked_at() -> None:
    other = task(REPEATED.prompt, "        something.else_entirely()\n", REPEATED.suffix)
    assert copy(other) == copy(REPEATED)


def test_a_line_by_itself_is_still_copied() -> None:
    assert whole_line(["only_line()"], []) == "only_line()"
    assert whole_line([], ["only_line()"]) == "only_line()"


def test_the_figures_are_means_without_white_space_at_the_ends() -> None:
    missed = task("", "abcd\n", "abxy\n")
    figures = report([REPEATED, STARTED, missed])
    assert figures.tasks == 3
    assert figures.exact_match == pytest.approx(2 / 3)
    assert figures.edit_similarity == pytest.approx((1 + 1 + 0.5) / 3)


def test_the_command_prints_json_and_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "training.copy_baseline", "--json", "--dataset"]
    dataset = tmp_path / "tasks.jsonl"
    dataset.write_text(json.dumps(vars(REPEATED)) + "\n")
    done = subprocess.run([*command, str(dataset)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"tasks": 1, "exact_match": 1.0, "edit_similarity": 1.0}
    missing = subprocess.run([*command, "no.jsonl"], capture_output=True, text=True)
    assert missing.returncode == 1
    assert "Received: no.jsonl" in missing.stderr
