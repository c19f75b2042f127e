"""A worker that speaks the real protocol and does as it is told, for tests at the process line.

The request's prefix is the script: "slow" sends a token every 20 ms until cancelled, "crash" dies after
one token, "stale" also sends an event of another request, anything else is echoed as the middle. The
preset's name can script the start: see `--fail`.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time

options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
cancelled: set[str] = set()
requests: queue.Queue[dict] = queue.Queue()


def write(message: dict) -> None:
    print(json.dumps(message), flush=True)


def read() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if message["op"] == "cancel":
            cancelled.add(message["request_id"])
        else:
            requests.put(message)
    os._exit(0)


def token(request_id: str, index: int, text: str) -> None:
    write(
        {
            "request_id": request_id,
            "event": "token",
            "index": index,
            "id": 100 + index,
            "text": text,
            "logprob": -0.5,
            "alternatives": [{"id": 100 + index, "text": text, "logprob": -0.5}],
        }
    )


def last(request_id: str, event: str, request: dict, middle: str, tokens: int) -> None:
    write(
        {
            "request_id": request_id,
            "event": event,
            "prompt": "scripted",
            "raw_output": middle,
            "middle": middle,
            "program": request["prefix"] + middle + request["suffix"],
            "stop_reason": "max_length" if event == "done" else None,
            "stop_token": None,
            "token_ids": list(range(100, 100 + tokens)),
            "prompt_tokens": 5,
            "completion_tokens": tokens,
            "ttft_s": 0.01,
            "tokens_per_s": 50.0 if tokens > 1 else None,
            "preset": options["--preset"],
            "backend": options["--backend"],
            "dtype": "float32",
        }
    )


def complete(request_id: str, request: dict) -> None:
    script = request["prefix"]
    write(
        {
            "request_id": request_id,
            "event": "prompt",
            "prompt": "scripted",
            "prompt_tokens": 5,
            "max_length": request["max_length"],
            "trimmed_prefix_tokens": 0,
            "trimmed_suffix_tokens": 0,
        }
    )
    if script == "slow":
        index = 0
        while request_id not in cancelled and index < 500:
            token(request_id, index, "x")
            index += 1
            time.sleep(0.02)
        last(request_id, "cancelled", request, "x" * index, index)
        return
    token(request_id, 0, script)
    if script == "crash":
        print("the last words of a worker", file=sys.stderr, flush=True)
        os._exit(3)
    if script == "stale":
        token("another request", 1, "stale")
        write({"request_id": "another request", "event": "error", "code": "x", "message": "stale"})
    last(request_id, "done", request, script, 1)


def main() -> None:
    threading.Thread(target=read, daemon=True).start()
    write({"worker": "state", "state": "loading"})
    print("a library that prints")
    time.sleep(float(options.get("--load-s", "0.05")))
    write({"worker": "state", "state": "warming", "progress": 0.5})
    if options["--backend"] == options.get("--fail"):
        write({"worker": "failed", "code": "load_failed", "message": "scripted", "hint": "again"})
        sys.exit(1)
    if options["--backend"] == options.get("--die"):
        os._exit(9)
    write(
        {
            "worker": "loaded",
            "preset": options["--preset"],
            "backend": options["--backend"],
            "dtype": "float32",
            "device": "CPU",
            "parameters": 7,
            "memory_bytes": 1000,
            "context_length": 512,
            "summary": "scripted",
            "note": None,
        }
    )
    while True:
        message = requests.get()
        complete(message["request_id"], message["request"])


main()
