"""jax backend: programs under `jax.jit`, weights as arguments, donated cache, token loop on the device.

If Keras has sharded a model's variables over several devices (`parallel.py`), the weights stay sharded, and
the cache is sharded by heads; XLA partitions each program accordingly.

As arguments, weights are shared between programs; weights in closures would be baked into every compiled
shape as constants (and copied by XLA). A donated cache is written in place.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from codegemma_ui.workers.keras import parallel
from codegemma_ui.workers.keras.precision import Precision
from codegemma_ui.workers.keras.steps import (
    ALTERNATIVES,
    SamplingParams,
    TokenBatch,
    weights,
)
from codegemma_ui.workers.keras.steps.forward import Cache, cache_bytes, cache_shape
from codegemma_ui.workers.keras.steps.programs import Picks, Programs

Caches = tuple[Cache, ...]

FEW_ROWS = 8
"""Up to this many rows, XLA is faster one by one than together (0.10, two cores of an EPYC)."""


class JaxArrangement(weights.Arrangement):
    """Arrangement that shards each tensor as Keras sharded its variable, and leaves matrices unfused then."""

    def __init__(self, shape: weights.Shape, precision: Precision) -> None:
        super().__init__(shape, precision)
        self.unfused = parallel.mesh() is not None
        self._in_blocks = jax.default_backend() == "cpu" and not self.unfused

    def tensor(self, variable: Any, value: Any) -> Any:
        place = None if isinstance(value, jax.Array) else parallel.place_of(variable)
        if place is None:
            return super().tensor(variable, value)
        return jax.numpy.asarray(jax.device_put(value, place), self.precision.loads)

    def own(self, tensor: jax.Array) -> jax.Array:
        return jax.numpy.copy(tensor)

    def columns(self, values: jax.Array) -> Any:
        return weights.in_columns(values) if self._in_blocks else values

    def bits(self, values: jax.Array) -> jax.Array | None:
        if not self._in_blocks:
            return None
        seen: jax.Array = jax.device_put(np.asarray(values).view(np.uint16), may_alias=True)
        return seen


class JaxKernels:
    """Matrices are (inputs, outputs): XLA's vector-matrix product reads them 1.6 times as fast as transposed
    ones (1.2 against 1.9 ms for the bundled model on one core).

    Args:
        place: sharding of a cache; None for one device.

    Attributes:
        alone: up to how many rows are multiplied one by one with a quantised matrix.
    """

    alone = FEW_ROWS

    def __init__(self, place: NamedSharding | None = None) -> None:
        self._place = place
        self._in_blocks = place is None and jax.default_backend() == "cpu"

    def multiply(self, x: jax.Array, matrix: jax.Array) -> jax.Array:
        return x @ matrix

    def multiply_quantized(self, x: jax.Array, matrix: weights.Quantized) -> jax.Array:
        rows = weights.block_rows(matrix.values) if self._in_blocks else None
        if rows is not None:
            product = _in_blocks(x, matrix, rows, len(x) <= self.alone)
        else:
            # Otherwise XLA converts every matrix before the token loop, and keeps the result.
            x, values = _in_turn(x, matrix.values)
            product = x @ values.astype(x.dtype).T
        scaled: jax.Array = weights.scaled(product, matrix)
        return scaled

    def top_k(self, scores: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
        values, ids = jax.lax.top_k(scores, count)
        return values, ids

    def embed(self, embedding: jax.Array, token_ids: jax.Array) -> jax.Array:
        return embedding[:, token_ids].T

    def embed_quantized(self, values: jax.Array, token_ids: jax.Array) -> jax.Array:
        # As integers, inside the loop: XLA on a CPU converts a whole bfloat16 matrix to take rows from it.
        token_ids, values = _in_turn(token_ids, values)
        whole = values if values.dtype == jax.numpy.int8 else values.view(jax.numpy.int16)
        return whole[token_ids].view(values.dtype)

    def write(self, cache: jax.Array, new: jax.Array, offset: jax.Array) -> jax.Array:
        written = jax.lax.dynamic_update_slice_in_dim(cache, new, offset, axis=-2)
        if self._place is not None:
            constrain: Any = jax.lax.with_sharding_constraint
            written = constrain(written, self._place)
        return written


class JaxRowKernels(JaxKernels):
    """Kernels for batches: each row is summed as if alone, however many there are."""

    alone = sys.maxsize

    def decode_batch(self, cache: jax.Array, new: jax.Array, positions: jax.Array) -> jax.Array:
        return jax.vmap(self.write)(cache, new, positions)

    def each_row(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return jax.vmap(function)


class JaxSteps:
    """`Steps` on jax. The cache is a tuple of arrays, two per layer.

    Args:
        shape: shape of the model.
        arranged: its weights, from `JaxArrangement`.
    """

    note: str | None = None
    compiling = 0
    parts = 1
    takes_batches = True
    warms_up_concurrently = True

    def __init__(
        self, shape: weights.Shape, arranged: weights.Weights, alternatives: int = ALTERNATIVES
    ) -> None:
        self.shape, self.weights = shape, arranged
        self._mesh = parallel.mesh()
        self._compile(alternatives)

    def _compile(self, alternatives: int) -> None:
        programs = Programs(self.shape, JaxKernels(self._cache_place()), alternatives)
        passes: Any = partial(jax.jit, donate_argnums=(1,))
        self._prefill = passes(programs.prefill)
        self._verify = passes(programs.verify)
        self._decode = passes(programs.decode)
        self._sample: Any = jax.jit(programs.sample)
        rows = Programs(self.shape, JaxRowKernels(), alternatives)
        self._decode_batch = passes(rows.decode_batch, compiler_options=_one_order())
        self._join: Any = jax.jit(_join, donate_argnums=(0,))
        self._leave: Any = jax.jit(_leave, static_argnums=(2,))

    @property
    def compilations(self) -> int:
        """Programs compiled so far."""
        alone = (self._prefill, self._verify, self._decode, self._sample)
        every = (*alone, self._decode_batch, self._join, self._leave)
        return sum(one._cache_size() for one in every)

    def warmed(self) -> None:
        """Do nothing: everything is compiled at its first run."""

    def allocate(self, length: int) -> Caches:
        shape, place = cache_shape(self.shape, length), self._cache_place()

        def zeros() -> jax.Array:
            return jax.numpy.zeros(shape, self.shape.dtype, device=place)

        return tuple((zeros(), zeros()) for _ in self.shape.windows)

    def _cache_place(self) -> NamedSharding | None:
        """Return the sharding of a cache's heads; None is the default device."""
        if self._mesh is None:
            return None
        heads = self.shape.num_key_value_heads
        sharded = heads > 1 and heads % self._mesh.shape[parallel.AXIS] == 0
        spec: Any = PartitionSpec
        return NamedSharding(self._mesh, spec(parallel.AXIS) if sharded else spec())

    @property
    def weight_bytes(self) -> int:
        return weights.weight_bytes(self.weights)

    def cache_bytes(self, length: int) -> int:
        return cache_bytes(self.shape, length)

    def prefill(
        self,
        cache: Caches,
        token_ids: np.ndarray,
        offset: int,
        last: int,
        stop_ids: np.ndarray,
    ) -> tuple[Caches, TokenBatch, jax.Array]:
        cache, picks, scores = self._prefill(
            self.weights, cache, token_ids, np.int32(offset), np.int32(last), stop_ids
        )
        return cache, _fetch(picks), scores

    def verify(
        self,
        cache: Caches,
        token_ids: np.ndarray,
        offset: int,
        last: int,
        stop_ids: np.ndarray,
        given: np.ndarray,
    ) -> tuple[Caches, TokenBatch, jax.Array]:
        cache, picks, scores = self._verify(
            self.weights, cache, token_ids, np.int32(offset), np.int32(last), stop_ids, given
        )
        return cache, _fetch(picks), scores

    def sample(self, scores: jax.Array, params: SamplingParams) -> tuple[int, float]:
        token_id, logprob = self._sample(scores, params, np.int32(0))
        return int(token_id[0]), float(logprob[0])

    def decode(
        self,
        cache: Caches,
        token_id: int,
        position: int,
        count: int,
        stop_ids: np.ndarray,
        params: SamplingParams,
    ) -> tuple[Caches, TokenBatch]:
        cache, picks, made = self._decode(
            self.weights,
            cache,
            np.array([token_id], np.int32),
            np.int32(position),
            np.int32(count),
            stop_ids,
            params,
        )
        return cache, _fetch(picks, int(made))

    def allocate_batch(self, rows: int, length: int) -> Caches:
        def zeros() -> jax.Array:
            return jax.numpy.zeros((rows, *cache_shape(self.shape, length)), self.shape.dtype)

        return tuple((zeros(), zeros()) for _ in self.shape.windows)

    def join(self, rows: Caches, row: int, cache: Caches) -> Caches:
        joined: Caches = self._join(rows, np.int32(row), cache)
        return joined

    def leave(self, rows: Caches, row: int, length: int) -> Caches:
        left: Caches = self._leave(rows, np.int32(row), length)
        return left

    def decode_batch(
        self,
        rows: Caches,
        token_ids: np.ndarray,
        positions: np.ndarray,
        counts: np.ndarray,
        stop_ids: np.ndarray,
        params: SamplingParams,
        while_running: Callable[[], None],
    ) -> tuple[Caches, list[TokenBatch]]:
        rows, picks, made = self._decode_batch(
            self.weights, rows, token_ids, positions, counts, stop_ids, params
        )
        while_running()
        ids, logprobs = np.asarray(picks.ids), np.asarray(picks.logprobs)
        return rows, [
            TokenBatch(ids[:count, row], logprobs[:count, row])
            for row, count in enumerate(np.asarray(made).tolist())
        ]


