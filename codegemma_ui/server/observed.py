"""The engine's handle with an eye on it: a line in the log for each completion, the metrics, no secrets."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, cast

from codegemma_ui import secrets
from codegemma_ui.client.client import EngineClient
from codegemma_ui.ipc.messages import (
    CancelledEvent,
    DoneEvent,
    ErrorEvent,
    Event,
    Status,
    TokenEvent,
)
from codegemma_ui.secrets import masked
from codegemma_ui.server.metrics import Metrics

log = logging.getLogger(__name__)

ABANDONED = "abandoned"
"""The result of a completion whose reader left, or had all it wanted, as where a stop string came."""


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
            case TokenEvent() if not event.forced:
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
    """An `EngineClient` whose completions are counted, timed and logged, and whose errors are masked."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.metrics = Metrics(self.status, lambda: self.restarts, lambda: self.hangs)
        self._secrets = secrets.values()

    def status(self) -> Status:
        status = super().status()
        if status.error is None or not self._secrets:
            return status
        error = {name: masked(said, self._secrets) for name, said in status.error.items()}
        return replace(status, error=error)

    async def complete(self, raw: Mapping[str, object]) -> AsyncIterator[Event]:
        seen = _Seen(self.metrics)
        generator = cast(AsyncGenerator[Event], super().complete(raw))
        try:
            async with aclosing(generator) as events:
                async for event in events:
                    seen.add(event)
                    yield self._masked(event)
        finally:
            self.metrics.requests.labels(seen.result).inc()
            fields = {"request_id": uuid.uuid4().hex[:12], **seen.fields()}
            log.info("completion", extra={"fields": fields})

    def _masked(self, event: Event) -> Event:
        """An error may quote what a library said, and a library an address with a key in it."""
        if not isinstance(event, ErrorEvent):
            return event
        said, hint = (masked(each, self._secrets) for each in (event.message, event.hint))
        return replace(event, message=said, hint=hint)
