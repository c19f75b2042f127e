"""Check for `doctor` that a server is available, with one request for its list of models."""

from __future__ import annotations

import asyncio
import time

from codegemma_ui.settings import RemoteServer
from codegemma_ui.workers.openai.failures import readable
from codegemma_ui.workers.openai.server import ServedModel, Server


def probe(place: RemoteServer) -> tuple[ServedModel, float] | str:
    """Return the model that would be used and the response time in seconds, or what is wrong."""

    async def ask() -> tuple[ServedModel, float]:
        server = Server(place, retries=0)
        started = time.perf_counter()
        try:
            return await server.model(), time.perf_counter() - started
        finally:
            await server.close()

    try:
        return asyncio.run(ask())
    except Exception as error:
        return str(readable(error))
