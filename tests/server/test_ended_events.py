"""An event that has ended holds neither its request nor the body of it, whatever keeps the event."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import gradio as gr
import pytest
from gradio.queueing import Event, Queue

from codegemma_ui.server.ended_events import free_ended_events


class Texts:
    """Stands for a request, or its body."""


@pytest.fixture
def event() -> Event:
    with gr.Blocks() as blocks:
        gr.Button().click(lambda: None)
    made = Event("a", next(iter(blocks.fns.values())), None, None)  # type: ignore[arg-type]
    made.data, made.request = Texts(), Texts()  # type: ignore[assignment]
    return made


@pytest.mark.parametrize("error", [None, RuntimeError])
def test_its_texts_go_however_it_ended(
    event: Event, error: type[BaseException] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    async def process(self: Queue, events: list[Event], *arguments: Any) -> None:
        del self
        seen.append((events[0].data is not None, arguments))
        if error:
            raise error

    monkeypatch.setattr(Queue, "process_events", process)
    queue = Queue(True, 1, 1.0, None, None)  # type: ignore[arg-type]
    free_ended_events(queue)
    texts = weakref.ref(event.data), weakref.ref(event.request)
    run = queue.process_events([event], False, 0.0, event.fn)
    if error is None:
        asyncio.run(run)
    else:
        with pytest.raises(error):
            asyncio.run(run)
    assert seen == [(True, (False, 0.0, event.fn))]
    gc.collect()
    assert [one() for one in texts] == [None, None]
