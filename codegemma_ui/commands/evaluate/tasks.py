"""Datasets of infilling tasks: JSON lines, plain or gzip, as published for HumanEval-Infilling.

The format is that of https://github.com/openai/human-eval-infilling: the text before the gap, the text after
it, the original text of the gap, and a test that calls the whole program.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from dataclasses import dataclass, fields
from pathlib import Path

from codegemma_ui.commands import text_files
from codegemma_ui.errors import BadInput
from codegemma_ui.fim import BYTE_ORDER_MARK

_GZIP_MAGIC = b"\x1f\x8b"  # https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1


@dataclass(frozen=True, kw_only=True)
class Task:
    """One gap to fill.

    Attributes:
        task_id: unique in its dataset.
        prompt: the program before the gap.
        suffix: the program after the gap.
        canonical_solution: the original text of the gap.
        test: source that defines `check(candidate)`; blank if there is none.
        entry_point: the function passed to `check`.
    """

    task_id: str
    prompt: str
    suffix: str
    canonical_solution: str
    test: str
    entry_point: str


@dataclass(frozen=True)
class Dataset:
    """The tasks of a file.

    Attributes:
        name: file name, without `.jsonl` and `.gz`.
        sha256: hash of the content, whether compressed or not.
        tasks: in the file's order.
    """

    name: str
    sha256: str
    tasks: tuple[Task, ...]


def read(path: Path) -> Dataset:
    """Read a whole dataset; gzip is detected by its first bytes, not by the name.

    Raises:
        BadInput: names the line, the expected and the received value.
    """
    content = _content(path)
    text = text_files.decode(content, str(path)).removeprefix(BYTE_ORDER_MARK)
    tasks: dict[str, Task] = {}
    # Not splitlines(): a JSON string may contain U+2028 and the like.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        task = _task(line, f"{path} line {number}")
        if task.task_id in tasks:
            raise BadInput(
                f"{path} line {number}: each task_id must be unique. Received: {task.task_id!r} again"
            )
        tasks[task.task_id] = task
    if not tasks:
        raise BadInput(f"--dataset must contain at least one task. Received: none in {path}")
    name = path.name.removesuffix(".gz").removesuffix(".jsonl")
    return Dataset(name, hashlib.sha256(content).hexdigest(), tuple(tasks.values()))


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(_GZIP_MAGIC) else content
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(
            f"--dataset must be a readable file of JSON lines, plain or gzip. Received: {path} ({error})"
        ) from error


def _task(line: str, where: str) -> Task:
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where} must be a JSON object. Received: {error}") from error
    if not isinstance(raw, dict):
        raise BadInput(f"{where} must be a JSON object. Received: {type(raw).__name__}")
    values: dict[str, str] = {}
    for field in fields(Task):
        value = raw.get(field.name)
        if not isinstance(value, str):
            received = type(value).__name__ if field.name in raw else "no such field"
            raise BadInput(f"{where}: {field.name} must be a string. Received: {received}")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise BadInput(
                f"{where}: {field.name} must be valid Unicode. Received: a lone surrogate"
            )
        values[field.name] = value
    return Task(**values)
