"""A scripted worker with the real protocol, for tests at the process boundary.

The request's prefix is the script; its first word selects the behaviour, and a number may follow:

    slow [S]     a token every S seconds (0.02), until cancelled, 500 of them, or the time limit
    read S       S seconds of prefill before the first token, in passes of 10 ms; reads messages in between
    prefill S    S seconds for each of four passes, and reports each
    unbegun      is never begun, and nothing is reported
    deaf S       one dispatch of S seconds, during which it reads no messages
    hang         a dispatch that never ends
    oom          runs out of memory if max_length is over 64
    crash        dies after one token
    stale        also sends events of another request
    late         continues to send after its last event
    lie          sends an event that does not exist
    echo         nothing special

The text of each token is then the request's suffix, if there is one, so that a stale token shows. Any other
prefix is echoed as the middle. `--dtype D` is the precision it reports, `--fail B` and `--die B` name a
backend whose start fails or dies, `--load-s` is the duration of a start, and `--compiles-s S` reports S
seconds later that everything is compiled. `--journal FILE` records when requests begin and end.
`--max-concurrency N` runs up to N requests at once, except on torch, which takes one.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
SCRIPTS = (
    "slow",
    "read",
    "prefill",
    "deaf",
    "hang",
    "oom",
    "crash",
    "stale",
    "late",
    "lie",
    "echo",
)
cancelled: set[str] = set()
requests: queue.Queue[dict] = queue.Queue()


writing = threading.Lock()


def write(message: dict) -> None:
    with writing:
        message = {"events": [message]} if "request_id" in message else message
        print(json.dumps(message), flush=True)


def note(what: str, request_id: str) -> None:
    if "--journal" not in options:
        return
    line = {"at": time.monotonic(), "pid": os.getpid(), "what": what, "request_id": request_id}
    with Path(options["--journal"]).open("a") as journal:
        journal.write(json.dumps(line) + "\n")


def read() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if message["op"] == "ping":
            write({"worker": "alive"})
        elif message["op"] == "cancel":
            note("cancel", message["request_id"])
            cancelled.add(message["request_id"])
        else:
            note("asked", message["request_id"])
            requests.put(message)
    os._exit(0)


def prefill(request_id: str, tokens: int) -> None:
    event = {"event": "prefill", "prefilled_tokens": tokens, "total_tokens": 1000}
    write({"request_id": request_id, **event})


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


def last(request_id: str, reason: str | None, request: dict, middle: str, tokens: int) -> None:
    write(
        {
            "request_id": request_id,
            "event": "done" if reason else "cancelled",
            "prompt": "scripted",
            "raw_output": middle,
            "middle": middle,
            "program": request["prefix"] + middle + request["suffix"],
            "stop_reason": reason,
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
    script, _, number = request["prefix"].partition(" ")
    if script == "unbegun":
        threading.Event().wait()
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
    match script:
        case "slow":
            write_slowly(request_id, request, float(number or 0.02))
            return
        case "read":
            begun, until = time.monotonic(), time.monotonic() + float(number)
            while request_id not in cancelled and time.monotonic() < until:
                time.sleep(0.01)
                share = min(1.0, (time.monotonic() - begun) / float(number))
                prefill(request_id, int(1000 * share))
        case "prefill":
            for done in range(4):
                if request_id not in cancelled:
                    progress = {"prefilled_tokens": done, "total_tokens": 4}
                    write({"request_id": request_id, "event": "prefill", **progress})
                    time.sleep(float(number))
        case "deaf":
            time.sleep(float(number))
        case "hang":
            threading.Event().wait()
        case "oom" if request["max_length"] > 64:
            write(
                {
                    "request_id": request_id,
                    "event": "error",
                    "code": "not_enough_memory",
                    "message": "There was not enough memory.",
                    "hint": "Lower max_length.",
                }
            )
            return
        case "lie":
            write({"request_id": request_id, "event": "nonsense"})
    if request_id in cancelled:
        last(request_id, None, request, "", 0)
        return
    middle = (script in SCRIPTS and request["suffix"]) or request["prefix"]
    token(request_id, 0, middle)
    match script:
        case "crash":
            print("the last words of a worker", file=sys.stderr, flush=True)
            os._exit(3)
        case "stale":
            token("another request", 1, "stale")
            other = {"request_id": "another request", "event": "error"}
            write(other | {"code": "x", "message": "stale"})
    last(request_id, "max_length", request, middle, 1)
    if script == "late":
        for index in range(1, 50):
            token(request_id, index, "late")


def write_slowly(request_id: str, request: dict, pause_s: float) -> None:
    text = request["suffix"] or "x"
    index, started = 0, time.monotonic()
    while request_id not in cancelled and index < 500:
        token(request_id, index, text)
        index += 1
        time.sleep(pause_s)
        if time.monotonic() - started >= request["time_limit_s"]:
            last(request_id, "time_limit", request, text * index, index)
            return
    last(request_id, "max_length" if index == 500 else None, request, text * index, index)


def main() -> None:
    at_once = (
        int(options.get("--max-concurrency", "1")) if options["--backend"] != "tensorflow" else 1
    )
    threading.Thread(target=read, daemon=True).start()
    write({"worker": "state", "state": "loading"})
    print("a library that prints")
    load_s = float(options.get("--load-s", "0.05"))
    for tenths in range(10):
        write({"worker": "state", "state": "loading", "progress": tenths / 10})
        time.sleep(load_s / 10)
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
            "dtype": options.get("--dtype", "float32"),
            "device": "CPU",
            "parameters": 7,
            "memory_bytes": 1000,
            "context_length": 512,
            "summary": "scripted",
            "note": None,
            "at_once": at_once,
        }
    )
    if "--compiles-s" in options:
        warm = {"worker": "warm", "share": 1.0, "compilations": 1, "note": None}
        threading.Timer(float(options["--compiles-s"]), write, [warm]).start()
    with ThreadPoolExecutor(at_once) as pool:
        while True:
            pool.submit(run, requests.get())


def run(message: dict) -> None:
    note("begun", message["request_id"])
    complete(message["request_id"], message["request"])
    note("ended", message["request_id"])


main()
