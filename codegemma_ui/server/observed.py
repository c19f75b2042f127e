"""Logging and metrics for every completion of a client."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from codegemma_ui.client.client import EngineClient
from codegemma_ui.ipc.messages import (
    CancelledEvent,
    DoneEvent,
    ErrorEvent,
    Event,
    TokenEvent,
)
from codegemma_ui.server.metrics import Metrics

log = logging.getLogger(__name__)

ABANDONED = "abandoned"
"""The result of a completion whose consumer left, or had all it needed, e.g. after a stop string."""


@dataclass
class _Observed:
    """A `generation.Observer` that keeps no text."""

    metrics: Metrics
    arrived_s: float = field(default_factory=time.monotonic)
    first_s: float | None = None
    latest_s: float = 0.0
    tokens: int = 0
    result: str = ABANDONED

    def events(self, events: Sequence[Event]) -> None:
        self._count(sum(isinstance(one, TokenEvent) and not one.forced for one in events))
        match events[-1]:
            case DoneEvent() as last:
                self.result = last.stop_reason or "done"
            case CancelledEvent():
                self.result = "cancelled"
            case ErrorEvent() as last:
                self.result = last.code

    def _count(self, new: int) -> None:
        """Count so many new tokens, which share the time since the last ones."""
        if not new:
            return
        now, later = time.monotonic(), new
        if self.first_s is None:
            self.first_s = self.latest_s = now
            self.metrics.first_token.observe(now - self.arrived_s)
            later -= 1
        for _ in range(later):
            self.metrics.between_tokens.observe((now - self.latest_s) / later)
        self.latest_s = now
        self.tokens += new
        self.metrics.tokens.inc(new)

    def ended(self) -> None:
        self.metrics.requests.labels(self.result).inc()
        first = None if self.first_s is None else round(self.first_s - self.arrived_s, 4)
        fields = {
            "request_id": uuid.uuid4().hex[:12],
            "result": self.result,
            "tokens": self.tokens,
            "first_token_s": first,
            "seconds": round(time.monotonic() - self.arrived_s, 4),
        }
        log.info("completion", extra={"fields": fields})


def observe(client: EngineClient) -> Metrics:
    """Count, time and log the completions of a client from now on."""
    metrics = Metrics(client.status, lambda: client.restarts, lambda: client.hangs)
    client.observers.append(lambda: _Observed(metrics))
    return metrics
