"""The measured process's end of the line: one protocol for every engine, JSON lines on stdin and stdout.

It says `{"bench": "ready", …}` with the fields of `Facts` once its model answers, or
`{"bench": "failed", "message": …}`. Then it reads

    {"op": "generate", "prompt_ids": […], "new_tokens": 16, "stop_ids": […], "options": {…}}

and answers `{"bench": "done", …}` with the fields of `Generated`; `{"op": "peak"}`, answered by
`{"bench": "done", "peak_bytes": …, "device_peak_bytes": …}`; and whatever else an engine takes. It ends
when stdin closes. Generation is greedy, and without `stop_ids` it goes on to the last token.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from codegemma_ui.ipc.child import take_stdout

Write = Callable[[dict[str, Any]], None]

NO_CUDA = "finds no CUDA card: install its CUDA build, or measure the CPU with --device cpu"
"""What follows a framework's name where there is a card that it cannot use."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What an engine says of itself once it is up.

    Attributes:
        load_s: seconds for imports and weights.
        warm_up_s: seconds for what it compiles or runs before it calls itself ready; 0 where it does not.
        parameters: the number of weights.
        weight_bytes: the bytes of all weights as they lie in memory: what a token reads of them.
        device: "CPU" or the card's name.
        note: what a reader of the table should know, or None.
        offers: names of `options` that have an effect.
        aside_s: seconds before it was ready that went into these facts, and not into getting ready.
    """

    load_s: float
    warm_up_s: float
    parameters: int
    weight_bytes: int
    device: str
    note: str | None = None
    offers: tuple[str, ...] = ()
    aside_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Request:
    """One generation to make, greedily.

    Attributes:
        prompt_ids: all of the prompt, `<bos>` first.
        new_tokens: how many to generate.
        stop_ids: tokens that end it early; usually none, so that counts are equal.
        options: `{"reuse": true}` lets an engine use what it kept of earlier prompts, where that is a
            choice; the others are named in `Facts.offers`, and None leaves them to the engine.
    """

    prompt_ids: Sequence[int]
    new_tokens: int
    stop_ids: Sequence[int] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Generated:
    """One generation.

    Attributes:
        arrivals_s: when each token was there, in seconds since the request was taken up.
        token_ids: the new tokens.
        first_inside_s: where nothing streams: how long reading the prompt and one token takes, measured
            by itself, so that the speed of the others can be told; else None.
    """

    arrivals_s: Sequence[float]
    token_ids: Sequence[int]
    first_inside_s: float | None = None


class Engine(Protocol):
    """What a module of this folder gives `serve()`."""

    facts: Facts

    def generate(self, request: Request) -> Generated:
        """Generate, and note when each token was there."""
        ...

    def device_peak_bytes(self) -> int | None:
        """The most memory of a GPU that was in use, as the framework counts it; None on a CPU."""
        ...


@dataclass
class Arrivals:
    """Collects tokens and the moment each one came."""

    token_ids: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    def add(self, *token_ids: int) -> None:
        """Tokens that are there now, all at once."""
        now = time.perf_counter() - self.started
        self.token_ids += token_ids
        self.seconds += [now] * len(token_ids)

    def generated(self) -> Generated:
        return Generated(arrivals_s=self.seconds, token_ids=self.token_ids)


def arguments() -> argparse.Namespace:
    """The flags that every engine is started with."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", required=True, type=Path)
    parser.add_argument("--backend", required=True)
    parser.add_argument("--dtype", required=True)
    parser.add_argument("--mode", default="")
    parser.add_argument("--threads", required=True, type=int)
    parser.add_argument("--device", required=True, choices=("cpu", "cuda"))
    parser.add_argument("--context-length", required=True, type=int)
    return parser.parse_args()


def serve(load: Callable[[argparse.Namespace], Engine]) -> None:
    """Load an engine and answer until stdin closes.

    Args:
        load: imports, loads, warms up.
    """
    given = arguments()
    write = take_stdout()
    try:
        engine = load(given)
        write({"bench": "ready", **asdict(engine.facts)})
        for line in sys.stdin:
            write({"bench": "done", **_answer(engine, json.loads(line), write)})
    except Exception as error:
        traceback.print_exc()
        words = (str(error).strip().splitlines() or [""])[0]
        write({"bench": "failed", "message": f"{type(error).__name__}: {words}"[:300]})
        sys.exit(1)


def _answer(engine: Engine, message: dict[str, Any], write: Write) -> dict[str, Any]:
    match message.pop("op"):
        case "generate":
            return asdict(engine.generate(Request(**message)))
        case "peak":
            return {"peak_bytes": peak_bytes(), "device_peak_bytes": engine.device_peak_bytes()}
        case other:
            answer: dict[str, Any] = getattr(engine, f"take_{other}")(message, write)
            return answer


def peak_bytes() -> int | None:
    """The most main memory that this process ever had resident; None where the system does not say."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes, on macOS
    # psutil does not have it, and Linux's ru_maxrss begins with the parent's:
    # https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None
