"""Our engine without the page: the decoder alone, and with everything that turns tokens into events."""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from benchmarks.speed.engine import keras_process
from benchmarks.speed.engine.subject import Arrivals, Facts, Generated, Request, Write, serve
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.event_writer import EventWriter
from codegemma_ui.ipc.messages import CompletionRequest, Loaded

if TYPE_CHECKING:  # at run time only once the process is set up
    from codegemma_ui.workers.keras.decode import Decoder
    from codegemma_ui.workers.keras.sampling import TokenChoice
    from codegemma_ui.workers.keras.steps import Steps

OFFERS = ("drafts", "alternatives")
"""Options that a comparison turns on and off. Otherwise every token is generated singly, with everything that
the page shows of it."""


class Endless(Vocabulary):
    """A vocabulary without stop tokens, so that token counts are equal."""

    stop_ids = frozenset[int]()


class Ours:
    """The playground's decoder on one Keras backend; see `subject.Engine`."""

    def __init__(self, given: argparse.Namespace) -> None:
        started = time.perf_counter()
        device = keras_process.begin(given)

        from codegemma_ui.workers.keras import loading, steps
        from codegemma_ui.workers.keras.decode import Decoder
        from codegemma_ui.workers.keras.sampling import Sampling

        def load() -> tuple[steps.Steps, int, float]:
            model = loading.load(given.weights, given.backend, given.dtype, device)
            return model.steps, model.parameters, time.perf_counter()

        with ThreadPoolExecutor(1) as aside:  # on a thread that ends, as the worker does
            compiled, parameters, loaded = aside.submit(load).result()
        self._thread = ThreadPoolExecutor(1, "decoder")
        self._decoder = Decoder(compiled, given.context_length, thread=self._thread)
        for _ in self._decoder.warm_up():
            pass
        _wait_for(compiled)
        warm = time.perf_counter()

        self._backend = given.backend
        self._device = device
        self._greedy = Sampling()
        self._vocabulary = Endless(given.weights)
        self._bare: Decoder | None = None  # created on demand
        self.facts = Facts(
            load_s=loaded - started,
            warm_up_s=warm - loaded,
            parameters=parameters,
            weight_bytes=compiled.weight_bytes,
            device=device.name,
            note=compiled.note,
            offers=OFFERS,
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
        told = request.options.get("alternatives")
        arrivals = Arrivals()
        choices = self._choices(
            self._decoder if told is None or told else self._without_alternatives(request),
            request,
            # None is what a served request has.
            drafts=request.options.get("drafts", False) is not False,
        )
        for choice in choices:
            arrivals.add(choice.id)
        return arrivals.generated()

    def _choices(self, decoder: Decoder, request: Request, drafts: bool) -> Iterator[TokenChoice]:
        return decoder.decode(
            request.prompt_ids,
            len(request.prompt_ids) + request.new_tokens,
            self._greedy,
            request.stop_ids,
            drafts=drafts,
            cursor=self._vocabulary.cursor(request.prompt_ids),
        )

    def _without_alternatives(self, request: Request) -> Decoder:
        """Return a warm decoder on the same weights that yields token ids only."""
        if self._bare is None:
            from codegemma_ui.workers.keras import steps
            from codegemma_ui.workers.keras.decode import Decoder

            warm = self._decoder.steps
            bare = steps.create(self._backend, warm.shape, warm.weights, alternatives=0)
            self._bare = Decoder(bare, self._decoder.context_length, thread=self._thread)
            for _ in self._choices(self._bare, request, drafts=False):
                pass
            bare.warmed()
            _wait_for(bare)
        return self._bare

    def take_events(self, message: dict[str, Any], write: Write) -> dict[str, Any]:
        """Serve `{"op": "events", "request": {…}}` as the worker does."""
        generation = importlib.import_module("codegemma_ui.workers.keras.generation")
        request = CompletionRequest(**message["request"])
        events = generation.generate(
            request, self._vocabulary, self._decoder, self._loaded, lambda: False
        )
        writer = EventWriter(lambda message: write({"bench": "events", **message}))
        for event in events:
            writer.send("bench", event)
        return {}

    def device_peak_bytes(self) -> int | None:
        return keras_process.device_peak_bytes(self._backend, self._device)


def _wait_for(compiled: Steps) -> None:
    """Wait until background compilation is done; before that, passes run uncompiled."""
    while compiled.compiling:
        time.sleep(0.05)


if __name__ == "__main__":
    serve(Ours)
