"""No text is read or written in the system's code page, which is cp949 on Korean Windows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    file
    for place in ("app.py", "codegemma_ui", "benchmarks", "notebooks", "training")
    for file in ([ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py"))
)
MODE = re.compile(r"[rwaxbt+]{1,3}")


def unnamed(source: str) -> Iterator[int]:
    """Return the lines of calls that do not name a text's encoding."""
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call):
            continue
        given = {one.arg: one.value for one in call.keywords}
        if "encoding" in given:
            continue
        if any(_is_true(given.get(name)) for name in ("text", "universal_newlines")):
            yield call.lineno
            continue
        match call.func:
            case ast.Attribute(attr="read_text") if not call.args:
                yield call.lineno
            case ast.Attribute(attr="write_text") if len(call.args) < 2:
                yield call.lineno
            case ast.Attribute(attr="open", value=value) if not _is_module(value, "os"):
                mode = _mode(call.args[:1] or [given.get("mode", ast.Constant("r"))])
                if mode is not None and "b" not in mode:
                    yield call.lineno
            case ast.Name(id="open") | ast.Attribute(attr="fdopen"):
                mode = _mode(call.args[1:2] or [given.get("mode", ast.Constant("r"))])
                if mode is not None and "b" not in mode:
                    yield call.lineno


def _is_true(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and value.value is True


def _is_module(value: ast.expr, name: str) -> bool:
    return isinstance(value, ast.Name) and value.id == name


def _mode(values: list[ast.expr]) -> str | None:
    """Return a file's mode, or None if the argument of an unrelated `open` is no mode."""
    (value,) = values
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value if MODE.fullmatch(value.value) else None
    return None


@pytest.mark.parametrize(
    "call",
    [
        "path.read_text()",
        "path.write_text(text)",
        "path.open()",
        "path.open('a')",
        "open(path)",
        "open(path, 'w')",
        "os.fdopen(1, 'w')",
        "subprocess.run(command, text=True)",
    ],
)
def test_a_call_without_an_encoding_is_found(call: str) -> None:
    assert list(unnamed(call)) == [1]


@pytest.mark.parametrize(
    "call",
    [
        "path.read_text(encoding='utf-8')",
        "path.write_text(text, 'utf-8')",
        "path.open('rb')",
        "os.open(path, os.O_RDWR)",
        "Image.open(path)",
        "open(path, 'wb')",
        "subprocess.run(command, encoding='utf-8')",
    ],
)
def test_a_call_with_one_is_none(call: str) -> None:
    assert list(unnamed(call)) == []


def test_every_text_names_its_encoding() -> None:
    assert len(SOURCES) > 200
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in SOURCES
        for line in unnamed(file.read_text(encoding="utf-8"))
    ]
    assert found == []
