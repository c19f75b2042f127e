"""Show a completion while it is generated: in a notebook as the program, elsewhere as text on stdout."""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any, Protocol

from codegemma_ui.client.progress import UPDATE_INTERVAL_S, Progress
from codegemma_ui.ipc.messages import CompletionRequest
from codegemma_ui.library import markup
from codegemma_ui.machine import console


class Display(Protocol):
    """A display of a completion in progress."""

    def update(self, progress: Progress) -> None:
        """Show the current state; called after each event."""


def display(request: CompletionRequest) -> Display:
    """Return the display for the current environment."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if hasattr(shell, "kernel"):  # a notebook, not a terminal
        return _Notebook(request)
    return _Terminal()


class _Terminal:
    def __init__(self) -> None:
        self._written = 0

    def update(self, progress: Progress) -> None:
        for token in progress.tokens[self._written :]:
            if not token.past_end:
                sys.stdout.write(console.printable(token.text))
        self._written = len(progress.tokens)
        if progress.last is not None:
            sys.stdout.write("\n")
        sys.stdout.flush()


class _Notebook:
    def __init__(self, request: CompletionRequest) -> None:
        show = importlib.import_module("IPython.display").display
        self._request = request
        self._handle = show(self._bundle(""), raw=True, display_id=True)
        self._shown_s = time.monotonic()

    def update(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.last is None and now - self._shown_s < UPDATE_INTERVAL_S:
            return
        self._shown_s = now
        progress.refresh()
        self._handle.update(self._bundle(progress.completion.middle or ""), raw=True)

    def _bundle(self, middle: str) -> dict[str, Any]:
        sides = self._request.prefix, self._request.suffix
        return {"text/html": markup.program(sides[0], middle, sides[1]), "text/plain": middle}
