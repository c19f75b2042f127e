"""Results file of a run: a header line with its settings, then one line per task.

Lines are only ever appended, each flushed at once, so an interrupted run loses at most the current task. A
task may occur twice, first without its test and then with it: the later line counts. A truncated last line is
dropped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from codegemma_ui.errors import BadInput
from codegemma_ui.ipc.messages import to_json

LOCK_S = 1.0
"""Seconds until a file in use by another run is refused. Not at once: a process that is just being started
inherits open files until it runs its own program."""

_KIND = {"evaluation": 1}
"""First key of the header, and the version of this format."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Settings that a middle depends on, besides the precision, which is known only after loading.

    Results that differ in any of it must not be in one file.

    Attributes:
        dataset_sha256: hash of the dataset's content.
        model: a digest of a local preset's `metadata.json`, which changes whenever it is saved, or the handle
            of one on a hub.
        hide_suffix: whether the model got an empty suffix.
    """

    dataset: str
    dataset_sha256: str
    preset: str
    model: str
    backend: str
    layout: str
    hide_suffix: bool
    max_new_tokens: int


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """Result of one task.

    Attributes:
        stop_token: the token that ended the middle, or None if `max_new_tokens` did.
        stopped: the model ended the middle by itself within `max_new_tokens`.
        parses: prompt, middle and suffix together are valid Python.
        trimmed_tokens: cut from prompt and suffix to leave room for the middle in the context.
        seconds: from the request to its last event.
        passed: the task's test accepted the program; None if it was not run.
        failure: why not: an exception's name, "time limit", "ended early"; else None.
    """

    task_id: str
    middle: str
    stop_token: str | None
    exact_match: bool
    edit_similarity: float
    stopped: bool
    parses: bool
    prompt_tokens: int
    completion_tokens: int
    trimmed_tokens: int
    seconds: float
    passed: bool | None = None
    failure: str | None = None


class ResultsFile:
    """An open results file, locked against a second run by a file beside it; use it in a `with`.

    Args:
        path: created with its folder if missing.
        made: settings of this run.

    Attributes:
        done: task_id -> result, for the file's contents.
        dtype: precision of the file's results; None in a new one until `settle_dtype`.

    Raises:
        BadInput: it has other settings, is not a results file, is damaged, or is in use.
    """

    def __init__(self, path: Path, made: RunSettings) -> None:
        self.path = path
        self.done: dict[str, TaskResult] = {}
        self.dtype: str | None = None
        self._made = made
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("a+b")
        except OSError as error:
            raise BadInput(f"--results must be a writable file. Received: {error}") from error
        self._lock = FileLock(f"{path}.lock")
        try:
            self._acquire()
            self._read()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> ResultsFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close and unlock the file."""
        self._file.close()
        self._lock.release()

    def settle_dtype(self, dtype: str) -> None:
        """Require the loaded precision; a new file gets its header now.

        Raises:
            BadInput: the file has results in another precision.
        """
        if self.dtype is None:
            self.dtype = dtype
            self._write({**_KIND, **asdict(self._made), "dtype": dtype})
        elif self.dtype != dtype:
            raise self._made_otherwise({"dtype": self.dtype}, {"dtype": dtype})

    def add(self, result: TaskResult) -> None:
        """Write a result; on return, the system has it."""
        self._write(asdict(result))
        self.done[result.task_id] = result

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(to_json(line).encode() + b"\n")
        self._file.flush()

    def _acquire(self) -> None:
        try:
            self._lock.acquire(timeout=LOCK_S)
        except Timeout as error:
            raise BadInput(
                f"A results file belongs to one run at a time. Received: {self.path}, in use.",
                "Wait for the other run, or choose another file with --results.",
            ) from error
        except (OSError, NotImplementedError) as error:  # the folder's file system has no locks
            raise BadInput(
                f"--results must be on a file system that supports locks. Received: {error}",
                "Choose a file on a local disk with --results.",
            ) from error

    def _read(self) -> None:
        self._file.seek(0)
        content = self._file.read()
        whole, _, torn = content.rpartition(b"\n")
        start = to_json(_KIND).removesuffix("}").encode()
        if not content.startswith(start[: len(content)]):
            raise BadInput(
                f"--results must be a new file or one of an earlier run. Received: {self.path}"
            )
        if whole:
            header, *lines = whole.split(b"\n")
            self._check(self._parsed(header, 1))
            for number, line in enumerate(lines, start=2):
                result = self._result(line, number)
                self.done[result.task_id] = result
        if torn:  # only now: other files are never modified
            self._file.truncate(len(content) - len(torn))

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            raw = json.loads(line)
        except ValueError as error:
            raise self._damaged(number, error) from error
        if not isinstance(raw, dict):
            raise self._damaged(number, type(raw).__name__)
        return raw

    def _result(self, line: bytes, number: int) -> TaskResult:
        try:
            return TaskResult(**self._parsed(line, number))
        except TypeError as error:
            raise self._damaged(number, error) from error

    def _damaged(self, number: int, received: object) -> BadInput:
        return BadInput(
            f"{self.path} line {number} must be a line written by an earlier run. Received: {received}.",
            "Remove that line, or choose another file with --results.",
        )

    def _check(self, header: dict[str, Any]) -> None:
        wanted = {**_KIND, **asdict(self._made)}
        del wanted["dataset"]  # its content matters, not its file name
        there = {name: header.get(name) for name in wanted if header.get(name) != wanted[name]}
        if there:
            raise self._made_otherwise(there, {name: wanted[name] for name in there})
        self.dtype = str(header.get("dtype"))

    def _made_otherwise(self, there: Mapping[str, Any], here: Mapping[str, Any]) -> BadInput:
        return BadInput(
            f"{self.path} was created with {_listed(there)}. Received: {_listed(here)}.",
            "Choose another file with --results, or remove this one to start again.",
        )


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in values.items())


def _short(value: object) -> str:
    return value[:12] if isinstance(value, str) and len(value) == 64 else str(value)  # a digest
