"""A child process that speaks JSON, one object a line: the worker and the downloader are such.

It knows nothing of what the lines mean. A line that is no JSON object is a library's chatter and is
dropped; what the child writes to stderr is kept, the last of it, for a crash report.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

STDERR_LINES = 200


def environment() -> dict[str, str]:
    """Ours, so that a child finds this package and the user's credentials."""
    root = str(Path(__file__).parent.parent)
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{path}" if path else root}


class LineProcess:
    """Start a child; `on_message` gets its lines and `on_exit` its exit code, both on a thread of ours.

    Args:
        command: program and arguments.
        environment: the child's whole environment.
        on_message: called with each JSON object, in order.
        on_exit: called once, after the last message.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        on_message: Callable[[dict[str, Any]], None],
        on_exit: Callable[[int], None],
    ) -> None:
        self._on_message, self._on_exit = on_message, on_exit
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES)
        self._write_lock = threading.Lock()
        self._child = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            # Ctrl+C in a terminal goes to the whole group; the child must outlive it to answer a cancel.
            start_new_session=True,
        )
        self._stderr_reader = threading.Thread(target=self._read_stderr, daemon=True)
        self._stderr_reader.start()
        threading.Thread(target=self._read_stdout, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def stderr_tail(self) -> str:
        """The last lines the child wrote to stderr."""
        return "\n".join(self._stderr)

    def send(self, message: Mapping[str, Any]) -> bool:
        """Write one line; False where the child is gone (its `on_exit` tells the rest)."""
        assert self._child.stdin is not None
        try:
            with self._write_lock:
                self._child.stdin.write(json.dumps(message) + "\n")
                self._child.stdin.flush()
        except (OSError, ValueError):
            return False
        return True

    def stop(self, grace_s: float = 5.0) -> None:
        """Ask it to end by closing its stdin, wait, then kill; returns when it is gone."""
        assert self._child.stdin is not None
        try:
            with self._write_lock:
                self._child.stdin.close()
        except OSError:
            pass
        try:
            self._child.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once, with whatever it started; returns when it is gone."""
        try:
            os.killpg(self._child.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            self._child.kill()
        self._child.wait()

    def _read_stdout(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if isinstance(message, dict):
                self._on_message(message)
        code = self._child.wait()
        self._stderr_reader.join(timeout=1.0)
        self._on_exit(code)

    def _read_stderr(self) -> None:
        assert self._child.stderr is not None
        for line in self._child.stderr:
            self._stderr.append(line.rstrip())
