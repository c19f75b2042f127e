"""A worker's events on their way to the page: at once where somebody waits for one, else several in a line.

Each line costs both processes a system call and the page a turn of its event loop, more than the token in it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any

from codegemma_ui.ipc.messages import LAST_EVENTS, Event, PromptEvent, TokenEvent, event_to_dict

PACE_S = 1 / 60
"""Seconds between two lines of tokens: a screen shows no more of them."""


class EventWriter:
    """Writes the events of all requests, in order; its methods may be called from any thread.

    A request's first token and its last event are written at once, with what waits for its turn. The prompt
    waits for the first token as well, so that the page has nothing to do while a short prefill takes all
    cores.

    Args:
        write: writes one object as a line.
        clock: seconds; only differences count.
    """

    def __init__(
        self, write: Callable[[dict[str, Any]], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write, self._clock = write, clock
        self._turn = threading.Condition()
        self._waiting: list[dict[str, Any]] = []
        self._before_first: set[str] = set()
        self._next_s = -math.inf
        threading.Thread(target=self._write_in_time, daemon=True).start()

    def send(self, request_id: str, event: Event) -> None:
        """Write an event of a request, within `PACE_S`."""
        with self._turn:
            now_s = self._clock()
            if isinstance(event, PromptEvent) and not self._waiting:
                self._next_s = now_s + PACE_S
            self._waiting.append({"request_id": request_id, **event_to_dict(event)})
            if self._is_awaited(request_id, event) or now_s >= self._next_s:
                self._write_all()
            elif len(self._waiting) == 1:
                self._turn.notify()

    def _is_awaited(self, request_id: str, event: Event) -> bool:
        match event:
            case PromptEvent():
                self._before_first.add(request_id)
                return False
            case TokenEvent():
                if event.forced or request_id not in self._before_first:
                    return False
                self._before_first.discard(request_id)
            case _ if isinstance(event, LAST_EVENTS):
                self._before_first.discard(request_id)
        return True

    def _write_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._write({"events": waiting})
        self._next_s = self._clock() + PACE_S

    def _write_in_time(self) -> None:
        """Write what no later event takes with it."""
        with self._turn:
            while True:
                self._turn.wait_for(lambda: self._waiting)
                left_s = self._next_s - self._clock()
                if left_s > 0:
                    self._turn.wait(left_s)
                elif self._waiting:
                    self._write_all()
