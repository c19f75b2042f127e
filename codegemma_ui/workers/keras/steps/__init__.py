"""What differs between the Keras backends: how the passes over a KV cache are compiled and run.

`programs.py` and `forward.py` hold the passes, in `keras.ops`, once. `jax.py`, `tensorflow.py` and
`torch.py` each compile them their own way and hide how the cache is kept; beside each, for a large model on a
CPU, `…_layers.py` compiles a layer at a time (`layers.py`). Nothing here samples, plans chunks
or drafts: that is `decode.py`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeGuard

import numpy as np

from codegemma_ui.workers.keras.precision import Precision

if TYPE_CHECKING:
    from codegemma_ui.workers.keras.steps.weights import Arrangement, Shape, Weights

BACKENDS = ("tensorflow", "jax", "torch")

# Opaque to everyone but the backend that made it.
Cache = Any

BURST = 16
"""The most tokens that one `decode` gives."""

MAX_STOP_IDS = 8

ALTERNATIVES = 5
"""Likeliest tokens that are told beside each choice, itself among them where it is one."""


Scores = Any
"""One position's logits, `(vocabulary_size,)` float32, where the model is; opaque as `Cache` is."""


@dataclass(frozen=True)
class TokenBatch:
    """What the device chose, on the host: a row for each of N positions.

    Attributes:
        ids: int32, `(N, 6)`: the token that was chosen, then the five likeliest, most likely first.
        logprobs: float32, `(N, 7)`, of the model's own distribution: theirs, then that of any stop token.
    """

    ids: np.ndarray
    logprobs: np.ndarray

    def rows(self, first: int, end: int) -> TokenBatch:
        """Some of the rows."""
        return TokenBatch(self.ids[first:end], self.logprobs[first:end])


class SamplingParams(NamedTuple):
    """How tokens are chosen: drawn, in the order temperature, top-k, top-p, or greedily.

    Attributes:
        temperature: float32 scalar; 0 is greedy, and the rest has no effect.
        top_k: int32 scalar; 0 is off.
        top_p: float32 scalar; 1 is off.
        numbers: float32, `(BURST,)`, each at least 0 and less than 1, one for each token.
    """

    temperature: Any
    top_k: Any
    top_p: Any
    numbers: Any


class GivenUp(Exception):
    """A pass has ended between two of its parts, as its caller wanted.

    Args:
        cache: what takes the place of the pass's cache; it holds the same up to the pass's first position.
    """

    def __init__(self, cache: Cache) -> None:
        super().__init__()
        self.cache = cache


def always(_: int) -> bool:
    """Never gives a pass up."""
    return True


