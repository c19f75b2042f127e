"""Scripted subject: speaks the real protocol, and reports the times given by its script.

The first flag selects the script. "steady": a token every 10 ms after 100 ms, plus 500 ms the first time a
number of tokens is requested. "other": as steady, with a different tenth token. "crash-early": exits before
it is ready. "crash": exits after two responses. "refuse": refuses, with a reason. "slow": never responds.
"short": leaves out a token. "chatter": prints lines that are not JSON before it is ready. "drift FILE": twice
as fast from the third start on, counted in the file.

The second flag is an object of settings: {"pace": "slow"} takes twice as long for each token after the first,
{"reading": "late"} for the first one, and {"pace": "broken"} refuses.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

SCRIPT, _, FILE = sys.argv[1].partition(" ")
SETTINGS = json.loads(sys.argv[2])
FIRST_S = 0.2 if SETTINGS.get("reading") == "late" else 0.1
STEP_S = 0.02 if SETTINGS.get("pace") == "slow" else 0.01
COMPILE_S = 0.5

seen: set[tuple[int, int]] = set()
starts = 0
last_prompt: list[int] = []


def say(bench: str, **fields: object) -> None:
    print(json.dumps({"bench": bench, **fields}), flush=True)


def count(file: Path) -> None:
    global starts
    starts = 1 + (int(file.read_text()) if file.exists() else 0)
    file.write_text(str(starts))


def generate(message: dict) -> None:
    prompt, count = message["prompt_ids"], message["new_tokens"]
    options = message.get("options", {})
    kind = (len(prompt), count)
    first = FIRST_S + (0 if kind in seen else COMPILE_S)
    if (
        options.get("reuse")
        and prompt[: len(last_prompt) // 2] == last_prompt[: len(last_prompt) // 2]
    ):
        first /= 10
    step = STEP_S / 2 if options.get("drafts") or (SCRIPT == "drift" and starts > 2) else STEP_S
    seen.add(kind)
    last_prompt[:] = prompt
    ids = [(sum(prompt) + index) % 1000 for index in range(count)]
    if SCRIPT == "other" and count > 9:
        ids[9] += 1000
    if SCRIPT == "short":
        ids.pop()
    stops = [index for index, token in enumerate(ids) if token in message.get("stop_ids", [])]
    ids = ids[: stops[0] + 1] if stops else ids
    arrivals = [first + step * index for index in range(len(ids))]
    say("done", arrivals_s=arrivals, token_ids=ids, first_inside_s=None)


def events(message: dict) -> None:
    request = message["request"]
    for index in range(16):
        time.sleep(0.001)
        say("events", events=[{"event": "token", "index": index, "id": index}])
    say("events", events=[{"event": "done", "max_length": request["max_length"]}])
    say("done")


def main() -> None:
    if SCRIPT == "drift":
        count(Path(FILE))
    compiled = Path(os.environ["XDG_CACHE_HOME"], "compiled")
    warm_up_s = 0.0 if SCRIPT == "keeps" and compiled.exists() else 1.0
    compiled.touch()
    if SETTINGS.get("pace") == "broken":
        say("failed", message="RuntimeError: this pace is broken")
        sys.exit(1)
    if SCRIPT == "crash-early":
        raise RuntimeError("the weights are torn")
    if SCRIPT == "refuse":
        say("failed", message="RuntimeError: there is no card")
        sys.exit(1)
    if SCRIPT == "chatter":
        print("loading a library\n[1, 2]\n{broken", flush=True)
    say(
        "ready",
        load_s=0.25,
        warm_up_s=warm_up_s,
        parameters=1_000_000,
        weight_bytes=4_000_000,
        device="CPU",
        note=None,
        offers=["drafts"],
        aside_s=0.0,
    )
    for answered, line in enumerate(sys.stdin):
        message = json.loads(line)
        if SCRIPT == "slow":
            time.sleep(600)
        if SCRIPT == "crash" and answered == 2:
            sys.stderr.write(
                "Traceback (most recent call last):\n  …\nMemoryError: no more of it\n"
            )
            sys.exit(3)
        match message["op"]:
            case "generate":
                generate(message)
            case "events":
                events(message)
            case "peak":
                say("done", peak_bytes=123_000_000, device_peak_bytes=None)


main()