def _one_order() -> dict[str, str]:
    """Return compiler options that sum each row in one order, however many rows there are from two on: XLA's
    own loops for sums, YNNPACK for products only (0.10; a test compares bits). CPU only, else empty."""
    if jax.default_backend() != "cpu":
        return {}
    return {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}


def _join(rows: Caches, row: Any, cache: Caches) -> Caches:
    """Return the batch cache with another in a row's slot, cut to the rows' length."""

    def placed(all_rows: jax.Array, one: jax.Array) -> jax.Array:
        one = jax.lax.slice_in_dim(one, 0, min(one.shape[-2], all_rows.shape[-2]), axis=-2)
        return jax.lax.dynamic_update_slice_in_dim(all_rows, one[None], row, axis=0)

    joined: Caches = jax.tree.map(placed, rows, cache)
    return joined


def _leave(rows: Caches, row: Any, length: int) -> Caches:
    """Return a row's slot of the batch cache, up to a length."""

    def taken(all_rows: jax.Array) -> jax.Array:
        one = jax.lax.dynamic_index_in_dim(all_rows, row, axis=0, keepdims=False)
        return jax.lax.slice_in_dim(one, 0, length, axis=-2)

    left: Caches = jax.tree.map(taken, rows)
    return left


def _in_blocks(x: jax.Array, matrix: weights.Quantized, rows: int, alone: bool) -> jax.Array:
    """Multiply rows by a quantised matrix, dequantising some of its rows at a time.

    Otherwise XLA on a CPU converts the matrices of all layers before it needs the first. And blocks just
    dequantised are still in the CPU's caches when multiplied: one row reads 40 GB/s of bfloat16 and 32 of
    int8, of a whole matrix 16 and 8 (0.10, two cores of an EPYC).

    Args:
        x: `(S, inputs)`.
        matrix: quantised, with `outputs` rows.
        rows: matrix rows to dequantise at a time.
        alone: whether each row of `x` is multiplied separately: two rows together take more than twice as
            long as one after the other, four almost twice, sixteen less (on the same machine).
    """
    values = matrix.values if matrix.bits is None else matrix.bits
    outputs, inputs = values.shape[-2:]
    parts = x.reshape(x.shape[0], -1, inputs).swapaxes(0, 1)  # (blocks of columns, S, inputs)
    each = outputs // rows

    def times(at: tuple[jax.Array, jax.Array]) -> jax.Array:
        index, block = at
        if matrix.bits is not None:
            block = jax.lax.bitcast_convert_type(block, jax.numpy.bfloat16)
        part, block = parts[index // each], block.astype(x.dtype)
        if not alone:
            return part @ block.T
        part, block = _in_turn(part, block)  # dequantised once
        if len(part) > FEW_ROWS:  # that many products would take XLA long
            in_turn: jax.Array = jax.lax.map(lambda row: row @ block.T, part)
            return in_turn
        return jax.numpy.stack([row @ block.T for row in part])

    blocks = values.reshape(-1, rows, inputs)
    products = jax.lax.map(times, (jax.numpy.arange(len(blocks)), blocks))
    products = products.reshape(-1, each, x.shape[0], rows).sum(0)
    rows_of_all: jax.Array = products.swapaxes(0, 1).reshape(x.shape[0], outputs)
    return rows_of_all


def _in_turn(changing: jax.Array, matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return both unchanged, but make anything derived from the matrix depend on `changing` too."""
    barrier: Any = jax.lax.optimization_barrier
    changing, matrix = barrier((changing, matrix))
    return changing, matrix


def _fetch(picks: Picks, count: int | None = None) -> TokenBatch:
    return TokenBatch(np.asarray(picks.ids)[:count], np.asarray(picks.logprobs)[:count])
