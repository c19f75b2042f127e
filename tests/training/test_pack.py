"""The corpus as packed turns: new holes each time, or files of its own each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from codegemma_ui.presets import BUNDLED_FOLDER
from training import corpus, pack
from training.corpus import SourceFile
from training.pack import Turn

TEXT = Path(__file__).read_text()


@pytest.fixture
def text(tmp_path: Path) -> Path:
    vocabulary = BUNDLED_FOLDER / "assets" / "tokenizer" / "vocabulary.spm"
    (tmp_path / "vocabulary.spm").write_bytes(vocabulary.read_bytes())
    (tmp_path / "corpus").mkdir()
    files = [SourceFile(f"package-{n}", "1", "a.py", TEXT + f"# {n}\n") for n in range(12)]
    corpus.write(tmp_path / "corpus" / "train.jsonl", files)
    return tmp_path


def windows(folder: Path, turn: int) -> np.ndarray:
    with np.load(pack.turn_folder(folder, turn) / "windows.npz") as arrays:
        return arrays["ids"]


def test_each_turn_has_other_holes_and_a_turn_is_always_the_same(text: Path) -> None:
    for turn in (Turn(0, 2), Turn(1, 2)):
        pack.pack(text, turn, 1)
    first, second = windows(text, 0), windows(text, 1)
    assert not np.array_equal(first, second)
    pack.pack(text, Turn(0, 2), 2)
    assert np.array_equal(windows(text, 0), first)


def test_turns_may_have_files_of_their_own(text: Path) -> None:
    seen = []
    for number in range(3):
        files = [file for *_, some in pack.jobs(text, Turn(number, 3, True)) for file in some]
        seen += [file.package for file in files]
    assert sorted(seen) == sorted(f"package-{n}" for n in range(12))
    every = [file for *_, some in pack.jobs(text, Turn(1, 3)) for file in some]
    assert len(every) == 12


def test_text_repeats_where_a_later_turn_has_the_same_files() -> None:
    assert [Turn(n, 3).repeats for n in range(3)] == [False, True, True]
    assert not any(Turn(n, 3, True).repeats for n in range(3))
    assert [Turn(n, 3).hard for n in range(3)] == [0.0, 0.5, 1.0]
