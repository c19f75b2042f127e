"""Programs to compile: prefill, decode, verify and sample, in `keras.ops`, once for all backends.

Each chooses on the device: it returns a token, its logprob and the five likeliest, not the logits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

from codegemma_ui.workers.keras.steps import ALTERNATIVES, BURST, SamplingParams
from codegemma_ui.workers.keras.steps.forward import (
    BatchKernels,
    Cache,
    Kernels,
    Surroundings,
    embed,
    hidden,
    hidden_rows,
    layer,
    logits,
    surroundings,
)
from codegemma_ui.workers.keras.steps.sample import sample
from codegemma_ui.workers.keras.steps.weights import Layer, Shape, Weights


class Picks(NamedTuple):
    """For each of N positions the chosen token, then the five likeliest, most likely first.

    Attributes:
        ids: int32, `(N, 6)`; fewer if the vocabulary or `alternatives` is smaller.
        logprobs: float32, `(N, 7)`: natural logs under the model's own distribution, of these tokens and,
            last, of any stop token.
    """

    ids: Any
    logprobs: Any


class Programs:
    """The passes of one model, for a backend to compile.

    Args:
        shape: shape of the model.
        kernels: operations of the backend.
        alternatives: number of likeliest tokens reported with each choice.
    """

    def __init__(self, shape: Shape, kernels: Kernels, alternatives: int = ALTERNATIVES) -> None:
        self._shape, self._kernels = shape, kernels
        self._alternatives = min(alternatives, shape.vocabulary_size)

    def prefill(
        self,
        weights: Weights,
        caches: tuple[Cache, ...],
        token_ids: Any,
        offset: Any,
        last: Any,
        stop_ids: Any,
    ) -> tuple[tuple[Cache, ...], Picks, Any]:
        """Process a chunk of a prompt.

        Args:
            weights: weights of the model.
            caches: keys and values per layer.
            token_ids: `(S,)` int32.
            offset: position of the first token.
            last: index of the token after which to choose.
            stop_ids: `(MAX_STOP_IDS,)` int32, padded with -1.

        Returns:
            The caches, the choice after `last`, and its logits, `(vocabulary_size,)`.
        """
        caches, x = hidden(self._shape, weights, self._kernels, caches, token_ids, offset)
        return caches, *self.end_prefill(weights, x, last, stop_ids)

    def end_prefill(self, weights: Weights, x: Any, last: Any, stop_ids: Any) -> tuple[Picks, Any]:
        """Apply the end of `prefill` to the last layer's output, `(S, hidden_dim)`."""
        # `take`, because XLA under tensorflow needs `slice`'s start as a constant, and recompiles for every
        # prompt length; under torch the start is read back with `.item()`, which cannot be traced.
        return self.end_step(weights, ops.take(x, ops.reshape(last, (1,)), axis=0), stop_ids)

    def step(
        self,
        weights: Weights,
        caches: tuple[Cache, ...],
        token_id: Any,
        position: Any,
        stop_ids: Any,
    ) -> tuple[tuple[Cache, ...], Picks, Any]:
        """Decode one token, as `prefill` of `(1,)`."""
        caches, x = hidden(self._shape, weights, self._kernels, caches, token_id, position)
        return caches, *self.end_step(weights, x, stop_ids)

    def end_step(self, weights: Weights, x: Any, stop_ids: Any) -> tuple[Picks, Any]:
        """Apply the end of `step` to the last layer's output, `(1, hidden_dim)`."""
        scores = logits(self._shape, weights, self._kernels, x)
        return self._picks(scores, stop_ids), scores[0]

    def verify(
        self,
        weights: Weights,
        caches: tuple[Cache, ...],
        token_ids: Any,
        offset: Any,
        last: Any,
        stop_ids: Any,
        given: Any,
    ) -> tuple[tuple[Cache, ...], Picks, Any]:
        """Like `prefill`, with a row after each of the `(S,)` tokens: the token `given` for it, or a
        choice."""
        caches, x = hidden(self._shape, weights, self._kernels, caches, token_ids, offset)
        return caches, *self.end_verify(weights, x, last, stop_ids, given)

    def end_verify(
        self, weights: Weights, x: Any, last: Any, stop_ids: Any, given: Any
    ) -> tuple[Picks, Any]:
        """Apply the end of `verify` to the last layer's output, `(S, hidden_dim)`."""
        scores = logits(self._shape, weights, self._kernels, x)
        return self._picks(scores, stop_ids, given), ops.take(scores, last, axis=0)

    # The start of a pass, and one layer, for backends that run layers one by one.

    @property
    def windows(self) -> tuple[int | None, ...]:
        """Distinct windows of the layers."""
        return tuple(dict.fromkeys(self._shape.windows))

    def begin(self, embedding: Any, token_ids: Any, offset: Any, length: int) -> tuple[Any, ...]:
        """Return the first layer's input `(S, hidden_dim)`, cosines, sines, and a mask for each of `windows`.

        Args:
            embedding: embedding weights.
            token_ids, offset: as in `prefill`.
            length: cache length.
        """
        around = surroundings(self._shape, token_ids.shape[0], offset, length)
        x = embed(self._shape, self._kernels, embedding, token_ids)
        return x, around.cos, around.sin, *(around.masks[window] for window in self.windows)

    def layer(
        self, weights: Layer, cache: Cache, x: Any, offset: Any, cos: Any, sin: Any, mask: Any
    ) -> tuple[Cache, Any]:
        """Run one layer: return its cache and its output `(S, hidden_dim)`."""
        around = Surroundings(offset, cos, sin, {None: mask})
        return layer(self._shape, self._kernels, weights, cache, None, around, x)

    def sample(self, scores: Any, params: SamplingParams, number: Any) -> tuple[Any, Any]:
        """Sample a token; see `sample.sample`."""
        return sample(scores, params, number)

    def decode(
        self,
        weights: Weights,
        caches: tuple[Cache, ...],
        token_id: Any,
        position: Any,
        count: Any,
        stop_ids: Any,
        params: SamplingParams,
    ) -> tuple[tuple[Cache, ...], Picks, Any]:
        """Decode up to `count` tokens, feeding each to the next step, until one is among `stop_ids`.

        For backends whose compiler supports loops; on torch the steps are called one by one.

        Returns:
            The caches, `BURST` rows of choices, and the number of rows filled.
        """

        def should_continue(_: Any, token_id: Any, made: Any, *_rest: Any) -> Any:
            stopped = ops.logical_and(made > 0, ops.any(token_id == stop_ids))
            return ops.logical_and(made < count, ops.logical_not(stopped))

        def one(caches: Any, token_id: Any, made: Any, ids: Any, logprobs: Any) -> Any:
            caches, found, scores = self.step(weights, caches, token_id, position + made, stop_ids)
            token_id, logprob = ops.cond(
                params.temperature > 0,
                lambda: self.sample(scores, params, made),
                lambda: chosen(found),
            )
            ids = ops.slice_update(ids, (made, 0), found.ids)
            ids = ops.slice_update(ids, (made, 0), token_id[:, None])
            logprobs = ops.slice_update(logprobs, (made, 0), found.logprobs)
            logprobs = ops.slice_update(logprobs, (made, 0), logprob[:, None])
            return caches, token_id, made + 1, ids, logprobs

        width = 1 + self._alternatives
        start = (
            caches,
            token_id,
            ops.zeros((), "int32"),
            ops.zeros((BURST, width), "int32"),
            ops.zeros((BURST, width + 1), "float32"),
        )
        caches, _, made, ids, logprobs = ops.while_loop(should_continue, one, start)
        return caches, Picks(ids, logprobs), made

    def decode_batch(
        self,
        weights: Weights,
        caches: tuple[Cache, ...],
        token_ids: Any,
        positions: Any,
        counts: Any,
        stop_ids: Any,
        params: SamplingParams,
    ) -> tuple[tuple[Cache, ...], Picks, Any]:
        """Decode several rows, one token of each per step: see `BatchSteps.decode_batch`.

        For backends with `BatchKernels`.
        """
        rows, width = token_ids.shape[0], 1 + self._alternatives

        def should_continue(_: Any, _ids: Any, going: Any, *_rest: Any) -> Any:
            return ops.any(going)

        def one(
            caches: Any, token_ids: Any, going: Any, step: Any, made: Any, ids: Any, logprobs: Any
        ) -> Any:
            # A finished row rewrites its last key, which is overwritten when it continues.
            caches, found, scores = self.step_rows(
                weights, caches, token_ids, positions + made, stop_ids
            )

            def drawn() -> Any:
                drawn, logprobs = self.sample_rows(scores, params, step)
                return tuple(
                    ops.where(params.temperature > 0, one[:, 0], other)
                    for one, other in zip((drawn, logprobs), chosen(found), strict=True)
                )

            token, logprob = ops.cond(ops.any(params.temperature > 0), drawn, lambda: chosen(found))
            made = made + ops.cast(going, "int32")
            token_ids = ops.where(going, token, token_ids)
            stopped = ops.any(token[:, None] == stop_ids, axis=-1)
            going = ops.logical_and(made < counts, ops.logical_and(going, ~stopped))
            ids = ops.slice_update(ids, (step, 0, 0), found.ids[None])
            ids = ops.slice_update(ids, (step, 0, 0), token[None, :, None])
            logprobs = ops.slice_update(logprobs, (step, 0, 0), found.logprobs[None])
            logprobs = ops.slice_update(logprobs, (step, 0, 0), logprob[None, :, None])
            return caches, token_ids, going, step + 1, made, ids, logprobs

        start = (
            caches,
            token_ids,
            counts > 0,
            ops.zeros((), "int32"),
            ops.zeros((rows,), "int32"),
            ops.zeros((BURST, rows, width), "int32"),
            ops.zeros((BURST, rows, width + 1), "float32"),
        )
        caches, _, _, _, made, ids, logprobs = ops.while_loop(should_continue, one, start)
        return caches, Picks(ids, logprobs), made

    def step_rows(
        self,
        weights: Weights,
        caches: tuple[Cache, ...],
        token_ids: Any,
        positions: Any,
        stop_ids: Any,
    ) -> tuple[tuple[Cache, ...], Picks, Any]:
        """Decode one token of each of N rows, at its own of the `(N,)` positions.

        For backends with `BatchKernels`, as `sample_rows`.

        Returns:
            The caches, a choice for each row, and their logits, `(N, vocabulary_size)`.
        """
        kernels: BatchKernels = self._kernels  # type: ignore[assignment]
        caches, x = hidden_rows(self._shape, weights, kernels, caches, token_ids, positions)
        scores = logits(self._shape, weights, kernels, x)
        return caches, self._picks(scores, stop_ids), scores

    def sample_rows(self, scores: Any, params: SamplingParams, number: Any) -> tuple[Any, Any]:
        """Sample a token of each of N rows: `sample.sample` of each, with results of `(N, 1)`."""
        kernels: BatchKernels = self._kernels  # type: ignore[assignment]
        numbers = ops.broadcast_to(number, (scores.shape[0],))
        drawn, logprobs = kernels.each_row(sample)(scores, params, numbers)
        return drawn, logprobs

    def _picks(self, scores: Any, stop_ids: Any, given: Any = None) -> Picks:
        """Return the choice and the likeliest tokens for `(N, vocabulary_size)` logits.

        Args:
            given: required choice, `(N,)` int32; where -1, or if None, the likeliest token.
        """
        if not self._alternatives:
            best = ops.argmax(scores, axis=-1, keepdims=True)
            return Picks(ops.cast(best, "int32"), ops.zeros((scores.shape[0], 2), "float32"))
        values, ids = self._kernels.top_k(scores, self._alternatives)
        # Not `values[:, :1]`: XLA recognises `top_k` by a pattern that a further slice breaks, and then sorts
        # the whole vocabulary (16 us become 3 ms at 8,192, jax 0.10).
        first = ops.cast(ops.arange(self._alternatives) == 0, "int32")
        ids = ops.cast(ids, "int32")
        best = ops.max(scores, axis=-1, keepdims=True)
        below = scores - best
        total = ops.log(ops.sum(ops.exp(below), axis=-1, keepdims=True))
        # One row of stop ids per position, or one for all.
        take = ops.take_along_axis if len(stop_ids.shape) == 2 else ops.take
        stops = take(below, ops.maximum(stop_ids, 0), axis=-1)
        stops = ops.sum(ops.where(stop_ids >= 0, ops.exp(stops), 0.0), axis=-1, keepdims=True)
        choice = ops.sum(ids * first, axis=-1, keepdims=True)
        choice_below = ops.zeros_like(best)
        if given is not None:
            given = given[:, None]
            choice_below = ops.take_along_axis(below, ops.maximum(given, 0), axis=-1)
            choice_below = ops.where(given >= 0, choice_below, 0.0)
            choice = ops.where(given >= 0, given, choice)
        return Picks(
            ops.concatenate((choice, ids), axis=-1),
            ops.concatenate(
                (choice_below - total, values - best - total, ops.log(stops) - total), axis=-1
            ),
        )


def chosen(found: Picks) -> tuple[Any, Any]:
    """Return the first of each row: ids and logprobs, `(N,)`."""
    return found.ids[:, 0], found.logprobs[:, 0]
