"""Tasks are cut from held-out files, at lines that are not in the corpus."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from codegemma_ui.commands.evaluate import tasks
from codegemma_ui.commands.evaluate.tasks import Task
from training.corpus import SourceFile, write
from training.held_out import (
    BLOCK_LINES,
    KINDS,
    PER_FILE,
    SPAN_CHARACTERS,
    Pool,
    TooLittleText,
    drawable_lines,
    write_held_out,
)

SHARES = {"single_line": 12, "rest_of_line": 10, "multi_line": 8, "random_span": 8}

EVERY_KIND_OF_LINE = '''\
"""A module's docstring, long enough."""

import collections.abc

TOP_LEVEL_VALUE = 12345678


@registered("a decorator")
def outer(first_argument, second_argument="default"):
    """A docstring of one line."""
    import this_is_not_drawn
    from package_of_names import (
        first_name_of_two,
    )
    # A comment that is long enough.
    kept_one = first_argument + 1  # with a comment behind it
    text = """a string of several lines
    kept_out = inside_of_the_string
    """
    "a bare string, which does nothing"
    x = 1
    @decorated_too("inner")
    def inner():
        return kept_two(first_argument)
    class Local:
        attribute_value = "é" * 3
    joined = ("implicitly joined, "
              "which is code")
    return inner, kept_one, text, joined, Local

def one_line_function(): return "not a body of its own"
'''

DRAWABLE = [
    ("kept_one = first_argument + 1  # with a comment behind it", "outer"),
    ('@decorated_too("inner")', "outer"),
    ("def inner():", "outer"),
    ("return kept_two(first_argument)", "inner"),
    ("class Local:", "outer"),
    ('attribute_value = "é" * 3', "outer"),
    ('joined = ("implicitly joined, "', "outer"),
    ('"which is code")', "outer"),
    ("return inner, kept_one, text, joined, Local", "outer"),
]


def module(name: str, functions: int) -> str:
    """Return a source file of its own vocabulary, with docstrings, comments and blank lines."""
    parts = [f'"""Module {name}."""\n\nimport os\n']
    for number in range(functions):
        own = f"{name}_{number}"
        parts.append(
            f"\n\ndef function_{own}(values):\n"
            f'    """Do what {own} does."""\n'
            f"    # a comment of {own}\n"
            f"    total_{own} = sum(values) + {number}\n"
            f"    if total_{own} > len(values):\n"
            f"        raise ValueError(total_{own}, os.sep)\n"
            "\n"
            "    shared = os.getcwd()\n"
            f"    return shared, total_{own} * 2\n"
        )
    return "".join(parts)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a corpus: two training files, and two held-out packages, a large and a small one."""
    (tmp_path / "corpus").mkdir()
    train = [
        SourceFile("known", "1", "known/a.py", module("known", 3)),
        SourceFile("known", "1", "known/b.py", "shared = os.getcwd()\n"),
    ]
    kept = [SourceFile("large", "2", f"large/m{at}.py", module(f"large{at}", 4)) for at in range(9)]
    kept.append(SourceFile("small", "3", "small/one.py", module("small", 9)))
    kept.append(SourceFile("small", "3", "small/broken.py", "def broken(:\n    some_value = 1\n"))
    write(tmp_path / "corpus" / "train.jsonl", train)
    write(tmp_path / "corpus" / "held_out.jsonl", kept)
    return tmp_path


@pytest.fixture
def texts(folder: Path) -> dict[str, str]:
    """Return the texts of the held-out files, by package and path."""
    with (folder / "corpus" / "held_out.jsonl").open() as lines:
        files = [SourceFile(**json.loads(line)) for line in lines]
    return {f"{file.package}/{file.path}": file.text for file in files}


@pytest.fixture
def drawn(folder: Path) -> dict[str, list[Task]]:
    """Return the tasks drawn from that corpus."""
    return write_held_out(folder, shares=SHARES)


def first_line(task: Task) -> str:
    """Return the whole line in which a task's hole starts."""
    head = task.prompt.rpartition("\n")[2]
    return (head + task.canonical_solution + task.suffix).split("\n")[0]


def test_only_code_inside_functions_is_drawn() -> None:
    lines = EVERY_KIND_OF_LINE.split("\n")
    found = [
        (lines[line.number].strip(), line.function) for line in drawable_lines(EVERY_KIND_OF_LINE)
    ]
    assert found == DRAWABLE


def test_an_f_string_of_several_lines_is_left_out() -> None:
    text = (
        'def f(a):\n    b = f"""{a} and\n    more = {a!r}\n    """ + other\n    return b + other\n'
    )
    assert [line.number for line in drawable_lines(text)] == [4]


@pytest.mark.parametrize(
    "text",
    [
        "def f(:\n    some_value = 1\n",
        "def f():\n    '''open\n    some_value = 1\n",
        "def f():\n    some_value = 1\r    other_value = 2\n",
        "def f():\n    some_value = '\0'\n",
    ],
    ids=["syntax", "open string", "carriage return", "null"],
)
def test_a_file_that_does_not_parse_is_left_out(text: str) -> None:
    assert drawable_lines(text) == []


