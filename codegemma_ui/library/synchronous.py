"""Asynchronous iterators, read from ordinary code.

An event loop runs on a thread of its own, so that this works in a notebook too, whose own thread has a
running loop already. It knows nothing of what it carries.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Generator
from concurrent.futures import CancelledError, Future
from queue import Empty, SimpleQueue
from typing import TypeVar, cast

T = TypeVar("T")

_END = object()

LOOK_S = 0.5
"""Seconds between two looks for Ctrl+C: Windows hears none while a wait without an end goes on."""


class LoopThread:
    """An event loop on a thread of its own, until `close`."""

    def __init__(self) -> None:
        up: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

        async def serve() -> None:
            stop = asyncio.Event()
            up.set_result((asyncio.get_running_loop(), stop))
            await stop.wait()

        # `asyncio.run` cancels what still runs on its loop once `serve` has ended.
        self._thread = threading.Thread(
            target=lambda: asyncio.run(serve()), daemon=True, name="codegemma-ui"
        )
        self._thread.start()
        self._loop, self._stop = up.result()
        self._lock = threading.Lock()
        self._closed = False

    def read(self, items: AsyncIterator[T]) -> Generator[T, None, None]:
        """The items as they come, kept where they are not read yet. Closing the generator cancels what
        makes them.

        Raises:
            concurrent.futures.CancelledError: `close` was called, before or meanwhile.
            Whatever `items` raises.
        """
        arrived: SimpleQueue[object] = SimpleQueue()

        async def pump() -> None:
            async for item in items:
                arrived.put(item)

        with self._lock:
            if self._closed:
                raise CancelledError
            ended = asyncio.run_coroutine_threadsafe(pump(), self._loop)
        ended.add_done_callback(lambda _: arrived.put(_END))
        try:
            while (item := _next(arrived)) is not _END:
                yield cast(T, item)
            ended.result()
        finally:
            ended.cancel()

    def close(self) -> None:
        """Cancel what is read, and end the thread; closing twice does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._loop.call_soon_threadsafe(self._stop.set)
        if threading.current_thread() is not self._thread:  # where a garbage collector runs there
            self._thread.join()


def _next(arrived: SimpleQueue[object]) -> object:
    while True:
        try:
            return arrived.get(timeout=LOOK_S)
        except Empty:
            continue
