"""Our engine, asked below the page: the decoder by itself, and with all that makes events of its tokens."""

from __future__ import annotations

import argparse
import importlib
import inspect
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from codegemma_ui.bench.engine import keras_process
from codegemma_ui.bench.engine.subject import Arrivals, Facts, Generated, Request, Write, serve
from codegemma_ui.messages import CompletionRequest, Loaded, event_to_dict
from codegemma_ui.vocabulary import Vocabulary

_SWITCHES = {"drafts": False, "alternatives": True}
"""Arguments of `decode()` that a comparison turns on and off, where the engine has them, and what they are
otherwise: every token written by itself, with all that the page shows of it."""


class Endless(Vocabulary):
    """A vocabulary in which nothing stops a middle, so that counts of tokens are equal."""

    stop_ids = frozenset[int]()


class Ours:
    """The playground's decoder on one Keras backend; see `subject.Engine`."""

    def __init__(self, given: argparse.Namespace) -> None:
        started = time.perf_counter()
        device = keras_process.begin(given)

        from codegemma_ui.engine import loading, steps
        from codegemma_ui.engine.decode import Decoder
        from codegemma_ui.engine.sampling import Sampling

        def load() -> tuple[steps.Steps, int, float]:
            model, precision = loading.load(given.weights, given.dtype, device)
            loaded, parameters = time.perf_counter(), int(model.count_params())
            compiled = steps.create(given.backend, model, precision, takes_weights=True)
            return compiled, parameters, loaded

        with ThreadPoolExecutor(1) as aside:  # on a thread that ends, as the worker does
            compiled, parameters, loaded = aside.submit(load).result()
        self._decoder = Decoder(compiled, given.context_length)
        for _ in self._decoder.warm_up():
            pass
        while compiled.compiling:  # on a thread of its own; until then the step runs uncompiled
            time.sleep(0.05)
        warm = time.perf_counter()

        self._backend = given.backend
        self._device = device
        self._greedy = Sampling()
        self._vocabulary = Endless(given.weights)
        known = inspect.signature(self._decoder.decode).parameters
        self._switches = {name: on for name, on in _SWITCHES.items() if name in known}
        self.facts = Facts(
            load_s=loaded - started,
            warm_up_s=warm - loaded,
            parameters=parameters,
            weight_bytes=compiled.weight_bytes,
            device=device.name,
            note=compiled.note,
            offers=tuple(self._switches),
        )
        self._loaded = Loaded(
            preset="bench",
            backend=given.backend,
            dtype=given.dtype,
            device=device.name,
            parameters=parameters,
            memory_bytes=0,
            context_length=given.context_length,
            summary="",
        )

    def generate(self, request: Request) -> Generated:
        switches = self._switches | {
            name: on for name, on in request.options.items() if name in self._switches
        }
        chosen = {name: on for name, on in switches.items() if on is not None}
        arrivals = Arrivals()
        total = len(request.prompt_ids) + request.new_tokens
        choices = self._decoder.decode(
            request.prompt_ids,
            total,
            self._greedy,
            request.stop_ids,
            cursor=self._vocabulary.cursor(request.prompt_ids),
            **chosen,
        )
        for choice in choices:
            arrivals.add(choice.id)
        return arrivals.generated()

    def take_events(self, message: dict[str, Any], write: Write) -> dict[str, Any]:
        """`{"op": "events", "request": {…}}`: a request as the worker serves it, each event a line."""
        generation = importlib.import_module("codegemma_ui.engine.generation")
        request = CompletionRequest(**message["request"])
        events = generation.generate(
            request, self._vocabulary, self._decoder, self._loaded, lambda: False
        )
        for event in events:
            write({"bench": "event", **event_to_dict(event)})
        return {}

    def device_peak_bytes(self) -> int | None:
        return keras_process.device_peak_bytes(self._backend, self._device)


if __name__ == "__main__":
    serve(Ours)
