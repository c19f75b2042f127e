"""A pass a layer at a time, on jax and tensorflow: one program of a layer serves all layers.

Its weights are arguments. For a large model on a CPU, where a layer takes milliseconds, this costs nothing in
speed; one layer is all that compiles, a prefill can be given up between two layers, and XLA has nothing to
widen beforehand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from codegemma_ui.presets import LARGE
from codegemma_ui.workers.keras.steps import Cache, Drawing, GivenUp, Picked, Scores, always
from codegemma_ui.workers.keras.steps.programs import Picks, Programs
from codegemma_ui.workers.keras.steps.weights import Layer, Shape, Weights


def wanted(shape: Shape) -> bool:
    """Whether a CPU should run the model so."""
    return shape.parameters >= LARGE


class LayeredPasses:
    """`PartedSteps` from programs that a backend compiles.

    What inherits it gives `draw`, and compiles `_begin`, `_layer` and `_ends`.

    Attributes:
        parts: layers of the model.
    """

    shape: Shape
    parts: int
    draw: Callable[[Scores, Drawing], tuple[int, float]]
    _begin: Callable[..., Any]
    """`Programs.begin`."""
    _layer: Callable[..., tuple[Cache, Any]]
    """`Programs.layer`; done when it returns."""
    _ends: dict[str, Callable[..., tuple[Picks, Any]]]
    """`Programs.end_read`, `end_check` and `end_step`, by their last words."""

    def _cut(self, programs: Programs, weights: Weights) -> None:
        """Take what the passes read again and again."""
        self.parts = len(weights.layers)
        self._windows = programs.windows
        self._layers: tuple[Layer, ...] = weights.layers
        self._outer = Weights(weights.embedding, (), weights.final_norm)

    def _number(self, value: Any) -> Any:
        """An integer, or several, as an argument of a program."""
        return np.asarray(value, np.int32)

    def _run(
        self,
        name: str,
        cache: Cache,
        token_ids: Any,
        offset: int,
        *rest: Any,
        goes_on: Callable[[int], bool] = always,
    ) -> tuple[Cache, Picked, Scores]:
        length, place = cache[0][0].shape[-2], self._number(offset)
        x, cos, sin, *masks = self._begin(
            self._outer.embedding, self._number(token_ids), place, length
        )
        of = dict(zip(self._windows, masks, strict=True))
        written = list(cache)
        for done, window in enumerate(self.shape.windows):
            if not goes_on(done):
                raise GivenUp(tuple(written))
            written[done], x = self._layer(
                self._layers[done], written[done], x, place, cos, sin, of[window]
            )
        picks, scores = self._ends[name](self._outer, x, *map(self._number, rest))
        return tuple(written), Picked(np.asarray(picks.ids), np.asarray(picks.logprobs)), scores

    def read(
        self,
        cache: Cache,
        token_ids: np.ndarray,
        offset: int,
        last: int,
        stop_ids: np.ndarray,
        goes_on: Callable[[int], bool] = always,
    ) -> tuple[Cache, Picked, Scores]:
        return self._run("read", cache, token_ids, offset, last, stop_ids, goes_on=goes_on)

    def check(
        self,
        cache: Cache,
        token_ids: np.ndarray,
        offset: int,
        last: int,
        stop_ids: np.ndarray,
        given: np.ndarray,
    ) -> tuple[Cache, Picked, Scores]:
        return self._run("check", cache, token_ids, offset, last, stop_ids, given)

    def write(
        self,
        cache: Cache,
        token_id: int,
        position: int,
        count: int,
        stop_ids: np.ndarray,
        drawing: Drawing,
    ) -> tuple[Cache, Picked]:
        rows: list[Picked] = []
        stops = set(stop_ids.tolist())
        for number in range(count):
            cache, picked, scores = self._run(
                "step", cache, [token_id], position + number, stop_ids
            )
            ids, logprobs = picked.ids.copy(), picked.logprobs.copy()
            if drawing.temperature > 0:
                left = drawing._replace(numbers=np.roll(drawing.numbers, -number))
                ids[0, 0], logprobs[0, 0] = self.draw(scores, left)
            rows.append(Picked(ids, logprobs))
            token_id = int(ids[0, 0])
            if token_id in stops:
                break
        every = [(one.ids, one.logprobs) for one in rows]
        return cache, Picked(*(np.concatenate(parts) for parts in zip(*every, strict=True)))
