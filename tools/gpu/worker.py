"""The real worker process of the engine, asked for greedy tokens: what the page starts, without the page."""

from __future__ import annotations

import itertools
import math
import queue
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codegemma_ui import errors, presets
from codegemma_ui.ipc.parent import LineProcess, environment
from tools.gpu.comparison import Token

MODULE = "codegemma_ui.workers.keras.worker"

ON_CPU = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
"""Variables with which jax and torch find no card."""

SILENT_S = 180.0
"""Longest wait for a message, in seconds: a program may be compiled first."""

LAST = ("done", "cancelled", "error")
"""Events that end a completion."""

Snippet = tuple[str, str]
"""Prefix and suffix."""


class WorkerEnded(Exception):
    """The process ended, or said nothing for too long; the message has the end of what it wrote to stderr."""


class TooLate(Exception):
    """The time of the process was up; the message has what it did then, and the end of its stderr."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The bundled model on a backend, as the worker's flags name it.

    Attributes:
        context_length: in tokens; the length of a cache.
        at_once: requests that are decoded together; more than one on jax only.
        on_cpu: whether no card is used.
        module: what is run: the worker, or one that changes a detail of it.
        flags: more flags.
    """

    backend: str
    dtype: str = "float32"
    context_length: int = 256
    at_once: int = 1
    on_cpu: bool = False
    module: str = MODULE
    flags: Sequence[str] = ()

    def command(self) -> list[str]:
        """Return the command of the process."""
        return [
            *(sys.executable, "-m", self.module),
            *("--preset", presets.BUNDLED, "--folder", str(presets.BUNDLED_FOLDER)),
            *("--backend", self.backend, "--dtype", self.dtype),
            *("--context-length", str(self.context_length)),
            *("--max-concurrency", str(self.at_once)),
            *("--torch-device", "cpu" if self.on_cpu else "auto"),
            *self.flags,
        ]


class Worker:
    """A running engine. A context manager: the process ends with the block, after an error at once.

    Args:
        engine: what to start.
        ends: when its time is up, by `time.monotonic()`; whatever it does then, waiting for it ends.

    Attributes:
        device: "CPU" or the card's name.
        note: the engine's own remark, such as that torch runs uncompiled; or None.
        start_s: seconds until it was ready.

    Raises:
        PlaygroundError: it could not be loaded; the worker's own error.
        WorkerEnded: it ended without one.
        TooLate: it was not ready in time.
    """

    def __init__(self, engine: Engine, ends: float = math.inf) -> None:
        self._ends, self._doing = ends, "starting"
        self._messages: queue.Queue[dict[str, Any]] = queue.Queue()
        self._events: dict[str, list[dict[str, Any]]] = {}
        self._warm = 0.0
        self._numbers = itertools.count()
        variables = environment() | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        variables |= ON_CPU if engine.on_cpu else {}
        started = time.monotonic()
        self._process = LineProcess(
            engine.command(),
            variables,
            self._messages.put,
            lambda code: self._messages.put({"ended": code}),
        )
        try:
            loaded = self._loaded()
        except BaseException:
            self._process.kill()
            raise
        self.start_s = time.monotonic() - started
        self.device, self.note = str(loaded["device"]), loaded.get("note")

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None:
            self._process.stop()
        else:
            self._process.kill()  # it may hang

    def warm_up(self, limit_s: float) -> bool:
        """Wait until everything is compiled, which happens in the background; return whether it has been.

        Args:
            limit_s: seconds to wait at most.

        Raises:
            WorkerEnded: the process ended.
            TooLate: its time is up.
        """
        self._doing = "compiling"
        ends = time.monotonic() + limit_s
        while self._warm < 1 and (left_s := ends - time.monotonic()) > 0:
            self._read(left_s)
        return self._warm >= 1 and "uncompiled" not in (self.note or "")

    def complete(self, snippets: Sequence[Snippet], max_length: int) -> list[list[Token]]:
        """Return the greedy tokens of each completion; all are asked for at once.

        Args:
            max_length: prompt and middle together, in tokens. It decides how long a cache is used.

        Raises:
            PlaygroundError: one failed; the worker's own error.
            WorkerEnded: the process ended, or said nothing for `SILENT_S`.
            TooLate: its time is up.
        """
        self._doing = "completing"
        asked = []
        for prefix, suffix in snippets:
            asked.append(f"gpu-{next(self._numbers)}")
            self._events[asked[-1]] = []
            request = {"prefix": prefix, "suffix": suffix, "max_length": max_length}
            # Neither may decide when a middle ends.
            request |= {"stop_on_repetition": False, "time_limit_s": 3600.0}
            self._process.send({"op": "complete", "request_id": asked[-1], "request": request})
        return [self._tokens(request_id) for request_id in asked]

    def _loaded(self) -> dict[str, Any]:
        while True:
            message = self._read(SILENT_S)
            if message.get("worker") == "failed":
                raise errors.from_dict(message)
            if message.get("worker") == "loaded":
                return message
            if not message:
                raise self._silent()

    def _tokens(self, request_id: str) -> list[Token]:
        events = self._events[request_id]
        while not events or events[-1]["event"] not in LAST:
            if not self._read(SILENT_S):
                raise self._silent()
        last = events[-1]
        if last["event"] != "done":
            raise errors.from_dict(last)
        return [_token(event) for event in events if event["event"] == "token"]

    def _read(self, limit_s: float) -> dict[str, Any]:
        """Return the next message, sorted in where it belongs; empty if none arrives in time."""
        left_s = self._ends - time.monotonic()
        try:
            message = self._messages.get(timeout=max(0.0, min(limit_s, left_s)))
        except queue.Empty:
            message = {}
        if time.monotonic() >= self._ends:
            tail = self._process.stderr_tail[-2000:]
            raise TooLate(f"The worker was still {self._doing}. {tail}")
        if not message:
            return {}
        if "ended" in message:
            raise WorkerEnded(
                f"The worker ended with exit code {message['ended']}. {self._process.stderr_tail[-2000:]}"
            )
        if message.get("worker") == "warm":
            self._warm, self.note = message["share"], message["note"]
        for event in message.get("events", ()):
            self._events[event["request_id"]].append(event)
        return message

    def _silent(self) -> WorkerEnded:
        tail = self._process.stderr_tail[-2000:]
        return WorkerEnded(f"The worker said nothing for {SILENT_S:.0f} s. {tail}")


def _token(event: Mapping[str, Any]) -> Token:
    likeliest = {one["id"]: one["logprob"] for one in event["alternatives"]}
    return Token(event["id"], event["logprob"], likeliest)
