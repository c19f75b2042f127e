"""Detection of a page that does not respond in time, and of requests left waiting at the end."""

from __future__ import annotations

import contextlib
import time
from types import TracebackType
from typing import Any, Self

import httpx

from tools.reliability.figures import Figure
from tools.reliability.watches.looking import Looking

HEALTH, CHEAP = "/healthz", "/gradio_api/app_id"
"""The first is handled by our middleware, the second by Gradio."""

LOOK_S = 0.5
ANSWER_S = 2.0
SLOWER = 0.001
"""The share of responses that may take longer than `ANSWER_S`."""

LONGEST_S = 30.0
"""The timeout of a response."""

REST_S = 20.0
"""Seconds after the run in which the last request may end."""


class _Polled(Looking):
    """Polls one address, on its own thread and connection, so that a hang does not hide another."""

    def __init__(self, url: str, path: str) -> None:
        super().__init__(LOOK_S)
        self._http = httpx.Client(base_url=url, timeout=LONGEST_S, trust_env=False)
        self.path = path
        self.took_s: list[float] = []
        self.failed: list[str] = []

    def look(self) -> None:
        began_s = time.monotonic()
        try:
            status = self._http.get(self.path).status_code
        except httpx.HTTPError as error:
            self.failed.append(type(error).__name__)
        else:
            if status != 200:
                self.failed.append(str(status))
        self.took_s.append(time.monotonic() - began_s)


class HangWatch:
    """Watches the responses of a page.

    Args:
        url: of the page, with or without a trailing slash.
        answer_s: limit for all but `SLOWER` of the responses.
    """

    def __init__(self, url: str, answer_s: float = ANSWER_S) -> None:
        self._answer_s = answer_s
        self._url = url.rstrip("/")
        self._polled = [_Polled(self._url, path) for path in (HEALTH, CHEAP)]
        self._stack = contextlib.ExitStack()
        self._waiting: float = 0

    def __enter__(self) -> Self:
        for one in self._polled:
            self._stack.enter_context(one)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._waiting = self._left_waiting()
        self._stack.__exit__(kind, error, traceback)

    def figures(self, scenario: str) -> list[Figure]:
        figures = []
        for one in self._polled:
            slow = sum(took_s > self._answer_s for took_s in one.took_s)
            if one.failed:
                print(f"     {scenario}: {one.path}: {', '.join(one.failed[:20])}")
            figures += [
                Figure(scenario, f"{one.path}: slowest answer", max(one.took_s), LONGEST_S, "s"),
                Figure(
                    scenario,
                    f"{one.path}: of {len(one.took_s)} answers, later than {self._answer_s:g} s",
                    slow,
                    int(SLOWER * len(one.took_s)),
                ),
                Figure(scenario, f"{one.path}: not answered with 200", len(one.failed), 0),
            ]
        return [*figures, Figure(scenario, "requests left at the end", self._waiting, 0)]

    def _left_waiting(self) -> float:
        """Return the requests still waiting or running after `REST_S`; 1 if the page does not respond."""
        until_s, left = time.monotonic() + REST_S, 1.0
        while left and time.monotonic() < until_s:
            with contextlib.suppress(httpx.HTTPError, LookupError, ValueError):
                left = _left(self._status())
            time.sleep(0.1)
        return left

    def _status(self) -> dict[str, Any]:
        path = f"{self._url}/gradio_api/run/status"
        answer = httpx.post(path, json={"data": []}, timeout=5, trust_env=False)
        answer.raise_for_status()
        status: dict[str, Any] = answer.json()["data"][0]
        return status


def _left(status: dict[str, Any]) -> float:
    return float(status["queue_length"] + status["serving"])
