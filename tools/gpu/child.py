"""A process that measures, and is asked for figures by name: one JSON line each way, over stdin and stdout.

Keras picks its backend at its import, and a card's memory is only free for certain once its process has
ended, so each engine runs in its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from codegemma_ui.ipc.child import take_stdout
from tools.gpu.results import Figures

END_S = 10.0
"""Seconds that a process gets to end by itself."""


class ChildFailed(Exception):
    """It answered with an error, ended, or took too long; the message says which."""


class Child:
    """A measuring process; it starts when it is first asked, and anew after a failure. A context manager.

    Args:
        module: module whose `main` calls `serve`.
        flags: its command line.
        environment: variables besides our own.
        log: file for what it writes to stderr; appended to.
    """

    def __init__(
        self, module: str, flags: Sequence[str], environment: dict[str, str], log: Path
    ) -> None:
        self._command = [sys.executable, "-m", module, *flags]
        self._environment = os.environ | environment
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *error: object) -> None:
        self._end(END_S)

    @property
    def started(self) -> bool:
        """Whether its process runs."""
        return self._process is not None

    def ask(self, measurement: str, limit_s: float) -> Figures:
        """Return the figures of a measurement.

        Args:
            measurement: its name, with arguments behind it: "prompt 200".
            limit_s: seconds after which the process is killed.

        Raises:
            ChildFailed: there are none. The process has ended: after an error of the card nothing else runs
                in it.
        """
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        begun = time.monotonic()
        timer = threading.Timer(limit_s, self._kill, (process,))
        timer.start()
        try:
            process.stdin.write(f"{json.dumps(measurement)}\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        answer: dict[str, Any] = json.loads(line) if line else {}
        if "figures" in answer:
            figures: Figures = answer["figures"]
            return figures
        late = time.monotonic() - begun >= limit_s
        self._end(0.0)
        ended = f"killed after {limit_s:.0f} s" if late else f"ended with {process.returncode}"
        raise ChildFailed(answer.get("error") or f"{ended}; see {self._log.name}")

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("a", encoding="utf-8") as log:
                self._process = subprocess.Popen(
                    self._command,
                    env=self._environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    start_new_session=True,  # compilers it starts end with it
                )
        return self._process

    def _end(self, grace_s: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if grace_s and process.stdin is not None:
            process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(grace_s)
        self._kill(process)
        process.wait()

    @staticmethod
    def _kill(process: subprocess.Popen[str]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def serve(measure: Callable[[str], Figures]) -> None:
    """Answer requests until stdin closes, or until one fails.

    Args:
        measure: returns the figures of a measurement by its name. What it raises is the answer.
    """
    write = take_stdout()
    for line in sys.stdin:
        try:
            write({"figures": dict(measure(json.loads(line)))})
        except Exception as error:
            traceback.print_exc()
            write({"error": f"{type(error).__name__}: {error}"[:500]})
            sys.exit(1)
