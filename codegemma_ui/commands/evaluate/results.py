"""The file of a run: a line that says how it was made, then a line for each task.

Lines are only ever added, each flushed at once, so an interrupted run loses at most the task it was at. A
task may come twice, first without its test and then with it: the later line counts. A last line that was
cut short is dropped.
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
"""Seconds until a file that another run holds is refused. Not at once: a process that is just being started
shares what is open here, until it runs its own program."""

_KIND = {"evaluation": 1}
"""The first key of the first line, and the version of this form."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a middle depends on, beside the precision, which only loading tells.

    Results that differ in any of it must not stand in one file.

    Attributes:
        dataset_sha256: of the dataset's content.
        model: a digest of a local preset's `metadata.json`, which changes whenever it is saved anew, or
            the handle of one on a hub.
        hide_suffix: whether the model was shown an empty suffix.
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
class Result:
    """One task.

    Attributes:
        stop_token: the token that ended the middle, or None where `max_new_tokens` did.
        stopped: the model ended the middle by itself within `max_new_tokens`.
        parses: Python accepts prompt, middle and suffix as a program.
        trimmed_tokens: cut from prompt and suffix so that the middle had room in the context.
        seconds: from the request to its last event.
        passed: the task's test accepted the program; None where it was not run.
        failure: why it did not: an exception's name, "time limit", "ended early"; else None.
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
    """An open file of results, locked against a second run by a file beside it; use it in a `with`.

    Args:
        path: made, with its folder, where it is not there.
        made: how this run makes its results.

    Attributes:
        done: task_id -> result, of what the file holds.
        dtype: the precision of what the file holds; None in a new one until `settle_dtype`.

    Raises:
        BadInput: it was made with other settings, is no file of results, is damaged, or is in use.
    """

    def __init__(self, path: Path, made: Made) -> None:
        self.path = path
        self.done: dict[str, Result] = {}
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
        """Close the file and let another run have it."""
        self._file.close()
        self._lock.release()

    def settle_dtype(self, dtype: str) -> None:
        """Hold the file to the precision that was loaded; a new file gets its first line now.

        Raises:
            BadInput: the file was made in another precision.
        """
        if self.dtype is None:
            self.dtype = dtype
            self._write({**_KIND, **asdict(self._made), "dtype": dtype})
        elif self.dtype != dtype:
            raise self._made_otherwise({"dtype": self.dtype}, {"dtype": dtype})

    def add(self, result: Result) -> None:
        """Write a result; when this returns, the system has it."""
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
                f"A file of results belongs to one run at a time. Received: {self.path}, in use.",
                "Wait for the other run, or give another file with --results.",
            ) from error
        except (OSError, NotImplementedError) as error:  # the folder's file system has no locks
            raise BadInput(
                f"--results must be where a file can be locked. Received: {error}",
                "Give a file on a local disk with --results.",
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
        if torn:  # only now: what is not ours is never touched
            self._file.truncate(len(content) - len(torn))

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            raw = json.loads(line)
        except ValueError as error:
            raise self._damaged(number, error) from error
        if not isinstance(raw, dict):
            raise self._damaged(number, type(raw).__name__)
        return raw

    def _result(self, line: bytes, number: int) -> Result:
        try:
            return Result(**self._parsed(line, number))
        except TypeError as error:
            raise self._damaged(number, error) from error

    def _damaged(self, number: int, received: object) -> BadInput:
        return BadInput(
            f"{self.path} line {number} must be what an earlier run wrote. Received: {received}.",
            "Remove that line, or give another file with --results.",
        )

    def _check(self, header: dict[str, Any]) -> None:
        wanted = {**_KIND, **asdict(self._made)}
        del wanted["dataset"]  # its content counts, not what its file is called
        there = {name: header.get(name) for name in wanted if header.get(name) != wanted[name]}
        if there:
            raise self._made_otherwise(there, {name: wanted[name] for name in there})
        self.dtype = str(header.get("dtype"))

    def _made_otherwise(self, there: Mapping[str, Any], here: Mapping[str, Any]) -> BadInput:
        return BadInput(
            f"{self.path} was made with {_listed(there)}. Received: {_listed(here)}.",
            "Give another file with --results, or remove this one to start again.",
        )


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in values.items())


def _short(value: object) -> str:
    return value[:12] if isinstance(value, str) and len(value) == 64 else str(value)  # a digest
