"""The finish reason of a response, as reported to other tools."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import get_args

import pytest

from codegemma_ui.ipc.messages import DoneEvent, Event, StopReason
from codegemma_ui.server.openai_api.ask import Ask
from codegemma_ui.server.openai_api.writing import Writing


@pytest.mark.parametrize("reason", sorted(set(get_args(StopReason)) - {"scored"}))
def test_what_ended_by_itself_met_no_limit(reason: StopReason) -> None:
    async def events() -> AsyncGenerator[Event]:
        yield DoneEvent(stop_reason=reason)

    async def read() -> Writing:
        writing = Writing(Ask(request={}, max_tokens=9), stop_ids=())
        async for _ in writing.pieces(events()):
            pass
        return writing

    limit = reason in ("max_length", "time_limit")
    assert asyncio.run(read()).ended == ("limit" if limit else "eos")
