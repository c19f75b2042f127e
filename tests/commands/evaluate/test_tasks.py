"""Parsing of a dataset."""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from codegemma_ui.commands.evaluate import tasks
from codegemma_ui.errors import BadInput
from tests.commands.evaluate.own_tasks import make_task, write_dataset


def test_plain_and_gzip_hold_the_same_tasks_and_have_the_same_digest(tmp_path: Path) -> None:
    both = (make_task("own/1"), make_task("own/2", suffix="\u2028\n"))
    plain = tasks.read(write_dataset(tmp_path / "own.jsonl", both))
    compressed = tasks.read(write_dataset(tmp_path / "own.jsonl.gz", both))
    assert plain == compressed
    assert plain.tasks == both
    assert plain.name == "own"


def test_gzip_is_told_by_its_content(tmp_path: Path) -> None:
    line = json.dumps(asdict(make_task())).encode()
    (tmp_path / "zipped.jsonl").write_bytes(gzip.compress(line))
    (tmp_path / "plain.jsonl.gz").write_bytes(line)
    for name in ("zipped.jsonl", "plain.jsonl.gz"):
        assert tasks.read(tmp_path / name).tasks == (make_task(),)


def test_other_fields_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    line = json.dumps({**asdict(make_task()), "difficulty": 3})
    (tmp_path / "own.jsonl").write_text(f"\n{line}\r\n\n")
    assert tasks.read(tmp_path / "own.jsonl").tasks == (make_task(),)


GOOD = json.dumps(asdict(make_task()))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "at least one task. Received: none"),
        (f"{GOOD}\n{{broken\n", "line 2 must be a JSON object. Received: Expecting property"),
        ("[1]", "line 1 must be a JSON object. Received: list"),
        (GOOD.replace('"suffix"', '"sufix"'), "line 1: suffix must be a string. Received: no such"),
        (GOOD.replace('"own/add"', "7"), "line 1: task_id must be a string. Received: int"),
        (f"{GOOD}\n{GOOD}", "line 2: each task_id must be unique. Received: 'own/add' again"),
        (GOOD.replace("total", r"\ud800"), "valid Unicode. Received: a lone surrogate"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "own.jsonl").write_text(content)
    with pytest.raises(BadInput) as caught:
        tasks.read(tmp_path / "own.jsonl")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_and_a_cut_file_are_bad_input(tmp_path: Path) -> None:
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(GOOD.encode())[:-12])
    for name in ("missing.jsonl", "cut.jsonl.gz", "."):
        with pytest.raises(BadInput, match="readable file of JSON lines"):
            tasks.read(tmp_path / name)
