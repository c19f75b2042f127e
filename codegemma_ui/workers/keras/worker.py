"""The worker process: one backend, one model, over the line of `ipc.child`.

It reads `{"op": "complete", "request_id": …, "request": {…}}`, `{"op": "cancel", "request_id": …}` and
`{"op": "ping"}`, which it answers with `{"worker": "alive"}` on a thread that does nothing else.
It writes `{"worker": "state", …}` while coming up, then `{"worker": "loaded", …}` or
`{"worker": "failed", …}`, and the events of each request with its `request_id` beside them. What most
requests need is compiled before it says "loaded", the rest while nobody asks for anything;
`{"worker": "warm", …}` tells how far that is. It ends when its stdin closes, so an orphan cannot hold the
GPU.

Requests run one at a time, in the order in which they came; with `--max-concurrency` above 1, on a backend
that can, up to so many go on side by side, each with its own cancel and time limit.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from codegemma_ui.errors import LoadFailed, NotEnoughMemory
from codegemma_ui.ipc.child import Inbox, take_stdout, write_failure
from codegemma_ui.ipc.messages import CompletionRequest, ErrorEvent, Loaded, event_to_dict
from codegemma_ui.workers.keras import compiled, environment
from codegemma_ui.workers.keras.failures import readable

if TYPE_CHECKING:
    from codegemma_ui.workers.keras.decode import Decoder
    from codegemma_ui.workers.keras.steps import Steps

LOOK_S = 0.25
"""Seconds between two looks at what compiles on a thread of its own."""

COMPILED_FIRST = 2
"""Programs compiled before the first request: read a short prompt, write."""


def main() -> None:
    """`python -m codegemma_ui.workers.keras.worker --preset NAME --folder DIR --backend B --dtype D …`"""
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", required=True)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--backend", required=True)
    parser.add_argument("--dtype", required=True)
    parser.add_argument("--context-length", required=True, type=int)
    parser.add_argument("--model-parallel", default=1, type=int)
    parser.add_argument("--max-concurrency", default=1, type=int)
    parser.add_argument("--torch-device", default="auto")
    parser.add_argument("--kept-programs", default="use", choices=("use", "distrust"))
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    write = take_stdout()
    inbox = Inbox(write)
    try:
        serve, warm, at_once = _come_up(arguments, write, inbox)
    except Exception as error:
        traceback.print_exc()
        sys.stderr.flush()
        told = readable(error, "load")
        # What nothing explains may be a damaged file among the compiled programs.
        write_failure(write, told, compiled.in_use() and told.code == LoadFailed.code)
        sys.exit(1)
    if at_once > 1:
        _serve_together(serve, warm, inbox, at_once)
    while True:
        message = inbox.next(warm.pause_s)
        if message is not None:
            serve(message)
        warm.go_on(compiles=message is None)


def _serve_together(
    serve: Callable[[dict[str, Any]], None], warm: WarmUp, inbox: Inbox, at_once: int
) -> NoReturn:
    """Answer requests side by side, each on a thread of its own; compile while there are none."""
    under_way: set[Future[None]] = set()
    with ThreadPoolExecutor(at_once, "request") as pool:
        while True:
            pause_s = warm.pause_s
            if pause_s is not None and under_way:
                pause_s = LOOK_S
            message = inbox.next(pause_s)
            if message is not None:
                under_way.add(pool.submit(serve, message))
            under_way = {one for one in under_way if not one.done()}
            warm.go_on(compiles=message is None and not under_way)


class WarmUp:
    """Compiles ahead, a program at a time, and tells how far it is.

    Args:
        decoder: whose programs.
        write: sends a message.
    """

    def __init__(self, decoder: Decoder, write: Callable[[dict[str, Any]], None]) -> None:
        self._decoder, self._decode = decoder, write
        self._programs = decoder.warm_up()
        self._ready, self._total = next(self._programs)
        self._told: dict[str, Any] = {}
        self.pause_s: float | None = 0

    def first(self, count: int) -> None:
        """Compile the first few; a failure is raised."""
        told = -1
        while self._ready < count:
            if self._ready > told:
                told = self._ready
                self._decode({"worker": "state", "state": "warming", "progress": told / count})
            self._ready, self._total = next(self._programs)
        self._decode({"worker": "state", "state": "warming", "progress": 1.0})

    def go_on(self, compiles: bool) -> None:
        """Tell how things stand, after one more program where `compiles`.

        `pause_s` then says how long to wait for a request before the next call; None is for ever.
        """
        if compiles and self.pause_s == 0:
            try:
                before = self._ready
                self._ready, self._total = next(self._programs)
                if self._ready > before:
                    environment.return_free_memory()
            except StopIteration:
                self.pause_s = LOOK_S
            except Exception:  # such as too little memory: a request that needs it will say so
                traceback.print_exc()
                self._decoder.steps.warmed()  # what did come up is compiled all the same
                self.pause_s = LOOK_S
        behind = self._decoder.steps.compiling
        if self.pause_s and not behind:
            self.pause_s = None
        told = {
            "worker": "warm",
            "share": self._ready / (self._total + behind),
            "compilations": self._decoder.steps.compilations,
            "note": _note(self._decoder.steps),
        }
        if told != self._told:
            self._told = told
            self._decode(told)
            if told["share"] == 1:
                compiled.remember()


def _note(of: Steps) -> str | None:
    return " ".join(filter(None, (of.note, compiled.note()))) or None


def _come_up(
    arguments: argparse.Namespace, write: Callable[[dict[str, Any]], None], inbox: Inbox
) -> tuple[Callable[[dict[str, Any]], None], WarmUp, int]:
    """Import, load, compile; tell of each.

    Returns:
        What answers a request, what compiles the rest, and how many requests may go on at once.
    """
    write({"worker": "state", "state": "loading"})
    keep = arguments.kept_programs == "use"
    environment.before_import(arguments.backend, arguments.torch_device, keep)
    device = environment.device(arguments.backend)

    from codegemma_ui.fim.vocabulary import Vocabulary
    from codegemma_ui.workers.keras import loading, steps
    from codegemma_ui.workers.keras.batching import BatchedDecoder
    from codegemma_ui.workers.keras.decode import Decoder
    from codegemma_ui.workers.keras.generation import generate

    vocabulary, devices = Vocabulary(arguments.folder), arguments.model_parallel

    def report(share: float) -> None:
        write({"worker": "state", "state": "loading", "progress": share})

    def load() -> loading.Model:
        return loading.load(
            arguments.folder, arguments.backend, arguments.dtype, device, devices, report
        )

    # On a thread that ends, and takes torch's team of OpenMP threads with it: see `steps/torch.py`.
    with ThreadPoolExecutor(1) as aside:
        model = aside.submit(load).result()
    passes = model.steps
    at_once = arguments.max_concurrency if steps.takes_batches(passes) else 1
    decoder = (
        BatchedDecoder(passes, arguments.context_length, at_once)
        if steps.takes_batches(passes) and at_once > 1
        else Decoder(passes, arguments.context_length)
    )
    warm = WarmUp(decoder, write)
    warm.first(COMPILED_FIRST)
    compiled.came_up()
    loaded = Loaded(
        preset=arguments.preset,
        backend=arguments.backend,
        dtype=model.precision.weights,
        device=device.name if devices == 1 else f"{devices} × {device.name}",
        parameters=model.parameters,
        memory_bytes=environment.memory_in_use(arguments.backend, device, devices),
        context_length=arguments.context_length,
        summary=model.summary,
        note=_note(passes),
        at_once=at_once,
    )
    write({"worker": "loaded", **asdict(loaded)})

    def serve(message: dict[str, Any]) -> None:
        request_id = message["request_id"]
        try:
            request = CompletionRequest.from_dict(message["request"])
            events = generate(
                request, vocabulary, decoder, loaded, lambda: inbox.is_cancelled(request_id)
            )
            for event in events:
                write({"request_id": request_id, **event_to_dict(event)})
        except Exception as error:
            traceback.print_exc()
            told = readable(error)
            if isinstance(told, NotEnoughMemory):
                decoder.forget()
            event = ErrorEvent.of(told)
            write({"request_id": request_id, **event_to_dict(event)})
        finally:
            inbox.forget(request_id)

    return serve, warm, at_once


if __name__ == "__main__":
    main()
