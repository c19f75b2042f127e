"""A worker that echoes the prefix as the middle, two characters a token; `temperature` seconds each.

It speaks the real protocol. The source of a middle does not matter to these tests: every byte must survive,
and a stream must agree with its end.
"""

from __future__ import annotations

import json
import sys
import time

OPTIONS = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))


def write(**message: object) -> None:
    said = {"events": [message]} if "request_id" in message else message
    print(json.dumps(said), flush=True)


def complete(request_id: str, request: dict) -> None:
    prefix, suffix = request["prefix"], request["suffix"]
    pieces = [prefix[start : start + 2] for start in range(0, len(prefix), 2)]
    write(
        request_id=request_id,
        event="prompt",
        prompt="spelled",
        prompt_tokens=5,
        max_length=request["max_length"],
        trimmed_prefix_tokens=0,
        trimmed_suffix_tokens=0,
    )
    for index, piece in enumerate(pieces):
        time.sleep(request["temperature"])
        write(
            request_id=request_id,
            event="token",
            index=index,
            id=100 + index,
            text=piece,
            logprob=-0.5,
            alternatives=[{"id": 100 + index, "text": piece, "logprob": -0.5}],
        )
    write(
        request_id=request_id,
        event="done",
        prompt="spelled",
        raw_output=prefix,
        middle=prefix,
        program=prefix + prefix + suffix,
        stop_reason="max_length",
        stop_token=None,
        token_ids=list(range(100, 100 + len(pieces))),
        prompt_tokens=5,
        completion_tokens=len(pieces),
        ttft_s=0.01,
        tokens_per_s=None,
        preset=OPTIONS["--preset"],
        backend=OPTIONS["--backend"],
        dtype="float32",
    )


def main() -> None:
    write(
        worker="loaded",
        preset=OPTIONS["--preset"],
        backend=OPTIONS["--backend"],
        dtype="float32",
        device="CPU",
        parameters=7,
        memory_bytes=1000,
        context_length=512,
        summary="spelled",
        note=None,
    )
    for line in sys.stdin:
        message = json.loads(line)
        if message["op"] == "ping":
            write(worker="alive")
        elif message["op"] == "complete":
            complete(message["request_id"], message["request"])


main()
