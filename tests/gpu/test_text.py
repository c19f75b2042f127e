"""The training text comes back byte for byte, whatever parts have come."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.gpu import text
from training import corpus
from training.corpus import SourceFile
from training.held_out import KINDS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "training"
    (folder / "corpus").mkdir(parents=True)
    files = [SourceFile(f"package-{n}", "1", "a.py", f"x = '한글 {n}'\n" * 400) for n in range(90)]
    corpus.write(folder / "corpus" / "train.jsonl", files)
    (folder / "vocabulary.spm").write_bytes(b"pieces")
    (folder / "held_out").mkdir()
    for kind in KINDS:
        (folder / "held_out" / f"{kind}.jsonl").write_text('{"task_id": 1}\n')
    return folder


def test_it_comes_back_as_it_was(folder: Path, tmp_path: Path) -> None:
    parts, there = tmp_path / "gpu", tmp_path / "there"
    count = text.pack(folder, parts, part_bytes=2_000, piece_bytes=100_000, processes=1)
    assert count > 1
    for part in parts.glob("text-*"):
        assert sum(path.stat().st_size for path in part.iterdir()) <= 2_000
    whole = (folder / "corpus" / "train.jsonl").read_bytes()
    found = text.unpack(parts, there, processes=1)
    assert found["text_bytes"] == len(whole)
    assert found["pieces"] == found["of_pieces"] > 1
    assert (there / "corpus" / "train.jsonl").read_bytes() == whole
    for name in ("vocabulary.spm", "held_out/single_line.jsonl"):
        assert (there / name).read_bytes() == (folder / name).read_bytes()


def test_parts_that_have_come_are_whole_lines(folder: Path, tmp_path: Path) -> None:
    parts = tmp_path / "gpu"
    count = text.pack(folder, parts, part_bytes=2_000, piece_bytes=100_000, processes=1)
    for piece in (parts / f"text-{count}").iterdir():
        piece.unlink()
    found = text.unpack(parts, tmp_path / "there", processes=1)
    assert found["pieces"] < found["of_pieces"]
    some = list(corpus.load(tmp_path / "there" / "corpus" / "train.jsonl"))
    assert 0 < len(some) < 90
    assert some[0].package == "package-0"


def test_few_cores_take_a_part_of_every_part(folder: Path, tmp_path: Path) -> None:
    parts, there = tmp_path / "gpu", tmp_path / "there"
    text.pack(folder, parts, piece_bytes=50_000, processes=1)
    count = len(list(parts.glob("text-*/*.xz")))
    assert count > 8
    for most, pieces in ((0, 1), (count // 2 * text.PIECE_BYTES, count // 2)):
        found = text.unpack(parts, there, processes=1, most_bytes=most)
        assert (found["pieces"], found["of_pieces"]) == (pieces, count)
    numbers = [
        int(file.package.partition("-")[2])
        for file in corpus.load(there / "corpus" / "train.jsonl")
    ]
    assert min(numbers) == 0
    assert max(numbers) > 80 * (count - 2) // count
    whole = text.unpack(parts, there, processes=1, most_bytes=count * text.PIECE_BYTES)
    assert whole["pieces"] == count


@pytest.mark.parametrize("name", ["corpus/train.jsonl", "held_out/multi_line.jsonl"])
def test_what_is_missing_is_told_and_the_old_parts_stay(
    folder: Path, tmp_path: Path, name: str
) -> None:
    parts = tmp_path / "gpu"
    text.pack(folder, parts, processes=1)
    before = sorted(parts.rglob("*"))
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        text.pack(folder, parts, processes=1)
    assert sorted(parts.rglob("*")) == before


def test_no_part_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="parts of the text"):
        text.unpack(tmp_path, tmp_path / "there")
