"""The results file of a run: it allows a run to be resumed, and never mixes two runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from codegemma_ui.commands.evaluate.results import ResultsFile, RunSettings
from codegemma_ui.errors import BadInput
from tests.commands.evaluate.own_tasks import result

MADE = RunSettings(
    dataset="own",
    dataset_sha256="d" * 64,
    preset="bundled",
    model="m" * 64,
    backend="jax",
    layout="psm",
    hide_suffix=False,
    max_new_tokens=96,
)
ONE, TWO = result(task_id="own/1", middle="한글\n"), result(task_id="own/2")


def written(path: Path) -> Path:
    with ResultsFile(path, MADE) as file:
        file.settle_dtype("float32")
        file.add(ONE)
        file.add(TWO)
    return path


def test_what_was_written_is_there_again(tmp_path: Path) -> None:
    path = written(tmp_path / "new folder" / "own.jsonl")
    with ResultsFile(path, MADE) as file:
        assert file.done == {"own/1": ONE, "own/2": TWO}
        assert file.dtype == "float32"


def test_each_result_is_in_the_file_before_the_next_begins(tmp_path: Path) -> None:
    with ResultsFile(tmp_path / "own.jsonl", MADE) as file:
        file.settle_dtype("float32")
        file.add(ONE)
        assert (tmp_path / "own.jsonl").read_bytes().count(b"\n") == 2


def test_the_later_line_of_a_task_counts(tmp_path: Path) -> None:
    path = written(tmp_path / "own.jsonl")
    with ResultsFile(path, MADE) as file:
        file.add(replace(ONE, passed=True))
    with ResultsFile(path, MADE) as file:
        assert file.done["own/1"].passed


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_a_torn_last_line_is_dropped_and_written_again(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path / "own.jsonl")
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    with ResultsFile(path, MADE) as file:
        assert file.done == {"own/1": ONE}
        file.add(TWO)
    assert path.read_bytes() == whole


def test_a_torn_first_line_is_a_new_file(tmp_path: Path) -> None:
    path = written(tmp_path / "own.jsonl")
    path.write_bytes(path.read_bytes()[:30])
    with ResultsFile(path, MADE) as file:
        assert (file.done, file.dtype) == ({}, None)
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dataset_sha256": "e" * 64}, "dataset_sha256 dddddddddddd. Received: dataset_sha256 eee"),
        ({"preset": "code_gemma_2b_en"}, "preset bundled. Received: preset code_gemma_2b_en"),
        ({"model": "n" * 64}, "model mmmmmmmmmmmm. Received: model nnnnnnnnnnnn"),
        ({"backend": "torch"}, "backend jax. Received: backend torch"),
        ({"layout": "spm"}, "layout psm. Received: layout spm"),
        ({"hide_suffix": True}, "hide_suffix False. Received: hide_suffix True"),
        ({"max_new_tokens": 64}, "max_new_tokens 96. Received: max_new_tokens 64"),
    ],
)
def test_results_of_other_settings_are_refused(tmp_path: Path, change: dict, said: str) -> None:
    path = written(tmp_path / "own.jsonl")
    before = path.read_bytes()
    with pytest.raises(BadInput) as caught:
        ResultsFile(path, replace(MADE, **change))
    assert said in str(caught.value)
    assert "--results" in caught.value.hint
    assert path.read_bytes() == before


def test_another_precision_is_refused_once_the_model_is_up(tmp_path: Path) -> None:
    with ResultsFile(written(tmp_path / "own.jsonl"), MADE) as file:
        with pytest.raises(BadInput, match=r"dtype float32. Received: dtype bfloat16"):
            file.settle_dtype("bfloat16")
        file.settle_dtype("float32")


def test_a_dataset_may_be_renamed(tmp_path: Path) -> None:
    with ResultsFile(written(tmp_path / "own.jsonl"), replace(MADE, dataset="moved")) as file:
        assert len(file.done) == 2


def test_a_file_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    for content in (b'{"task_id": "own/1"}\n', b"notes", b"\n"):
        (tmp_path / "mine").write_bytes(content)
        with pytest.raises(BadInput, match="one of an earlier run"):
            ResultsFile(tmp_path / "mine", MADE)
        assert (tmp_path / "mine").read_bytes() == content
    with pytest.raises(BadInput, match="writable file"):
        ResultsFile(tmp_path, MADE)


def test_a_damaged_line_is_told_with_its_number(tmp_path: Path) -> None:
    path = written(tmp_path / "own.jsonl")
    header, first, last = path.read_text().splitlines()
    for damaged in (first[:-5], "[]", '{"task_id":"own/1"}'):
        path.write_text("\n".join((header, damaged, last, "")))
        with pytest.raises(BadInput, match="line 2 must be a line written by an earlier run"):
            ResultsFile(path, MADE)


def test_two_runs_cannot_write_to_one_file(tmp_path: Path) -> None:
    with ResultsFile(tmp_path / "own.jsonl", MADE):
        with pytest.raises(BadInput, match="in use"):
            ResultsFile(tmp_path / "own.jsonl", MADE)
    ResultsFile(tmp_path / "own.jsonl", MADE).__exit__(None, None, None)