class Steps(Protocol):
    """The compiled passes of a `GemmaCausalLM` over a KV cache, for one Keras backend.

    A cache that was given to a pass is not to be used again; the one it returns is.

    Attributes:
        shape: of the model.
        weights: its weights, arranged as the backend wants them.
        note: what a person should know about how the passes run, for example that torch found no C++
            compiler; None when there is nothing to say.
        compilations: programs compiled so far.
        compiling: programs that are still to be compiled on a thread of their own, and run uncompiled
            until then.
        parts: how many a pass of `PartedSteps` has, else 1.
        takes_batches: whether these are `BatchSteps`.
        tried_beside: whether the warm-up may run a program while a request runs another.
    """

    shape: Shape
    weights: Weights
    note: str | None
    compiling: int
    parts: int
    takes_batches: bool
    tried_beside: bool

    @property
    def compilations(self) -> int: ...

    def warmed(self) -> None:
        """Every program has run once: what is compiled on a thread of its own may begin."""
        ...

    def allocate(self, length: int) -> Cache:
        """A KV cache for `length` tokens.

        Its content is unspecified where nothing has been written yet: the causal mask keeps every
        position from what lies after it.

        Args:
            length: the number of positions.
        """
        ...

    @property
    def weight_bytes(self) -> int:
        """Bytes that the weights take, which a step reads once."""
        ...

    def cache_bytes(self, length: int) -> int:
        """Bytes that a cache for `length` tokens takes."""
        ...

    def prefill(
        self,
        cache: Cache,
        token_ids: np.ndarray,
        offset: int,
        last: int,
        stop_ids: np.ndarray,
    ) -> tuple[Cache, TokenBatch, Scores]:
        """Read `token_ids` at positions `offset` and up, and write their keys and values.

        Each pair of `len(token_ids)` and cache length compiles once; `offset` and `last` never make it
        compile again. The caller keeps `offset + len(token_ids)` within the cache.

        Args:
            cache: from `allocate()` or the last pass.
            token_ids: int32 array of shape `(S,)`.
            offset: the position of the first of them.
            last: which of the S positions a token is wanted after, from 0.
            stop_ids: int32, `(MAX_STOP_IDS,)`, unused places -1.

        Returns:
            The cache, the greedy choice after `last`, and what it was chosen by, to `sample` from.
        """
        ...

    def verify(
        self,
        cache: Cache,
        token_ids: np.ndarray,
        offset: int,
        last: int,
        stop_ids: np.ndarray,
        given: np.ndarray,
    ) -> tuple[Cache, TokenBatch, Scores]:
        """Like `prefill`, with a row after each of the S positions.

        Args:
            given: int32, `(S,)`: the token that a row is to choose, however likely; -1 leaves it the choice.
        """
        ...

    def sample(self, scores: Scores, params: SamplingParams) -> tuple[int, float]:
        """Draw a token by the first of its numbers; compiles once.

        Args:
            scores: from `prefill` or `verify`.
            params: of a temperature above 0; arrays as in `SamplingParams`.

        Returns:
            The token's id and its logprob.
        """
        ...

    def decode(
        self,
        cache: Cache,
        token_id: int,
        position: int,
        count: int,
        stop_ids: np.ndarray,
        params: SamplingParams,
    ) -> tuple[Cache, TokenBatch]:
        """Feed a token, choose the next, feed that, and so on; compiles once a cache length.

        Args:
            cache: from the last pass.
            token_id: the first token fed.
            position: its position; the caller keeps `position + count` within the cache.
            count: how many tokens to choose, from 1 to `BURST`.
            stop_ids: int32, `(MAX_STOP_IDS,)`, unused places -1: after one of these no more are chosen.
            params: how to choose.

        Returns:
            The cache, and a row for each token chosen.
        """
        ...


class PartedSteps(Steps, Protocol):
    """Steps whose passes run in parts, a layer each, between which they can be given up."""

    def prefill(
        self,
        cache: Cache,
        token_ids: np.ndarray,
        offset: int,
        last: int,
        stop_ids: np.ndarray,
        goes_on: Callable[[int], bool] = always,
    ) -> tuple[Cache, TokenBatch, Scores]:
        """As `Steps.prefill`.

        Args:
            goes_on: called before each part with how many are done; False gives the pass up.

        Raises:
            GivenUp: as `goes_on` wanted.
        """
        ...


