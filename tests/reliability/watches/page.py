"""All watches of one page, for a run of any kind."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable
from typing import Self
from urllib.parse import urlsplit

from tests.reliability.figures import Figure
from tests.reliability.watches.connections import ConnectionWatch
from tests.reliability.watches.hangs import HangWatch
from tests.reliability.watches.memory import MemoryWatch


class PageWatch:
    """A page that is at rest when the block begins.

    Args:
        url: of the page.
        pid: of its process.
        workers: processes that are to be there at the end too; one that is not has no figure.
        configured: as in `ConnectionWatch`.
    """

    def __init__(
        self,
        url: str,
        pid: int,
        workers: Iterable[int] = (),
        configured: Collection[str] = (),
    ) -> None:
        self._watches = (
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

    def __exit__(self, *raised: object) -> None:
        self._stack.__exit__(*raised)

    def figures(self, scenario: str) -> list[Figure]:
        """After the block."""
        return [figure for watch in self._watches for figure in watch.figures(scenario)]
