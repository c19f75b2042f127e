"""Backend-specific part of the engine: compile and run the passes over a KV cache.

`programs.py` and `forward.py` define the passes once, in `keras.ops`. `jax.py`, `tensorflow.py` and
`torch.py` each compile them in their own way and hide how the cache is stored; the `…_layers.py` beside each
compiles one layer at a time, for a large model on a CPU (`layers.py`), and has the `arrangement` and `create`
of its backend. Outside are chunk planning (`planning.py`), drafts (`prompt_lookup.py`) and the random numbers
of sampling (`sampling.py`).
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

# Opaque except to the backend that made it.
Cache = Any

BURST = 16
"""Maximum number of tokens from one `decode`."""

MAX_STOP_IDS = 8

ALTERNATIVES = 5
"""Likeliest tokens reported with each choice, which may be among them."""


Scores = Any
"""Logits of one position, `(vocabulary_size,)` float32, on the model's device; opaque as `Cache` is."""


@dataclass(frozen=True)
class TokenBatch:
    """Chosen tokens, copied to the host: one row for each of N positions.

    Attributes:
        ids: int32, `(N, 6)`: the chosen token, then the five likeliest, most likely first.
        logprobs: float32, `(N, 7)`, under the model's own distribution: of these ids, then of any stop token.
    """

    ids: np.ndarray
    logprobs: np.ndarray

    def rows(self, first: int, end: int) -> TokenBatch:
        """Return rows `first` to `end`."""
        return TokenBatch(self.ids[first:end], self.logprobs[first:end])


class SamplingParams(NamedTuple):
    """Sampling parameters, applied in the order temperature, top-k, top-p.

    Attributes:
        temperature: float32 scalar; 0 is greedy, and the rest has no effect.
        top_k: int32 scalar; 0 is off.
        top_p: float32 scalar; 1 is off.
        numbers: float32 random numbers in [0, 1), `(BURST,)`, one per token.
    """

    temperature: Any
    top_k: Any
    top_p: Any
    numbers: Any


class PassAbandoned(Exception):
    """A pass was abandoned between two of its parts, at the caller's request.

    Args:
        cache: replaces the pass's cache; same content up to the pass's first position.
    """

    def __init__(self, cache: Cache) -> None:
        super().__init__()
        self.cache = cache


def always(_: int) -> bool:
    """Never abandon a pass."""
    return True


class Steps(Protocol):
    """Compiled passes of a `GemmaCausalLM` over a KV cache, for one Keras backend.

    A cache given to a pass must not be used again; use the one it returns.

    Attributes:
        shape: shape of the model.
        weights: its weights, arranged for the backend.
        parts: number of parts of a pass of `PartedSteps`, else 1.
        takes_batches: whether these are `BatchSteps`.
        warms_up_concurrently: whether the warm-up may run a program while a request runs another.
    """

    shape: Shape
    weights: Weights
    parts: int
    takes_batches: bool
    warms_up_concurrently: bool

    @property
    def note(self) -> str | None:
        """Return a message for the user about how the passes run, or None: torch may find no C++ compiler."""
        ...

    @property
    def compilations(self) -> int:
        """Return the number of programs compiled so far."""
        ...

    @property
    def compiling(self) -> int:
        """Return the number of programs that run uncompiled until the background has compiled them."""
        ...

    def warmed(self) -> None:
        """Start background compilation, now that every program has run once."""
        ...

    def allocate(self, length: int) -> Cache:
        """Allocate a KV cache for `length` tokens.

        Positions not yet written have unspecified content: the causal mask hides later positions.

        Args:
            length: number of positions.
        """
        ...

    @property
    def weight_bytes(self) -> int:
        """Return the size of the weights in bytes, which each step reads once."""
        ...

    def cache_bytes(self, length: int) -> int:
        """Return the size of a cache for `length` tokens, in bytes."""
        ...

    def prefill(
        self,
        cache: Cache,
        token_ids: np.ndarray,
        offset: int,
        last: int,
        stop_ids: np.ndarray,
    ) -> tuple[Cache, TokenBatch, Scores]:
        """Process `token_ids` from position `offset` on, and write their keys and values.

        Compiles once for each pair of `len(token_ids)` and cache length, whatever `offset` and `last`. The
        caller keeps `offset + len(token_ids)` within the cache.

        Args:
            cache: from `allocate()` or the last pass.
            token_ids: int32 array of shape `(S,)`.
            offset: position of the first token.
            last: index, from 0, of the position after which a token is chosen.
            stop_ids: int32, `(MAX_STOP_IDS,)`, padded with -1.

        Returns:
            The cache, the greedy choice after `last`, and its scores, for `sample`.
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
        """Like `prefill`, but choose a token after each of the S positions.

        Args:
            given: int32, `(S,)`: token that a row must choose, however unlikely; -1 for a free choice.
        """
        ...

    def sample(self, scores: Scores, params: SamplingParams) -> tuple[int, float]:
        """Sample a token with the first of the random numbers; compiles once.

        Args:
            scores: from `prefill` or `verify`.
            params: with a temperature above 0; arrays as in `SamplingParams`.

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
        """Feed a token, choose the next, feed that, and so on; compiles once per cache length.

        Args:
            cache: from the last pass.
            token_id: first token to feed.
            position: its position; the caller keeps `position + count` within the cache.
            count: number of tokens to choose, from 1 to `BURST`.
            stop_ids: int32, `(MAX_STOP_IDS,)`, padded with -1; generation stops after one of these.
            params: sampling parameters.

        Returns:
            The cache, and one row per chosen token.
        """
        ...


