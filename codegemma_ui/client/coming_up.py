"""Waiting for a model that is on its way, and what it does as one line of a shell."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import TracebackType

from codegemma_ui.client.client import EngineClient
from codegemma_ui.errors import NotReady
from codegemma_ui.ipc.messages import State, Status

LOOK_S = 0.05
"""Seconds between two looks."""

COMING_UP: tuple[State, ...] = ("starting", "downloading", "loading", "warming")


def statuses(client: EngineClient) -> Iterator[Status]:
    """Yield the status until the model serves; whoever waits sleeps in between.

    Raises:
        PlaygroundError: it could not be loaded.
    """
    while (status := client.status()).state in COMING_UP:
        yield status
    if status.state == "failed":
        raise client.error or NotReady("No model is loaded.")


def step(status: Status) -> str:
    """Return the model, and how far it is in steps of 10%."""
    said = f"{status.preset} on {status.backend}: {status.state}"
    if status.progress is None:
        return said
    return f"{said} {10 * int(10 * status.progress + 1e-9)}%"


class Line:
    """The same, written over in a terminal and taken away at the end; a pipe or a file gets none of it."""

    def __init__(self) -> None:
        self._shown = ""

    def __enter__(self) -> Line:
        return self

    def show(self, status: Status) -> None:
        """Tell how far it is."""
        if sys.stderr.isatty():
            self._write(step(status))

    def _write(self, said: str) -> None:
        if said != self._shown:
            print(f"\r{said:<{len(self._shown)}}", end="", file=sys.stderr, flush=True)
            self._shown = said

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._shown:
            print(f"\r{' ' * len(self._shown)}\r", end="", file=sys.stderr, flush=True)
