"""A worker at our own end of the pipe (`codegemma_ui.ipc.child`), without a model.

A request's prefix selects the behaviour: "slow" generates tokens until it is cancelled, "hang" never ends,
anything else is echoed as the middle. It starts with a sleeping child, where a real worker has compilers.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import asdict
from typing import Any

from codegemma_ui.ipc.child import Inbox, take_stdout
from codegemma_ui.ipc.event_writer import EventWriter
from codegemma_ui.ipc.messages import (
    CancelledEvent,
    DoneEvent,
    Event,
    Loaded,
    PromptEvent,
    TokenEvent,
)

options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
write = take_stdout()
inbox = Inbox(write)
writer = EventWriter(write)


def answer(message: dict[str, Any]) -> None:
    request_id, request = message["request_id"], message["request"]

    def send(event: Event) -> None:
        writer.send(request_id, event)

    def token(index: int, text: str) -> None:
        send(TokenEvent(index=index, id=100 + index, text=text, logprob=-0.5, alternatives=()))

    prefix = request["prefix"]
    send(
        PromptEvent(
            prompt=prefix,
            prompt_tokens=3,
            max_length=request["max_length"],
            trimmed_prefix_tokens=0,
            trimmed_suffix_tokens=0,
        )
    )
    if prefix == "hang":
        time.sleep(3600)
    written = 0
    while prefix == "slow" and not inbox.is_cancelled(request_id):
        token(written, "x")
        written += 1
        time.sleep(0.02)
    if prefix == "slow":
        send(CancelledEvent(middle="x" * written, completion_tokens=written))
        return
    token(0, prefix)
    send(DoneEvent(middle=prefix, stop_reason="max_length", completion_tokens=1))


compiler = subprocess.Popen(["sleep", "300"])
print("a library that prints: 한글 é 😀")  # to stderr by now
loaded = Loaded(
    preset=options["--preset"],
    backend=options["--backend"],
    dtype="float32",
    device="CPU",
    parameters=7,
    memory_bytes=1000,
    context_length=512,
    summary="none",
    note=None,
)
write({"worker": "loaded", **asdict(loaded)})
while True:
    message = inbox.next(None)
    assert message is not None
    answer(message)
