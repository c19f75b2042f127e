"""Whether a server is there, for `doctor`: its list of models, asked for once."""

from __future__ import annotations

import asyncio
import time

from codegemma_ui.settings import RemoteServer
from codegemma_ui.workers.openai.failures import readable
from codegemma_ui.workers.openai.server import ServedModel, Server


def probe(place: RemoteServer) -> tuple[ServedModel, float] | str:
    """The model that would be asked, and in how many seconds the server answered; or what is wrong."""

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
