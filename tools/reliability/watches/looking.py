"""A thread that polls for the duration of a block."""

from __future__ import annotations

import threading
import time
from typing import Self


class Looking:
    """A polling context manager; an error of a poll is raised at the end of the block, so that it is not
    lost.

    Args:
        every_s: seconds between the starts of two polls.
    """

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._over = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name=type(self).__name__)
        self.looks = 0

    def look(self) -> None:
        """Poll once."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        self._thread.join()
        if self._failed is not None and raised[0] is None:
            raise RuntimeError(f"{type(self).__name__} could not look") from self._failed

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                began_s = time.monotonic()
                self.look()
                self.looks += 1
                self._over.wait(max(0.0, self._every_s - (time.monotonic() - began_s)))
        except BaseException as error:
            self._failed = error
