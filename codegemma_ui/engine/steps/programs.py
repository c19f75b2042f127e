"""What a backend compiles: read a prompt, write tokens, check a draft. In `keras.ops`, once.

Each program chooses on the device: the likeliest token of a position, its logprob and the five likeliest
come back, and not the logits, unless somebody samples from them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

from codegemma_ui.engine.steps import ALTERNATIVES, BURST
from codegemma_ui.engine.steps.forward import Cache, Kernels, hidden, logits
from codegemma_ui.engine.steps.weights import Shape, Weights


class Picks(NamedTuple):
    """The likeliest tokens after some positions, most likely first; the first of a row is the choice.

    Attributes:
        ids: int32, `(N, 5)`.
        logprobs: float32, of the same shape: natural logarithms, of the model's own distribution.
    """

    ids: Any
    logprobs: Any


class Programs:
    """The passes of one model, for a backend to compile.

    Args:
        shape: of the model.
        kernels: the backend's.
    """

    def __init__(self, shape: Shape, kernels: Kernels) -> None:
        self._shape, self._kernels = shape, kernels

    def read(
        self,
        weights: Weights,
        caches: tuple[Cache, ...],
        token_ids: Any,
        offset: Any,
        last: Any,
    ) -> tuple[tuple[Cache, ...], Picks, Any]:
        """Read a chunk of a prompt.

        Args:
            weights: of the model.
            caches: per layer its keys and values.
            token_ids: `(S,)` int32.
            offset: the position of the first of them.
            last: which of them the choice is wanted after.

        Returns:
            The caches, the choice after `last`, and the logits it was made from, `(vocabulary_size,)`.
        """
        caches, x = hidden(self._shape, weights, self._kernels, caches, token_ids, offset)
        # `take`, because XLA under tensorflow wants `slice`'s start as a constant, and compiles again for
        # every prompt length; under torch it reads the start back with `.item()`, which cannot be traced.
        x = ops.take(x, ops.reshape(last, (1,)), axis=0)
        scores = logits(self._shape, weights, self._kernels, x)
        return caches, picks(scores), scores[0]

    def step(
        self, weights: Weights, caches: tuple[Cache, ...], token_id: Any, position: Any
    ) -> tuple[tuple[Cache, ...], Picks, Any]:
        """Write one token: as `read` of `(1,)`."""
        caches, x = hidden(self._shape, weights, self._kernels, caches, token_id, position)
        scores = logits(self._shape, weights, self._kernels, x)
        return caches, picks(scores), scores[0]

    def check(
        self, weights: Weights, caches: tuple[Cache, ...], token_ids: Any, offset: Any
    ) -> tuple[tuple[Cache, ...], Picks, Any]:
        """Read `(S,)` tokens and choose after each of them; logits are `(S, vocabulary_size)`."""
        caches, x = hidden(self._shape, weights, self._kernels, caches, token_ids, offset)
        scores = logits(self._shape, weights, self._kernels, x)
        return caches, picks(scores), scores

    def write(
        self,
        weights: Weights,
        caches: tuple[Cache, ...],
        token_id: Any,
        position: Any,
        count: Any,
        stop_ids: Any,
    ) -> tuple[tuple[Cache, ...], Picks, Any, Any]:
        """Write up to `count` tokens, each fed to the next step, until one is among `stop_ids`.

        For backends whose compiler takes a loop; torch's steps are called one by one.

        Returns:
            The caches, `BURST` rows of choices, how many of them were made, and the last one's logits.
        """

        def goes_on(_: Any, token_id: Any, made: Any, *_rest: Any) -> Any:
            stopped = ops.logical_and(made > 0, ops.any(token_id == stop_ids))
            return ops.logical_and(made < count, ops.logical_not(stopped))

        def one(caches: Any, token_id: Any, made: Any, ids: Any, logprobs: Any, _: Any) -> Any:
            caches, found, scores = self.step(weights, caches, token_id, position + made)
            ids = ops.slice_update(ids, (made, 0), found.ids)
            logprobs = ops.slice_update(logprobs, (made, 0), found.logprobs)
            return caches, chosen(found), made + 1, ids, logprobs, scores

        width = min(ALTERNATIVES, self._shape.vocabulary_size)
        start = (
            caches,
            token_id,
            ops.zeros((), "int32"),
            ops.zeros((BURST, width), "int32"),
            ops.zeros((BURST, width), "float32"),
            ops.zeros(self._shape.vocabulary_size, "float32"),
        )
        caches, _, made, ids, logprobs, scores = ops.while_loop(goes_on, one, start)
        return caches, Picks(ids, logprobs), made, scores


def picks(scores: Any) -> Picks:
    """The likeliest tokens of `(N, vocabulary_size)` logits."""
    values, ids = ops.top_k(scores, min(ALTERNATIVES, scores.shape[-1]))
    # Not `values[:, :1]`: XLA knows `top_k` by a pattern that a further slice breaks, and then sorts the
    # whole vocabulary (16 us become 3 ms at 8,192, jax 0.10).
    best = ops.max(scores, axis=-1, keepdims=True)
    total = ops.log(ops.sum(ops.exp(scores - best), axis=-1, keepdims=True)) + best
    return Picks(ops.cast(ids, "int32"), values - total)


def chosen(found: Picks) -> Any:
    """The first of each row, `(N,)`; not by a slice, as in `picks`."""
    width = found.ids.shape[-1]
    first = ops.cast(ops.arange(width) == 0, "int32")
    return ops.sum(found.ids * first, axis=-1)
