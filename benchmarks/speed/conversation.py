"""The runner's end of the pipe to a measured process: start, wait, request, stop.

There are two kinds of process. A subject of `engine/` uses the protocol of `engine/subject.py`, the
playground's own worker that of `workers/keras/worker.py`.
"""

from __future__ import annotations

import queue
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from codegemma_ui.ipc import parent
from codegemma_ui.ipc.parent import LineProcess
from codegemma_ui.machine import huge_pages


class SubjectFailed(Exception):
    """The process ended, refused or took too long; the message is shown in the table."""


class Conversation:
    """A running child process that responds in JSON lines; a context manager.

    Args:
        command: program and arguments.
        environment: the child's whole environment.
        time_limit_s: of the whole conversation.

    Attributes:
        started: start of the process, in `time.perf_counter()` seconds.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], time_limit_s: float
    ) -> None:
        self._said: queue.Queue[tuple[float, dict[str, Any] | int]] = queue.Queue()
        self._time_limit_s = time_limit_s
        self.started = time.perf_counter()
        self._process = LineProcess(command, environment, self._on_message, self._on_exit)

    def __enter__(self) -> Conversation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # After a failure or Ctrl+C it may be deep in C code, so it is killed.
        if kind is None:
            self._process.stop()
        else:
            self._process.kill()

    def _on_message(self, message: dict[str, Any]) -> None:
        self._said.put((time.perf_counter(), message))

    def _on_exit(self, code: int) -> None:
        self._said.put((time.perf_counter(), code))

    @property
    def elapsed_s(self) -> float:
        """Seconds since the process was started."""
        return time.perf_counter() - self.started

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one line."""
        self._process.send(message)

    def receive(self) -> tuple[float, dict[str, Any]]:
        """Return the next line and its arrival time, in `time.perf_counter()` seconds.

        Raises:
            SubjectFailed: the process has ended or reported a failure, or the time is up.
        """
        left = self.started + self._time_limit_s - time.perf_counter()
        try:
            when, message = self._said.get(timeout=max(0.001, left))
        except queue.Empty:
            raise SubjectFailed(f"stopped after {self._time_limit_s:g} s, its time limit") from None
        if isinstance(message, int):
            raise SubjectFailed(ended(message, self._process.stderr_tail))
        if message.get("bench") == "failed":
            raise SubjectFailed(message["message"])
        return when, message

    def expect(self, key: str, value: str) -> dict[str, Any]:
        """Return the next line whose `key` is `value`; others are skipped.

        Raises:
            SubjectFailed: as `receive()`.
        """
        while True:
            _, message = self.receive()
            if message.get(key) == value:
                return message

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request of `engine/subject.py` and wait for its `done`.

        Raises:
            SubjectFailed: as `receive()`.
        """
        self.send(request)
        return self.expect("bench", "done")


def ended(code: int, stderr: str) -> str:
    """Return why a process ended with a code other than 0, in words.

    Args:
        code: as in `subprocess`.
        stderr: its output.
    """
    if sys.platform != "win32" and code == -signal.SIGKILL:
        return "killed by the system, as it does when memory runs out"
    if code < 0:
        return f"ended by {signal.Signals(-code).name}. {last_line(stderr)}".strip()
    return last_line(stderr) or f"ended with exit code {code}"


def last_line(text: str) -> str:
    """Return the last line with content: a traceback's error, or a library's last message."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def environment(threads: int, device: str, scratch: str) -> dict[str, str]:
    """Return our environment, made reproducible: fixed threads, no GPU unless wanted, own compiler caches.

    Args:
        threads: number of cores the subject may use.
        device: "cpu" or "cuda".
        scratch: folder for compiler caches.
    """
    alike = {
        "OMP_NUM_THREADS": str(threads),
        "XDG_CACHE_HOME": scratch,
        "TORCHINDUCTOR_CACHE_DIR": str(Path(scratch, "inductor")),
        "TRITON_CACHE_DIR": str(Path(scratch, "triton")),
        "HF_HUB_OFFLINE": "1",
    }
    if device == "cpu":
        alike |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    given = parent.environment() | alike
    return given | huge_pages.variables(given)  # as a worker gets them


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that is removed at the end."""
    return tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)
