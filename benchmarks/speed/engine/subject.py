"""The measured process's end of the pipe: one protocol for every engine, JSON lines on stdin and stdout.

It sends `{"bench": "ready", …}` with the fields of `Facts` once its model is ready, or
`{"bench": "failed", "message": …}`. Then it reads

    {"op": "generate", "prompt_ids": […], "new_tokens": 16, "stop_ids": […], "options": {…}}

and responds with `{"bench": "done", …}` and the fields of `Generated`; `{"op": "peak"}`, with the response
`{"bench": "done", "peak_bytes": …, "device_peak_bytes": …}`; and further operations of an engine. It ends
when stdin closes. Generation is greedy, and without `stop_ids` it continues to the last token.
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
"""The message after a framework's name if it cannot use the GPU."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts about an engine, sent once it is ready.

    Attributes:
        load_s: seconds for imports and weights.
        warm_up_s: seconds for compilation and warm-up before it is ready; 0 if there is none.
        parameters: the number of weights.
        weight_bytes: the bytes of all weights in memory, which a token reads.
        device: "CPU" or the card's name.
        note: a remark for readers of the table, or None.
        offers: names of `options` that have an effect.
        aside_s: seconds spent on these facts before it was ready, not part of its startup.
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
    """One greedy generation.

    Attributes:
        prompt_ids: the whole prompt, `<bos>` first.
        new_tokens: number of tokens to generate.
        stop_ids: tokens that end it early; usually none, so that counts are equal.
        options: `{"reuse": true}` lets an engine use its cache of earlier prompts, where that is optional;
            the others are named in `Facts.offers`, and None leaves them to the engine.
    """

    prompt_ids: Sequence[int]
    new_tokens: int
    stop_ids: Sequence[int] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Generated:
    """One generation.

    Attributes:
        arrivals_s: arrival time of each token, in seconds since the request was received.
        token_ids: the new tokens.
        first_inside_s: without streaming, the time of prefill and one token, measured separately, so that the
            speed of the others can be computed; else None.
    """

    arrivals_s: Sequence[float]
    token_ids: Sequence[int]
    first_inside_s: float | None = None


class Engine(Protocol):
    """The interface of an engine for `serve()`."""

    facts: Facts

    def generate(self, request: Request) -> Generated:
        """Generate, and record the arrival time of each token."""
        ...

    def device_peak_bytes(self) -> int | None:
        """Return the peak GPU memory in bytes, as counted by the framework; None on a CPU."""
        ...


@dataclass
class Arrivals:
    """Collects tokens and their arrival times."""

    token_ids: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    def add(self, *token_ids: int) -> None:
        """Add tokens that arrive now, all at once."""
        now = time.perf_counter() - self.started
        self.token_ids += token_ids
        self.seconds += [now] * len(token_ids)

    def generated(self) -> Generated:
        return Generated(arrivals_s=self.seconds, token_ids=self.token_ids)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the flags that every engine is started with."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--weights", required=True, type=Path)
    parser.add_argument("--backend", required=True)
    parser.add_argument("--dtype", required=True)
    parser.add_argument("--mode", default="")
    parser.add_argument("--threads", required=True, type=int)
    parser.add_argument("--device", required=True, choices=("cpu", "cuda"))
    parser.add_argument("--context-length", required=True, type=int)
    parser.add_argument("--settings", default={}, type=json.loads)
    return parser


def serve(load: Callable[[argparse.Namespace], Engine]) -> None:
    """Load an engine and serve requests until stdin closes.

    Args:
        load: imports, loads, warms up.
    """
    given = parser().parse_args()
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
    """Return the peak resident memory of this process; None if the system does not report it."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes, on macOS
    # psutil does not have it, and Linux's ru_maxrss includes the parent's:
    # https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None
