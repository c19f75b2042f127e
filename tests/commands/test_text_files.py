"""Files in common encodings are read, or rejected with the position of the error."""

from __future__ import annotations

import argparse
import codecs
import io
import json
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegemma_ui.commands import complete, text_files
from codegemma_ui.commands.evaluate import tasks
from codegemma_ui.errors import BadInput
from codegemma_ui.fim import BYTE_ORDER_MARK, scoring
from tests.commands.evaluate.own_tasks import make_task

PROGRAM = "def f():\n    return '한글 😀'\n"
MARKED = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_utf8_is_read_as_it_is(text: str) -> None:
    assert text_files.decode(text.encode(), "a.py") == text


@pytest.mark.parametrize("encoding", MARKED)
def test_a_marked_file_is_read_and_its_mark_stays_at_its_head(encoding: str) -> None:
    content = MARKED[encoding] + PROGRAM.encode(encoding)
    assert text_files.decode(content, "a.py") == BYTE_ORDER_MARK + PROGRAM


@pytest.mark.parametrize(
    ("content", "received"),
    [
        (b"x = 1\n# caf\xe9\n", "byte 0xE9 at offset 11 (line 2), where UTF-8 cannot have it."),
        ("# 한글".encode("cp949"), "byte 0xC7 at offset 2 (line 1), where UTF-8 cannot have it."),
        (
            "x = 1\n".encode("utf-16-le"),
            "a NUL in every second byte, as UTF-16 has it, and no mark",
        ),
        ("# 한 x = 1\n".encode("utf-16-be"), "a NUL in every second byte"),
        (b"\xff\xfex\0=", "byte 0x3D at offset 4 (line 1), where UTF-16-LE cannot have it."),
        (b"\x89PNG\r\n\x1a\n", "byte 0x89 at offset 0"),
    ],
)
def test_another_encoding_is_refused_with_the_place(content: bytes, received: str) -> None:
    with pytest.raises(BadInput) as caught:
        text_files.decode(content, "a.py")
    assert caught.value.message.startswith("a.py must be text in UTF-8")
    assert received in caught.value.message
    assert "iconv" in caught.value.hint


@pytest.mark.parametrize("content", [b"a\0b", b"\0", b"a\0b\0c d e f ", b""])
def test_a_nul_alone_is_no_sign_of_utf16(content: bytes) -> None:
    assert text_files.decode(content, "a.py") == content.decode()


# `complete`


def read(side: str, **given: str) -> str:
    sides = ("prefix", "suffix", "prefix_file", "suffix_file")
    return complete._side(argparse.Namespace(**dict.fromkeys(sides) | given), side)


@pytest.mark.parametrize("encoding", MARKED)
def test_a_mark_stays_at_the_programs_head_and_comes_nowhere_else(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = MARKED[encoding] + PROGRAM.encode(encoding)
    file = tmp_path / "a.py"
    file.write_bytes(content)
    assert read("prefix", prefix_file=str(file)) == BYTE_ORDER_MARK + PROGRAM
    assert read("suffix", suffix_file=str(file)) == PROGRAM
    for side in ("prefix", "suffix"):
        monkeypatch.setattr("sys.stdin", argparse.Namespace(buffer=io.BytesIO(content)))
        expected = BYTE_ORDER_MARK * (side == "prefix") + PROGRAM
        assert read(side, **{side: "-"}) == expected


# Datasets


@pytest.mark.parametrize("encoding", MARKED)
def test_a_marked_dataset_is_read(encoding: str, tmp_path: Path) -> None:
    text = "".join(json.dumps(asdict(make_task(f"own/{n}"))) + "\r\n" for n in (1, 2))
    (tmp_path / "own.jsonl").write_bytes(MARKED[encoding] + text.encode(encoding))
    assert tasks.read(tmp_path / "own.jsonl").tasks == (make_task("own/1"), make_task("own/2"))


def test_a_dataset_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    line = json.dumps(asdict(make_task(suffix="é")), ensure_ascii=False)
    (tmp_path / "own.jsonl").write_bytes(f"\n{line}".encode("latin-1"))
    with pytest.raises(BadInput, match=r"own\.jsonl must be text in UTF-8.* \(line 2\)"):
        tasks.read(tmp_path / "own.jsonl")


def test_a_program_with_a_mark_at_its_head_parses() -> None:
    assert scoring.parses(f"{BYTE_ORDER_MARK}x = 1\n")
    assert not scoring.parses(f"x = {BYTE_ORDER_MARK}1\n")