@pytest.mark.parametrize(
    "name", ["HumanEval", "human_eval", "Human-Eval", "HUMANEVAL", "mbpp", "MBPP+"]
)
def test_a_file_that_names_a_public_test_set_is_left_out(name: str) -> None:
    text = "def f():\n    some_value = 1\n"
    assert len(drawable_lines(text)) == 1
    assert drawable_lines(f"# from {name}\n{text}") == []


def test_a_line_count_does_not_stumble_over_other_separators() -> None:
    text = "def f():\n    page = '\x0c'\n    some_value = '\u2028'\n    return some_value\n"
    lines = text.split("\n")
    assert [lines[line.number].strip() for line in drawable_lines(text)][-1] == "return some_value"


def test_every_kind_has_its_number_of_tasks(folder: Path, drawn: dict[str, list[Task]]) -> None:
    assert {kind: len(found) for kind, found in drawn.items()} == SHARES
    assert {kind: number for kind, (_, number) in KINDS.items()} == {
        "single_line": 500,
        "rest_of_line": 300,
        "multi_line": 200,
        "random_span": 200,
    }


def test_the_files_are_in_the_form_that_eval_reads(
    folder: Path, drawn: dict[str, list[Task]]
) -> None:
    for kind, found in drawn.items():
        assert tasks.read(folder / "held_out" / f"{kind}.jsonl").tasks == tuple(found)


def test_prompt_solution_and_suffix_join_to_the_file(
    drawn: dict[str, list[Task]], texts: dict[str, str]
) -> None:
    for kind, found in drawn.items():
        for task in found:
            path = task.task_id.removeprefix(f"{kind}/").rpartition("/")[0]
            assert task.prompt + task.canonical_solution + task.suffix == texts[path]
            assert task.test == ""
            assert f"def {task.entry_point}(" in task.prompt


def test_no_hole_starts_in_a_line_that_the_corpus_has(drawn: dict[str, list[Task]]) -> None:
    lines = [first_line(task).strip() for found in drawn.values() for task in found]
    assert "shared = os.getcwd()" not in lines
    assert all("known" not in line for line in lines)


def test_no_line_is_drawn_twice_whatever_the_kind(drawn: dict[str, list[Task]]) -> None:
    lines = Counter(first_line(task).strip() for found in drawn.values() for task in found)
    assert set(lines.values()) == {1}


def test_a_single_line_is_whole(drawn: dict[str, list[Task]]) -> None:
    for task in drawn["single_line"]:
        assert task.prompt.endswith("\n")
        assert task.canonical_solution.endswith("\n")
        assert task.canonical_solution.count("\n") == 1


def test_the_rest_of_a_line_starts_at_a_token_and_leaves_the_line_end(
    drawn: dict[str, list[Task]],
) -> None:
    for task in drawn["rest_of_line"]:
        head = task.prompt.rpartition("\n")[2]
        assert head.strip()
        assert len("".join(task.canonical_solution.split())) >= 4
        assert "\n" not in task.canonical_solution
        assert task.suffix.startswith("\n")
        assert not (head[-1].isalnum() and task.canonical_solution[0].isalnum())


def test_several_lines_stay_inside_one_body(drawn: dict[str, list[Task]]) -> None:
    fewest, most = BLOCK_LINES
    for task in drawn["multi_line"]:
        assert task.prompt.endswith("\n")
        assert fewest <= task.canonical_solution.count("\n") <= most
        assert task.canonical_solution.endswith("\n")
        assert "def " not in task.canonical_solution


def test_a_random_span_stays_inside_one_body(drawn: dict[str, list[Task]]) -> None:
    shortest, longest = SPAN_CHARACTERS
    for task in drawn["random_span"]:
        assert shortest <= len(task.canonical_solution) <= longest
        assert "def " not in task.canonical_solution


def test_packages_are_drawn_alike_and_no_file_gives_many(folder: Path) -> None:
    found = write_held_out(folder, shares=dict.fromkeys(KINDS, 6))["single_line"]
    files = Counter(task.task_id.rpartition("/")[0] for task in found)
    assert max(files.values()) <= PER_FILE


def test_a_file_gives_more_where_there_is_no_other() -> None:
    pool = Pool([SourceFile("small", "1", "small/one.py", module("small", 9))], [])
    make, _ = KINDS["single_line"]
    assert len(pool.tasks("single_line", make, 4 * PER_FILE, random.Random(0))) == 4 * PER_FILE


def test_the_same_seed_gives_the_same_bytes(folder: Path) -> None:
    def written(seed: int) -> list[bytes]:
        write_held_out(folder, seed, SHARES)
        return [(folder / "held_out" / f"{kind}.jsonl").read_bytes() for kind in KINDS]

    first = written(0)
    assert written(1) != first
    assert written(0) == first


def test_too_little_text_is_told(folder: Path) -> None:
    with pytest.raises(TooLittleText, match=r"more packages\. Received: 11 files"):
        write_held_out(folder, shares={"single_line": 1000})


def test_the_command_says_what_it_lacks(folder: Path) -> None:
    command = [sys.executable, "-m", "training.held_out", "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "500 tasks of the kind single_line were expected" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_task_is_plain_json(folder: Path, drawn: dict[str, list[Task]]) -> None:
    first = (folder / "held_out" / "single_line.jsonl").read_text().split("\n")[0]
    assert json.loads(first) == asdict(drawn["single_line"][0])
