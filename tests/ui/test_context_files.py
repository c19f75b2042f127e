"""Other files as one text: parsed, written, and parsed again."""

from __future__ import annotations

import pytest

from codegemma_ui import fim
from codegemma_ui.ipc.messages import MAX_FILES, parse_request
from codegemma_ui.ui.context_files import read, write

A = {"path": "src/a.py", "text": "def a():\n    return 1\n"}
B = {"path": "b.py", "text": "B = 2"}


def test_files_stand_between_separators() -> None:
    text = "src/a.py\ndef a():\n    return 1\n<|file_separator|>b.py\nB = 2"
    assert read(text) == [A, B]


@pytest.mark.parametrize("files", [[], [A], [A, B], [B, A, B], [{"path": "empty.py", "text": ""}]])
def test_what_is_written_is_read_back(files: list[dict[str, str]]) -> None:
    assert read(write(files)) == files


def test_blank_lines_before_a_path_are_nobodys() -> None:
    assert read("\n\nsrc/a.py\ndef a():\n    return 1\n<|file_separator|>\n\nb.py\nB = 2") == [A, B]


@pytest.mark.parametrize("text", [None, "", "\n", "<|file_separator|>", " \n<|file_separator|>\n"])
def test_nothing_is_no_file(text: str | None) -> None:
    assert read(text) == []


def test_the_text_of_a_file_is_kept_byte_for_byte() -> None:
    assert read("a.py\n\n  x\t\n\n") == [{"path": "a.py", "text": "\n  x\t\n\n"}]


def test_a_byte_order_mark_is_no_part_of_path_or_text() -> None:
    assert read("\ufeff\na.py\n\ufeffA = '\ufeff'\n") == [
        {"path": "a.py", "text": "A = '\ufeff'\n"}
    ]


def test_a_request_takes_them_as_they_are_read() -> None:
    request = parse_request({"files": read(write([A] * MAX_FILES))}, 1024)
    assert request.files == (fim.File(A["path"], A["text"]),) * MAX_FILES
