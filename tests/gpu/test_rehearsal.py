"""The text of a rehearsal is small, comes from the standard library, and has the form of the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegemma_ui.commands.evaluate import tasks
from tools.gpu import rehearsal, text
from training import corpus
from training.held_out import KINDS


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rehearsal")
    rehearsal.make(folder)
    return folder


def test_it_is_unpacked_as_the_real_text(made: Path, tmp_path: Path) -> None:
    found = text.unpack(made, tmp_path, processes=1)
    assert found["pieces"] == found["of_pieces"] == 1
    assert 300_000 < found["text_bytes"] < 5_000_000
    packages = {file.package for file in corpus.load(tmp_path / "corpus" / "train.jsonl")}
    assert {"asyncio", "http"} <= packages
    assert not packages & set(rehearsal.HELD_OUT)


def test_it_has_tasks_of_each_kind(made: Path, tmp_path: Path) -> None:
    text.unpack(made, tmp_path, processes=1)
    for kind in KINDS:
        assert len(tasks.read(tmp_path / "held_out" / f"{kind}.jsonl").tasks) == rehearsal.TASKS


def test_each_begins_anew_and_leaves_what_is_not_its_own(tmp_path: Path) -> None:
    for name in ("training/small/checkpoint.pt", "out/train-small.json", "notes/mine.txt"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    rehearsal.make(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"source", "text-1", "small", "notes"}
