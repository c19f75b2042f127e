"""Requests to a model on a server, without a worker process in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from codegemma_ui import presets
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import AS_SERVED, Event, Loaded, parse_request
from codegemma_ui.machine import OPENAI
from codegemma_ui.settings import RemoteServer
from codegemma_ui.workers.openai.abilities import Abilities, examine
from codegemma_ui.workers.openai.generation import RemoteGenerator
from codegemma_ui.workers.openai.server import Server

CONTEXT_LENGTH = 512


@dataclass
class Asked:
    """The result of requests to a server.

    Attributes:
        can: its capabilities.
        events: of each request; an exception replaces those of a request that it ended.
    """

    can: Abilities
    events: list[list[Event | BaseException]] = field(default_factory=list)


def ask(
    place: RemoteServer,
    *raws: dict[str, Any],
    cancelled: Callable[[list[Event]], bool] = lambda _: False,
    can: Abilities | None = None,
) -> Asked:
    """Detect a server's capabilities, then send it requests.

    Args:
        raws: fields of `CompletionRequest`.
        cancelled: called with the events so far; true cancels.
        can: its capabilities, if they are not to be detected.
    """

    async def run() -> Asked:
        vocabulary = Vocabulary(presets.BUNDLED_FOLDER)
        server = Server(place)
        asked = Asked(can or await examine(server, vocabulary, lambda _: None))
        loaded = Loaded(
            preset=presets.BUNDLED,
            backend=OPENAI,
            dtype=AS_SERVED,
            device="",
            parameters=0,
            memory_bytes=0,
            context_length=0,
            summary="",
        )
        generator = RemoteGenerator(server, asked.can, vocabulary, loaded)
        for raw in raws:
            came: list[Any] = []
            asked.events.append(came)
            request = parse_request(raw, CONTEXT_LENGTH)
            try:
                async for event in generator.generate(request, partial(cancelled, came)):
                    came.append(event)
            except Exception as error:
                came.append(error)
        await server.close()
        return asked

    return asyncio.run(run())
