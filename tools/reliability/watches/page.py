"""All watches of one page, for a run of any kind."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tools.reliability.figures import Figure
from tools.reliability.watches.connections import ConnectionWatch
from tools.reliability.watches.hangs import HangWatch
from tools.reliability.watches.memory import MemoryWatch


class PageWatch:
    """Watches a page, which is idle when the block begins.

    Args:
        url: of the page.
        pid: of its process.
        workers: processes expected to live until the end; one that does not has no figure.
        configured: as in `ConnectionWatch`.
    """

    def __init__(
        self,
        url: str,
        pid: int,
        workers: Iterable[int] = (),
        configured: Collection[str] = (),
    ) -> None:
        self._watches: tuple[MemoryWatch | ConnectionWatch | HangWatch, ...] = (
            MemoryWatch("page", pid),
            *(MemoryWatch("worker", one) for one in workers),
            ConnectionWatch(pid, urlsplit(url).port or 80, configured),
            HangWatch(url),
        )
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        for watch in self._watches:
            self._stack.enter_context(watch)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def figures(self, scenario: str) -> list[Figure]:
        """Return the figures, after the block."""
        return [figure for watch in self._watches for figure in watch.figures(scenario)]
