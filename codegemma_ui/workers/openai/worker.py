"""Worker process for a remote server; `workers/keras/worker.py` documents its messages.

While idle, it checks the server periodically, and reports when its availability changes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from codegemma_ui import machine
from codegemma_ui.errors import BackendMissing
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.child import Inbox, take_stdout, write_failure
from codegemma_ui.ipc.event_writer import EventWriter
from codegemma_ui.ipc.messages import AS_SERVED, CompletionRequest, ErrorEvent, Loaded
from codegemma_ui.machine import OPENAI
from codegemma_ui.settings import RemoteServer

try:
    from codegemma_ui.workers.openai.abilities import Abilities, examine
    from codegemma_ui.workers.openai.failures import readable
    from codegemma_ui.workers.openai.generation import RemoteGenerator
    from codegemma_ui.workers.openai.server import Server
except ImportError as error:
    missing: ImportError | None = error
else:
    missing = None

POLL_S = 30.0
"""Seconds without a request after which the server is checked."""

Write = Callable[[dict[str, Any]], None]


def main() -> None:
    """`python -m codegemma_ui.workers.openai.worker --preset NAME --folder DIR --base-url URL …`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", required=True)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--context-length", required=True, type=int)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--connect-timeout", required=True, type=float)
    parser.add_argument("--timeout", required=True, type=float)
    parser.add_argument("--retries", required=True, type=int)
    parser.add_argument("--look", default=POLL_S, type=float)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    write = take_stdout()
    inbox = Inbox(write)
    if missing is not None:
        message = f"The backend {OPENAI} lacks a package: {missing}."
        write_failure(write, BackendMissing(message, machine.install(OPENAI)))
        sys.exit(1)
    place = RemoteServer(
        given.base_url, given.model, given.connect_timeout, given.timeout, given.retries
    )
    asyncio.run(_serve(given, place, write, inbox))


async def _serve(
    given: argparse.Namespace, place: RemoteServer, write: Write, inbox: Inbox
) -> None:
    print(f"server: {place.base_url}", file=sys.stderr)
    try:
        server = Server(place)
        generator = await _start(given, server, write)
    except Exception as error:
        traceback.print_exc()
        write_failure(write, readable(error))
        sys.exit(1)
    loaded = generator.loaded
    write({"worker": "loaded", **asdict(loaded)})
    quick = Server(replace(place, timeout_s=place.connect_timeout_s), retries=0)
    writer = EventWriter(write)
    reported: str | None = ""
    while True:
        note = await _current_problem(quick) or loaded.note
        if note != reported:
            reported = note
            write({"worker": "warm", "share": 1.0, "compilations": 0, "note": note})
        while (message := await asyncio.to_thread(inbox.next, given.look)) is not None:
            await _answer(generator, message, writer, inbox)


async def _start(given: argparse.Namespace, server: Server, write: Write) -> RemoteGenerator:
    """Detect what the server supports, reporting progress."""
    write({"worker": "state", "state": "loading"})
    vocabulary = Vocabulary(given.folder)

    def report(progress: float) -> None:
        write({"worker": "state", "state": "warming", "progress": progress})

    can = await examine(server, vocabulary, report)
    model = can.model
    loaded = Loaded(
        preset=given.preset,
        backend=OPENAI,
        dtype=AS_SERVED,
        device=model.server,
        parameters=model.parameters or 0,
        memory_bytes=0,
        context_length=min(given.context_length, model.context_length or given.context_length),
        summary=_summary(can),
        note=_note(can, given.preset),
        lacks=can.lacks,
    )
    return RemoteGenerator(server, can, vocabulary, loaded)


def _summary(can: Abilities) -> str:
    """Describe the model; the address is for the operator only."""
    model = can.model
    lines = [f"model           {Path(model.id).name}", f"server          {model.server}"]
    if model.context_length:
        lines.append(f"context         {model.context_length:,} tokens")
    if model.parameters:
        lines.append(f"parameters      {model.parameters:,}")
    for what, there in (
        ("logprobs", can.logprobs),
        ("token ids", can.token_ids),
        ("scores", can.score),
    ):
        lines.append(f"{what:<16}{'yes' if there else 'no'}")
    return "\n".join(lines)


def _note(can: Abilities, preset: str) -> str | None:
    if can.counted is None or can.same_vocabulary:
        return None
    theirs, ours = can.counted
    return (
        f"The server splits a text into {theirs} tokens that {preset} splits into {ours}: it serves another "
        "model. Choose the model it serves; until then, token counts are not its own."
    )


async def _current_problem(server: Server) -> str | None:
    """Return the server's current problem, if any."""
    try:
        await server.model()
    except Exception as error:
        return str(readable(error))
    return None


async def _answer(
    generator: RemoteGenerator, message: dict[str, Any], writer: EventWriter, inbox: Inbox
) -> None:
    request_id = message["request_id"]
    try:
        request = CompletionRequest.from_dict(message["request"])
        events = generator.generate(request, lambda: inbox.is_cancelled(request_id))
        async with aclosing(events) as stream:
            async for event in stream:
                writer.send(request_id, event)
    except Exception as error:
        traceback.print_exc()
        writer.send(request_id, ErrorEvent.of(readable(error)))
    finally:
        inbox.forget(request_id)


if __name__ == "__main__":
    main()
