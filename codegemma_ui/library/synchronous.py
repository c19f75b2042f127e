"""Read asynchronous iterators from ordinary code.

An event loop runs on a separate thread, so that this also works in a notebook, whose own thread already has a
running loop. The items may be anything.
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

POLL_S = 0.5
"""Seconds between two checks for Ctrl+C: Windows does not deliver it during an unlimited wait."""


class LoopThread:
    """An event loop on a separate thread, until `close`."""

    def __init__(self) -> None:
        up: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

        async def serve() -> None:
            stop = asyncio.Event()
            up.set_result((asyncio.get_running_loop(), stop))
            await stop.wait()

        # `asyncio.run` cancels remaining tasks once `serve` has ended.
        self._thread = threading.Thread(
            target=lambda: asyncio.run(serve()), daemon=True, name="codegemma-ui"
        )
        self._thread.start()
        self._loop, self._stop = up.result()
        self._lock = threading.Lock()
        self._closed = False

    def read(self, items: AsyncIterator[T]) -> Generator[T, None, None]:
        """Yield the items as they arrive, buffering unread ones. Closing the generator cancels their
        producer.

        Raises:
            concurrent.futures.CancelledError: `close` was called.
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
        """Cancel running reads and end the thread; closing twice does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._loop.call_soon_threadsafe(self._stop.set)
        if threading.current_thread() is not self._thread:  # a garbage collector may run there
            self._thread.join()


def _next(arrived: SimpleQueue[object]) -> object:
    while True:
        try:
            return arrived.get(timeout=POLL_S)
        except Empty:
            continue
