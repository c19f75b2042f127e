"""Worker process for one backend and one model; it speaks the protocol of `ipc.child`.

It reads `{"op": "complete", "request_id": …, "request": {…}}`, `{"op": "cancel", "request_id": …}` and
`{"op": "ping"}`, which a dedicated thread answers with `{"worker": "alive"}`. It writes
`{"worker": "state", …}` during start-up, then `{"worker": "loaded", …}` or `{"worker": "failed", …}`, and
`{"events": […]}`, where each event has the `request_id` of its request. What most requests need is compiled
before "loaded", the rest while idle; `{"worker": "warm", …}` reports the progress. It exits when stdin
closes, so that an orphan cannot hold the GPU.

Requests run one at a time, in order of arrival. With `--max-concurrency` above 1, on a backend that supports
batches, up to that many run concurrently, each with its own cancellation and time limit.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from codegemma_ui.errors import LoadFailed, NotEnoughMemory
from codegemma_ui.ipc.child import Inbox, take_stdout, write_failure
from codegemma_ui.ipc.event_writer import EventWriter
from codegemma_ui.ipc.messages import CompletionRequest, ErrorEvent, Loaded
from codegemma_ui.workers.keras import compiled, framework
from codegemma_ui.workers.keras.failures import readable

if TYPE_CHECKING:
    from codegemma_ui.workers.keras.decode import Decoder
    from codegemma_ui.workers.keras.steps import Steps

POLL_S = 0.25
"""Seconds between two checks on background compilation."""

REST_S, MOST_REST_S = 0.5, 5.0
"""Seconds without a request before compiling goes on, since a person who types would wait for the next
program; and seconds after which it goes on in any case."""

COMPILED_FIRST = 2
"""Programs compiled before the first request: prefill of a short prompt, and decode."""


def main() -> None:
    """`python -m codegemma_ui.workers.keras.worker --preset NAME --folder DIR --backend B --dtype D …`."""
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
        serve, warm, at_once = _start(arguments, write, inbox)
    except Exception as error:
        traceback.print_exc()
        sys.stderr.flush()
        failure = readable(error, "load")
        # An unexplained failure may come from a damaged file among the compiled programs.
        write_failure(write, failure, compiled.in_use() and failure.code == LoadFailed.code)
        sys.exit(1)
    if at_once > 1:
        _serve_concurrently(serve, warm, inbox, at_once)
    while True:
        message = inbox.next(warm.pause_s)
        if message is not None:
            serve(message)
        warm.advance(compiles=message is None)


def _serve_concurrently(
    serve: Callable[[dict[str, Any]], None], warm: WarmUp, inbox: Inbox, at_once: int
) -> NoReturn:
    """Serve requests concurrently, one thread each; compile while there are none."""
    under_way: set[Future[None]] = set()
    with ThreadPoolExecutor(at_once, "request") as pool:
        while True:
            pause_s = warm.pause_s
            if pause_s is not None and under_way:
                pause_s = POLL_S
            message = inbox.next(pause_s)
            if message is not None:
                under_way.add(pool.submit(serve, message))
            under_way = {one for one in under_way if not one.done()}
            warm.advance(compiles=message is None and not under_way)


class WarmUp:
    """Compile ahead, one program at a time, and report progress.

    Args:
        decoder: source of the programs.
        write: callable that sends a message.
    """

    def __init__(self, decoder: Decoder, write: Callable[[dict[str, Any]], None]) -> None:
        self._decoder, self._write = decoder, write
        self._programs = decoder.warm_up()
        self._ready, self._total = next(self._programs)
        self._reported: dict[str, Any] = {}
        self._pause_s: float | None = 0
        self._rests_until = self._went_on = 0.0
        self._failure: str | None = None

    @property
    def pause_s(self) -> float | None:
        """Return the time to wait for a request before the next `advance`; None means indefinitely."""
        if self._pause_s == 0:
            until = min(self._rests_until, self._went_on + MOST_REST_S)
            return max(0.0, until - time.monotonic())
        return self._pause_s

    def first(self, count: int) -> None:
        """Compile the first `count` programs, raising any failure."""
        reported = -1
        while self._ready < count:
            if self._ready > reported:
                reported = self._ready
                self._write({"worker": "state", "state": "warming", "progress": reported / count})
            self._ready, self._total = next(self._programs)
        self._write({"worker": "state", "state": "warming", "progress": 1.0})
        self._went_on = time.monotonic()
        self._rests_until = self._went_on + REST_S

    def advance(self, compiles: bool) -> None:
        """Compile one more program if `compiles`, else rest before the next one; report the state.

        What cannot be compiled ahead, for lack of memory for example, is left to the requests that need it.
        """
        now = time.monotonic()
        if not compiles:
            self._rests_until = now + REST_S
        overdue = now >= self._went_on + MOST_REST_S
        if self._pause_s == 0 and (overdue or (compiles and now >= self._rests_until)):
            try:
                before = self._ready
                self._ready, self._total = next(self._programs)
                if self._ready > before:
                    self._went_on = time.monotonic()
                    framework.return_free_memory()
            except StopIteration:
                self._pause_s = POLL_S
            except Exception as error:
                traceback.print_exc()
                self._failure = f"Not everything could be compiled ahead: {readable(error)}"
                self._total = self._ready
                self._decoder.steps.warmed()  # what has been compiled is usable
                self._pause_s = POLL_S
        behind = self._decoder.steps.compiling
        if self._pause_s != 0:
            self._pause_s = POLL_S if behind else None
        message = {
            "worker": "warm",
            "share": self._ready / (self._total + behind),
            "compilations": self._decoder.steps.compilations,
            "note": _note(self._decoder.steps, self._failure),
        }
        if message != self._reported:
            self._reported = message
            if message["share"] == 1:  # first, since the page may end this process when it is told
                compiled.save_checksums()
            self._write(message)


def _note(of: Steps, failure: str | None = None) -> str | None:
    return " ".join(filter(None, (of.note, compiled.note(), failure))) or None


def _start(
    arguments: argparse.Namespace, write: Callable[[dict[str, Any]], None], inbox: Inbox
) -> tuple[Callable[[dict[str, Any]], None], WarmUp, int]:
    """Import, load and compile, reporting each step.

    Returns:
        The request handler, the remaining warm-up, and the number of concurrent requests.
    """
    write({"worker": "state", "state": "loading"})
    keep = arguments.kept_programs == "use"
    framework.before_import(arguments.backend, arguments.torch_device, keep)
    device = framework.device(arguments.backend)

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

    # A short-lived thread, so that torch's OpenMP team ends with it: see `steps/torch.py`.
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
    compiled.model_loaded()
    loaded = Loaded(
        preset=arguments.preset,
        backend=arguments.backend,
        dtype=model.precision.weights,
        device=device.name if devices == 1 else f"{devices} × {device.name}",
        parameters=model.parameters,
        memory_bytes=framework.memory_in_use(arguments.backend, device, devices),
        context_length=arguments.context_length,
        summary=model.summary,
        note=_note(passes),
        at_once=at_once,
    )
    write({"worker": "loaded", **asdict(loaded)})
    writer = EventWriter(write)

    def serve(message: dict[str, Any]) -> None:
        request_id = message["request_id"]
        try:
            request = CompletionRequest.from_dict(message["request"])
            events = generate(
                request, vocabulary, decoder, loaded, lambda: inbox.is_cancelled(request_id)
            )
            for event in events:
                writer.send(request_id, event)
        except Exception as error:
            traceback.print_exc()
            failure = readable(error)
            if isinstance(failure, NotEnoughMemory):
                decoder.forget()
            writer.send(request_id, ErrorEvent.of(failure))
        finally:
            inbox.forget(request_id)

    return serve, warm, at_once


if __name__ == "__main__":
    main()
