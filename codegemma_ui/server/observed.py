"""The engine's handle with an eye on it: one line in the log for each completion, and the metrics."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

from codegemma_ui.client import EngineClient
from codegemma_ui.messages import CancelledEvent, DoneEvent, ErrorEvent, Event, TokenEvent
from codegemma_ui.server.metrics import Metrics

log = logging.getLogger(__name__)

ABANDONED = "abandoned"
"""The result of a completion whose reader left."""


@dataclass
class _Seen:
    """One completion as it goes by; no text is kept."""

    metrics: Metrics
    arrived_s: float = field(default_factory=time.monotonic)
    first_s: float | None = None
    latest_s: float = 0.0
    tokens: int = 0
    result: str = ABANDONED

    def add(self, event: Event) -> None:
        now = time.monotonic()
        match event:
            case TokenEvent():
                if self.first_s is None:
                    self.first_s = now
                    self.metrics.first_token.observe(now - self.arrived_s)
                else:
                    self.metrics.between_tokens.observe(now - self.latest_s)
                self.latest_s = now
                self.tokens += 1
                self.metrics.tokens.inc()
            case DoneEvent():
                self.result = event.stop_reason or "done"
            case CancelledEvent():
                self.result = "cancelled"
            case ErrorEvent():
                self.result = event.code

    def fields(self) -> dict[str, Any]:
        first = None if self.first_s is None else round(self.first_s - self.arrived_s, 4)
        return {
            "result": self.result,
            "tokens": self.tokens,
            "first_token_s": first,
            "seconds": round(time.monotonic() - self.arrived_s, 4),
        }


class ObservedClient(EngineClient):
    """An `EngineClient` whose completions are counted, timed and logged."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.metrics = Metrics(self.status, lambda: self.restarts)

    async def complete(self, raw: Mapping[str, object]) -> AsyncIterator[Event]:
        seen = _Seen(self.metrics)
        generator = cast(AsyncGenerator[Event], super().complete(raw))
        try:
            async with aclosing(generator) as events:
                async for event in events:
                    seen.add(event)
                    yield event
        finally:
            self.metrics.requests.labels(seen.result).inc()
            fields = {"request_id": uuid.uuid4().hex[:12], **seen.fields()}
            log.info("completion", extra={"fields": fields})
