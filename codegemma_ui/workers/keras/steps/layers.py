"""Layer-by-layer passes on jax and tensorflow: one program serves all layers.

The weights are arguments. For a large model on a CPU, where a layer takes milliseconds, this costs no speed.
Only one layer is compiled, a prefill can be abandoned between layers, and XLA has nothing to convert in
advance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from codegemma_ui.presets import LARGE
from codegemma_ui.workers.keras.steps import (
    Cache,
    PassAbandoned,
    SamplingParams,
    Scores,
    TokenBatch,
    always,
)
from codegemma_ui.workers.keras.steps.programs import Picks, Programs
from codegemma_ui.workers.keras.steps.weights import Layer, Shape, Weights


def wanted(shape: Shape) -> bool:
    """Return whether a CPU should run this model layer by layer."""
    return shape.parameters >= LARGE


class LayeredPasses:
    """`PartedSteps` built from programs that a backend compiles.

    Subclasses provide `sample` and compile `_begin`, `_layer` and `_ends`.

    Attributes:
        parts: number of layers.
    """

    shape: Shape
    parts: int
    sample: Callable[[Scores, SamplingParams], tuple[int, float]]
    _begin: Callable[..., Any]
    """`Programs.begin`."""
    _layer: Callable[..., tuple[Cache, Any]]
    """`Programs.layer`; complete when it returns."""
    _ends: dict[str, Callable[..., tuple[Picks, Any]]]
    """`Programs.end_prefill`, `end_verify` and `end_step`, keyed by their last word."""

    def _keep_weights(self, programs: Programs, weights: Weights) -> None:
        """Extract the weights that every pass reads."""
        self.parts = len(weights.layers)
        self._windows = programs.windows
        self._layers: tuple[Layer, ...] = weights.layers
        self._outer = Weights(weights.embedding, (), weights.final_norm)

    def _number(self, value: Any) -> Any:
        """Convert an integer, or several, to a program argument."""
        return np.asarray(value, np.int32)

    def _run(
        self,
        name: str,
        cache: Cache,
        token_ids: Any,
        offset: int,
        *rest: Any,
        should_continue: Callable[[int], bool] = always,
    ) -> tuple[Cache, TokenBatch, Scores]:
        length, place = cache[0][0].shape[-2], self._number(offset)
        x, cos, sin, *masks = self._begin(
            self._outer.embedding, self._number(token_ids), place, length
        )
        of = dict(zip(self._windows, masks, strict=True))
        written = list(cache)
        for done, window in enumerate(self.shape.windows):
            if not should_continue(done):
                raise PassAbandoned(tuple(written))
            written[done], x = self._layer(
                self._layers[done], written[done], x, place, cos, sin, of[window]
            )
        picks, scores = self._ends[name](self._outer, x, *map(self._number, rest))
        return tuple(written), TokenBatch(np.asarray(picks.ids), np.asarray(picks.logprobs)), scores

    def prefill(
        self,
        cache: Cache,
        token_ids: np.ndarray,
        offset: int,
        last: int,
        stop_ids: np.ndarray,
        should_continue: Callable[[int], bool] = always,
    ) -> tuple[Cache, TokenBatch, Scores]:
        return self._run(
            "prefill", cache, token_ids, offset, last, stop_ids, should_continue=should_continue
        )

    def verify(
        self,
        cache: Cache,
        token_ids: np.ndarray,
        offset: int,
        last: int,
        stop_ids: np.ndarray,
        given: np.ndarray,
    ) -> tuple[Cache, TokenBatch, Scores]:
        return self._run("verify", cache, token_ids, offset, last, stop_ids, given)

    def decode(
        self,
        cache: Cache,
        token_id: int,
        position: int,
        count: int,
        stop_ids: np.ndarray,
        params: SamplingParams,
    ) -> tuple[Cache, TokenBatch]:
        rows: list[TokenBatch] = []
        stops = set(stop_ids.tolist())
        for number in range(count):
            cache, picked, scores = self._run(
                "step", cache, [token_id], position + number, stop_ids
            )
            ids, logprobs = picked.ids.copy(), picked.logprobs.copy()
            if params.temperature > 0:
                left = params._replace(numbers=np.roll(params.numbers, -number))
                ids[0, 0], logprobs[0, 0] = self.sample(scores, left)
            rows.append(TokenBatch(ids, logprobs))
            token_id = int(ids[0, 0])
            if token_id in stops:
                break
        every = [(one.ids, one.logprobs) for one in rows]
        return cache, TokenBatch(*(np.concatenate(parts) for parts in zip(*every, strict=True)))