class PartedSteps(Steps, Protocol):
    """Steps whose passes run layer by layer and can be abandoned in between."""

    def prefill(
        self,
        cache: Cache,
        token_ids: np.ndarray,
        offset: int,
        last: int,
        stop_ids: np.ndarray,
        should_continue: Callable[[int], bool] = always,
    ) -> tuple[Cache, TokenBatch, Scores]:
        """As `Steps.prefill`.

        Args:
            should_continue: called before each part with the number of completed parts; False abandons the
                pass.

        Raises:
            PassAbandoned: `should_continue` returned False.
        """
        ...


class BatchSteps(Steps, Protocol):
    """Steps that decode several rows together, in a cache with a slot for each of N."""

    def allocate_batch(self, rows: int, length: int) -> Cache:
        """Allocate a KV cache for N rows of `length` tokens each."""
        ...

    def join(self, rows: Cache, row: int, cache: Cache) -> Cache:
        """Copy a cache into a row's slot.

        Args:
            rows: from `allocate_batch()` or the last pass; not to be used again.
            row: index of the slot.
            cache: from `allocate()` or its last pass; still usable afterwards. Content beyond the rows'
                length is dropped.
        """
        ...

    def leave(self, rows: Cache, row: int, length: int) -> Cache:
        """Copy a row's slot into a cache of its own for `length` tokens, at most the rows' length. `rows`
        stays usable."""
        ...

    def decode_batch(
        self,
        rows: Cache,
        token_ids: np.ndarray,
        positions: np.ndarray,
        counts: np.ndarray,
        stop_ids: np.ndarray,
        params: SamplingParams,
        while_running: Callable[[], None],
    ) -> tuple[Cache, list[TokenBatch]]:
        """Like `decode`, for each row; compiles once for N and a length.

        On a CPU, a row's result is bit for bit independent of the other rows, of the length, and of N from 2
        on; on torch once compiled. It may differ from `decode`'s by rounding errors.

        Args:
            rows: from the last pass.
            token_ids: int32, `(N,)`: each row's first token to feed.
            positions: int32, `(N,)`: its position.
            counts: int32, `(N,)`: number of tokens to choose per row, up to `BURST`; 0 leaves the row's slot
                unchanged before its position.
            stop_ids: int32, `(N, MAX_STOP_IDS)`, as in `decode`.
            params: sampling parameters, each array with a leading axis of N.
            while_running: called while the device computes, or right before.

        Returns:
            The cache, and the chosen tokens of each row.
        """
        ...


def arrangement(backend: str, shape: Shape, precision: Precision) -> Arrangement:
    """Return the weight arrangement for a backend. Imports only the named backend's module.

    Args:
        backend: "tensorflow", "jax" or "torch": the one Keras uses in this process.
        shape: shape of the model.
        precision: precision of weights and computation.

    Raises:
        ValueError: unknown backend, or not the one Keras uses.
    """
    arranged: Arrangement = _module(backend).arrangement(shape, precision)
    return arranged


def create(backend: str, shape: Shape, weights: Weights, alternatives: int = ALTERNATIVES) -> Steps:
    """Create steps for a model; programs compile on demand.

    Args:
        backend: as in `arrangement`.
        shape: shape of the model.
        weights: its weights, in that arrangement.
        alternatives: number of likeliest tokens reported with each choice, 0 to 5.

    Raises:
        ValueError: unknown backend, or not the one Keras uses.
    """
    steps: Steps = _module(backend).create(shape, weights, alternatives)
    return steps


def of_model(backend: str, model: Any, precision: Precision) -> Steps:
    """Create steps for a `keras_nlp.models.GemmaCausalLM` in memory, which is left unchanged.

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
    """Return whether a backend's steps run a pass in parts."""
    return steps.parts > 1


def takes_batches(steps: Steps) -> TypeGuard[BatchSteps]:
    """Return whether a backend's steps decode several rows together."""
    return steps.takes_batches


def stop_array(stop_ids: Any) -> np.ndarray:
    """Convert stop ids to the array that `decode` takes.

    Raises:
        ValueError: more than `MAX_STOP_IDS`.
    """
    ids = sorted(stop_ids)
    if len(ids) > MAX_STOP_IDS:
        raise ValueError(f"At most {MAX_STOP_IDS} stop ids fit. Received: {len(ids)}")
    return np.array(ids + [-1] * (MAX_STOP_IDS - len(ids)), np.int32)