class BatchSteps(Steps, Protocol):
    """Steps that write several rows together: a cache with a place for each of N."""

    def allocate_batch(self, rows: int, length: int) -> Cache:
        """A KV cache for N rows of `length` tokens each."""
        ...

    def join(self, rows: Cache, row: int, cache: Cache) -> Cache:
        """Copy a cache into a row's place.

        Args:
            rows: from `allocate_batch()` or the last pass; not to be used again.
            row: which place.
            cache: from `allocate()` or its last pass; it can go on being used. What it holds beyond the rows'
                length is left out.
        """
        ...

    def leave(self, rows: Cache, row: int, length: int) -> Cache:
        """A row's part as a cache of its own for `length` tokens, no more than a row has; the rows can go on
        being used."""
        ...

    def decode_batch(
        self,
        rows: Cache,
        token_ids: np.ndarray,
        positions: np.ndarray,
        counts: np.ndarray,
        stop_ids: np.ndarray,
        params: SamplingParams,
        meanwhile: Callable[[], None],
    ) -> tuple[Cache, list[TokenBatch]]:
        """As `decode`, for each row; compiles once for N and a length.

        What a row is given does not depend on the others, nor on the length, nor on N from 2 on: bit for bit,
        on a CPU. It may differ from `decode`'s by rounding errors.

        Args:
            rows: from the last pass.
            token_ids: int32, `(N,)`, of each row the first token fed; `positions` alike.
            counts: int32, `(N,)`: how many tokens of each row to choose, up to `BURST`; 0 leaves its place as
                it is, but for what stands from its position on.
            stop_ids: int32, `(N, MAX_STOP_IDS)`, as in `decode`.
            params: how to choose, each array with an axis of N in front.
            meanwhile: called while the device computes.

        Returns:
            The cache, and of each row the tokens that were chosen.
        """
        ...


def arrangement(backend: str, shape: Shape, precision: Precision) -> Arrangement:
    """How a backend wants the weights of a model to be kept. Imports only the named backend's module.

    Args:
        backend: "tensorflow", "jax" or "torch": the one Keras runs on in this process.
        shape: of the model.
        precision: what its weights are kept in, and what is computed in.

    Raises:
        ValueError: no such backend, or not the one that Keras runs on.
    """
    arranged: Arrangement = _module(backend).arrangement(shape, precision)
    return arranged


def create(backend: str, shape: Shape, weights: Weights, alternatives: int = ALTERNATIVES) -> Steps:
    """Compile-on-demand steps for a model.

    Args:
        backend: as in `arrangement`.
        shape: of the model.
        weights: its own, in that arrangement.
        alternatives: how many of the likeliest tokens come with each choice, 0 to 5.

    Raises:
        ValueError: no such backend, or not the one that Keras runs on.
    """
    steps: Steps = _module(backend).create(shape, weights, alternatives)
    return steps


def of_model(backend: str, model: Any, precision: Precision) -> Steps:
    """Steps for a `keras_nlp.models.GemmaCausalLM` that is in memory; it stays as it is.

    Raises:
        ValueError: as in `arrangement`.
    """
    module = _module(backend)
    from codegemma_ui.workers.keras.steps import weights

    shape = weights.shape_of(model.backbone, precision)
    arranged = weights.of_model(model, module.arrangement(shape, precision))
    steps: Steps = module.create(shape, arranged, ALTERNATIVES)
    return steps


def _module(backend: str) -> Any:
    if backend not in BACKENDS:
        raise ValueError(
            f"The backend should be one of {', '.join(BACKENDS)}. Received: {backend!r}"
        )
    import keras

    if keras.backend.backend() != backend:
        raise ValueError(
            f"The backend should be the one Keras runs on, {keras.backend.backend()!r}; set "
            f"KERAS_BACKEND before keras is imported to change it. Received: {backend!r}"
        )
    return importlib.import_module(f"{__name__}.{backend}_layers")


def in_parts(steps: Steps) -> TypeGuard[PartedSteps]:
    """Whether a backend's steps run a pass in parts."""
    return steps.parts > 1


def takes_batches(steps: Steps) -> TypeGuard[BatchSteps]:
    """Whether a backend's steps write several rows together."""
    return steps.takes_batches


def stop_array(stop_ids: Any) -> np.ndarray:
    """Stop ids as `decode` wants them.

    Raises:
        ValueError: more than `MAX_STOP_IDS`.
    """
    ids = sorted(stop_ids)
    if len(ids) > MAX_STOP_IDS:
        raise ValueError(f"At most {MAX_STOP_IDS} stop ids fit. Received: {len(ids)}")
    return np.array(ids + [-1] * (MAX_STOP_IDS - len(ids)), np.int32)
