"""The runner's end of the line to a process that is measured: start, wait, ask, stop.

Two kinds of process are spoken to. A subject of `engine/` speaks the protocol that
`engine/subject.py` describes. The playground's own worker speaks `workers/keras/worker.py`'s.
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


class SubjectFailed(Exception):
    """The process ended, refused or took too long; its text is what a table's row shows."""


class Conversation:
    """A running child that answers in JSON lines; use it in a `with`.

    Args:
        command: program and arguments.
        environment: the child's whole environment.
        time_limit_s: how long the whole conversation may take.

    Attributes:
        started: when the process was started, in `time.perf_counter()` seconds.
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
        # After a failure or Ctrl+C it may be deep in C code: it is not asked.
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
        """The next line and when it came, in `time.perf_counter()` seconds.

        Raises:
            SubjectFailed: the process has ended or says that it failed, or the time is up.
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
        """The next line whose `key` is `value`; others are passed over.

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
    """Why a process ended with a code other than 0, in words.

    Args:
        code: as `subprocess` has it.
        stderr: what it wrote.
    """
    if sys.platform != "win32" and code == -signal.SIGKILL:
        return "killed by the system, as it does when memory runs out"
    if code < 0:
        return f"ended by {signal.Signals(-code).name}. {last_line(stderr)}".strip()
    return last_line(stderr) or f"ended with exit code {code}"


def last_line(text: str) -> str:
    """The last line that says something: a traceback's error, or what a library said before it died."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def environment(threads: int, device: str, scratch: str) -> dict[str, str]:
    """Ours, with what makes runs alike: as many threads, no GPU unless wanted, nothing compiled before.

    Args:
        threads: how many cores the subject may use.
        device: "cpu" or "cuda".
        scratch: an empty folder; compilers that keep what they made keep it there.
    """
    alike = {
        "OMP_NUM_THREADS": str(threads),
        "TORCHINDUCTOR_CACHE_DIR": str(Path(scratch, "inductor")),
        "TRITON_CACHE_DIR": str(Path(scratch, "triton")),
        "JAX_ENABLE_COMPILATION_CACHE": "false",
        "HF_HUB_OFFLINE": "1",
    }
    if device == "cpu":
        alike |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    return parent.environment() | alike


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder that goes when the visit does."""
    return tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)
