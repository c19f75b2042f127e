"""Parsing of responses by the llama.cpp subject."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.speed.engine.llama_cpp_files import gguf_file
from benchmarks.speed.engine.subject import Arrivals

pytest.importorskip("xllamacpp")
llama_cpp = pytest.importorskip("benchmarks.speed.engine.llama_cpp")


def test_what_was_held_back_came_with_the_next_token() -> None:
    came = Arrivals(token_ids=[7, 9, 7], seconds=[0.1, 0.4, 0.5])
    whole = [7, 231, 180, 9, 7, 240]
    assert llama_cpp.aligned(came, whole, ended_s=0.9) == [0.1, 0.4, 0.4, 0.4, 0.5, 0.9]


def test_what_was_held_back_to_the_end_came_then() -> None:
    assert llama_cpp.aligned(Arrivals(), [240, 159], ended_s=0.3) == [0.3, 0.3]


def test_a_folder_stands_for_the_file_in_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="must hold a"):
        gguf_file(tmp_path)
    file = tmp_path / "model.gguf"
    file.touch()
    assert gguf_file(tmp_path) == gguf_file(file) == file


def test_the_build_names_its_instruction_sets() -> None:
    assert llama_cpp.cpu_features()
