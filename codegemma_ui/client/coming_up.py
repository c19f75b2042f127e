"""Waiting for a model that is starting, and its progress as one line in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import TracebackType

from codegemma_ui.client.client import EngineClient
from codegemma_ui.errors import NotReady
from codegemma_ui.ipc.messages import State, Status

LOOK_S = 0.05
"""Seconds between two polls."""

COMING_UP: tuple[State, ...] = ("starting", "downloading", "loading", "warming")


def statuses(client: EngineClient) -> Iterator[Status]:
    """Yield the status until the model serves; the caller sleeps between two.

    Raises:
        PlaygroundError: the model could not be loaded.
    """
    while (status := client.status()).state in COMING_UP:
        yield status
    if status.state == "failed":
        raise client.error or NotReady("No model is loaded.")


def step(status: Status) -> str:
    """Return the model, its state and its progress in steps of 10%."""
    line = f"{status.preset} on {status.backend}: {status.state}"
    if status.progress is None:
        return line
    return f"{line} {10 * int(10 * status.progress + 1e-9)}%"


class Line:
    """The same line, overwritten in a terminal and erased at the end; not written to a pipe or a file."""

    def __init__(self) -> None:
        self._shown = ""

    def __enter__(self) -> Line:
        return self

    def show(self, status: Status) -> None:
        """Show the progress."""
        self.tell(step(status))

    def tell(self, text: str) -> None:
        """Show a text instead."""
        if sys.stderr.isatty():
            self._write(text)

    def _write(self, line: str) -> None:
        if line != self._shown:
            print(f"\r{line:<{len(self._shown)}}", end="", file=sys.stderr, flush=True)
            self._shown = line

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._shown:
            print(f"\r{' ' * len(self._shown)}\r", end="", file=sys.stderr, flush=True)
