"""An export is written completely or not at all, and never touches other files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from codegemma_ui.commands.export import folder
from codegemma_ui.commands.export.folder import UNFINISHED, Origin
from codegemma_ui.errors import BadInput, EngineError
from codegemma_ui.presets import EXPORT_FILE as MARK

MADE = Origin("bundled", "gguf", "float16")


def writing(**files: str) -> Callable[[Path], None]:
    def work(place: Path) -> None:
        for name, text in files.items():
            (place / name).write_text(text)

    return work


def breaking(place: Path) -> None:
    (place / "half").write_text("half")
    raise RuntimeError("half way")


def names(place: Path) -> set[str]:
    return {file.name for file in place.iterdir()}


def test_files_are_there_with_a_mark_that_says_whose_they_are(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    folder.check(out)
    assert folder.write(out, MADE, 10, writing(a="1", b="22")) == [out / "a", out / "b"]
    assert names(out) == {"a", "b", MARK}
    assert json.loads((out / MARK).read_text()) == {
        "made": {"preset": "bundled", "format": "gguf", "dtype": "float16"},
        "files": ["a", "b"],
    }


def test_the_same_export_is_written_anew_without_what_it_no_longer_has(tmp_path: Path) -> None:
    folder.write(tmp_path, MADE, 10, writing(a="1", b="22"))
    folder.check(tmp_path)
    folder.check_same(tmp_path, MADE)
    folder.write(tmp_path, MADE, 10, writing(a="new", c="3"))
    assert names(tmp_path) == {"a", "c", MARK}
    assert (tmp_path / "a").read_text() == "new"


def test_what_breaks_half_way_leaves_the_older_export_whole(tmp_path: Path) -> None:
    folder.write(tmp_path, MADE, 10, writing(a="1"))
    with pytest.raises(RuntimeError, match="half way"):
        folder.write(tmp_path, MADE, 10, breaking)
    assert names(tmp_path) == {"a", MARK}
    assert (tmp_path / "a").read_text() == "1"


def test_what_breaks_half_way_leaves_no_new_folder(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="half way"):
        folder.write(tmp_path / "new" / "out", MADE, 10, breaking)
    assert names(tmp_path) == set()


def test_what_a_killed_export_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / UNFINISHED).mkdir()
    (tmp_path / UNFINISHED / "old").write_text("half")
    folder.check(tmp_path)
    folder.write(tmp_path, MADE, 10, writing(a="1"))
    assert names(tmp_path) == {"a", MARK}


def test_another_export_there_is_refused(tmp_path: Path) -> None:
    folder.write(tmp_path, MADE, 10, writing(a="1"))
    with pytest.raises(BadInput, match="with bundled as gguf in float16"):
        folder.check_same(tmp_path, Origin("bundled", "gguf", "q8_0"))


@pytest.mark.parametrize("mark", [None, "{", '{"files": ["notes.txt"]}', '{"made": 1, "files": 2}'])
def test_a_folder_with_somebodys_files_is_refused(tmp_path: Path, mark: str | None) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    if mark is not None:
        (tmp_path / MARK).write_text(mark)
    with pytest.raises(BadInput, match=r"new or empty folder.*notes.txt"):
        folder.check(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BadInput, match="must be a folder"):
        folder.check(tmp_path / "file")


def test_a_mark_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    out = tmp_path / "out"
    folder.write(out, MADE, 10, writing(a="1"))
    mark = json.loads((out / MARK).read_text())
    (out / MARK).write_text(json.dumps({**mark, "files": ["a", "../mine.txt"]}))
    folder.check(out)
    folder.write(out, MADE, 10, writing(b="2"))
    assert names(out) == {"b", MARK}
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_full_disk_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="are free on the disk") as caught:
        folder.write(tmp_path / "out", MADE, 10**18, writing(a="1"))
    assert caught.value.code == "disk_full"
    assert names(tmp_path) == set()


def test_a_folder_that_cannot_be_written_is_readable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(EngineError, match="could not be written"):
        folder.write(tmp_path / "file" / "out", MADE, 10, writing(a="1"))


def test_a_place_that_cannot_be_written_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BadInput, match="must be a writable folder"):
        folder.check(tmp_path / "file" / "out")
    folder.check(tmp_path / "new" / "out")
    assert names(tmp_path) == {"file"}
    folder.check(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    folder.check(tmp_path / "empty")
    assert names(tmp_path) == {"file", "empty"}


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(BadInput, match="must be a writable folder"):
            folder.check(tmp_path / "out")
    finally:
        tmp_path.chmod(0o700)
