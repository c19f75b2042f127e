"""Forward pass of a Gemma over a KV cache, in `keras.ops`, for every backend.

Equivalent to KerasHub's `GemmaCausalLM.call_with_cache` (keras-hub 0.32; a test compares them). It reads
fused weights (`weights.py`), writes the cache in place, and computes logits, each 256,000 wide, only for the
positions that need them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from keras import ops

from codegemma_ui.workers.keras.steps.weights import (
    WIDTHS,
    Layer,
    Quantized,
    Shape,
    Unfused,
    Weights,
)

Cache = tuple[Any, Any]
"""Keys and values of one layer, each of shape `cache_shape(...)`."""


class Kernels(Protocol):
    """Backend-specific operations."""

    def multiply(self, x: Any, matrix: Any) -> Any:
        """Multiply rows by a matrix in the backend's layout: (S, inputs) to (S, outputs)."""
        ...

    def multiply_quantized(self, x: Any, matrix: Quantized) -> Any:
        """Multiply rows by a quantised matrix: (S, inputs) to (S, outputs)."""
        ...

    def embed(self, embedding: Any, token_ids: Any) -> Any:
        """Look up embedding rows, in the layout of the other matrices: (S,) ids to (S, hidden_dim)."""
        ...

    def embed_quantized(self, values: Any, token_ids: Any) -> Any:
        """Look up rows of a `Quantized`'s values, in their own dtype: (S,) ids to (S, hidden_dim)."""
        ...

    def top_k(self, scores: Any, count: int) -> tuple[Any, Any]:
        """Return the highest values of each row of `(N, vocabulary_size)` and their ids, highest first: both
        `(N, count)`."""
        ...

    def write(self, cache: Any, new: Any, offset: Any) -> Any:
        """Return the cache with `new`, (..., S, head_dim), written from `offset` on its second-to-last
        axis."""
        ...


class BatchKernels(Kernels, Protocol):
    """Additional operations of a backend that decodes several rows together."""

    def decode_batch(self, cache: Any, new: Any, positions: Any) -> Any:
        """Return the cache of all rows, `(N, ..., length, head_dim)`, with each row of `new`,
        `(N, ..., 1, head_dim)`, written at that row's position, `(N,)`."""
        ...

    def each_row(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Vectorise a one-row function over a leading row axis."""
        ...


def cache_shape(shape: Shape, length: int) -> tuple[int, ...]:
    """Return the shape of one layer's keys, or values: `(kv_heads, length, head_dim)`, with no leading axis
    of 1.

    XLA drops such an axis before a product, writes the cache once with it and once without, and so copies all
    of it four times per token.
    """
    heads = (shape.num_key_value_heads,) if shape.num_key_value_heads > 1 else ()
    return (*heads, length, shape.head_dim)


def cache_bytes(shape: Shape, length: int) -> int:
    """Return the size of all layers' keys and values."""
    return 2 * len(shape.windows) * math.prod(cache_shape(shape, length)) * WIDTHS[shape.dtype]


class Surroundings(NamedTuple):
    """Position-dependent inputs of every layer's attention for a chunk.

    Attributes:
        offset: position of the first token in the cache, int32 scalar.
        cos: (S, 1, head_dim / 2) float32, of the rotary embedding; `sin` likewise.
        masks: for each window size used by a layer, (S, length) float32: 0 where a position sees a key, else
            a large negative number.
    """

    offset: Any
    cos: Any
    sin: Any
    masks: dict[int | None, Any]


def surroundings(shape: Shape, size: int, offset: Any, length: int) -> Surroundings:
    """Compute those of a chunk of `size` tokens from `offset` on, in a cache of `length`."""
    positions = offset + ops.arange(size, dtype="int32")
    return Surroundings(offset, *_rotations(positions, shape), _masks(shape, positions, length))


def hidden(
    shape: Shape,
    weights: Weights,
    kernels: Kernels,
    caches: Sequence[Cache],
    token_ids: Any,
    offset: Any,
) -> tuple[tuple[Cache, ...], Any]:
    """Run a chunk of tokens.

    Args:
        shape: shape of the model.
        weights: from `weights.Assembler`.
        kernels: operations of the backend.
        caches: keys and values per layer.
        token_ids: int32 tensor of shape `(S,)`; S is static.
        offset: scalar int32 tensor, the position of the first token in the cache.

    Returns:
        The caches with the chunk's keys and values written, and the last layer's output,
        `(S, hidden_dim)`.
    """
    around = surroundings(shape, token_ids.shape[0], offset, caches[0][0].shape[-2])
    x = embed(shape, kernels, weights.embedding, token_ids)
    written = []
    for one, cache, window in zip(weights.layers, caches, shape.windows, strict=True):
        cache, x = layer(shape, kernels, one, cache, window, around, x)
        written.append(cache)
    return tuple(written), x


def embed(shape: Shape, kernels: Kernels, embedding: Any, token_ids: Any) -> Any:
    """Compute the first layer's input for `(S,)` tokens: `(S, hidden_dim)`."""
    if isinstance(embedding, Quantized):
        x = ops.cast(kernels.embed_quantized(embedding.values, token_ids), shape.dtype)
        if embedding.scale is not None:
            scale = ops.take(embedding.scale, token_ids, axis=0)[:, None]
            x = ops.cast(x * scale, shape.dtype)
    else:
        x = kernels.embed(embedding, token_ids)
    return x * ops.cast(math.sqrt(shape.hidden_dim), x.dtype)


def layer(
    shape: Shape,
    kernels: Kernels,
    weights: Layer,
    cache: Cache,
    window: int | None,
    around: Surroundings,
    x: Any,
) -> tuple[Cache, Any]:
    """Run one layer on a chunk: `(S, hidden_dim)` to the cache and `(S, hidden_dim)`."""
    size = x.shape[0]
    heads, kv_heads, head_dim = shape.num_query_heads, shape.num_key_value_heads, shape.head_dim
    groups, new_shape = heads // kv_heads, cache_shape(shape, size)

    def attend(q: Any, k: Any, v: Any) -> tuple[Cache, Any]:
        keys, values = cache
        length = keys.shape[-2]
        keys = kernels.write(
            keys, ops.reshape(ops.transpose(k, (1, 0, 2)), new_shape), around.offset
        )
        values = kernels.write(
            values, ops.reshape(ops.transpose(v, (1, 0, 2)), new_shape), around.offset
        )

        # (kv_heads, groups x S, head_dim): queries that share keys are adjacent.
        q = ops.transpose(ops.reshape(q, (size, kv_heads, groups, head_dim)), (1, 2, 0, 3))
        q = ops.reshape(q, (*keys.shape[:-2], groups * size, head_dim))
        scores = ops.einsum("...qd,...kd->...qk", q, keys)
        scores = _cap(ops.cast(scores, "float32"), shape.attention_logit_soft_cap)
        scores = ops.reshape(scores, (kv_heads, groups, size, length)) + around.masks[window]
        shares = ops.cast(ops.softmax(scores, axis=-1), q.dtype)
        shares = ops.reshape(shares, (*keys.shape[:-2], groups * size, length))
        mixed = ops.matmul(shares, values)
        mixed = ops.reshape(mixed, (heads, size, head_dim))
        return (keys, values), ops.transpose(mixed, (1, 0, 2))

    return _layer(shape, kernels, weights, x, around.cos, around.sin, attend)


def hidden_rows(
    shape: Shape,
    weights: Weights,
    kernels: BatchKernels,
    caches: Sequence[Cache],
    token_ids: Any,
    positions: Any,
) -> tuple[tuple[Cache, ...], Any]:
    """Run one token in each of N rows, each at its own position.

    Args:
        shape, weights, kernels: as in `hidden`.
        caches: per layer keys and values of all rows, each `(N, *cache_shape(...))`.
        token_ids: int32 tensor of shape `(N,)`.
        positions: int32 tensor of shape `(N,)`: position of each row's token in its part of the cache.

    Returns:
        As in `hidden`, one row each.
    """
    rows, length = token_ids.shape[0], caches[0][0].shape[-2]
    heads, kv_heads, head_dim = shape.num_query_heads, shape.num_key_value_heads, shape.head_dim
    groups, new_shape = heads // kv_heads, (rows, *cache_shape(shape, 1))
    cos, sin = _rotations(positions, shape)
    masks = {  # (N, 1, 1, length)
        window: mask[:, None, None, :] for window, mask in _masks(shape, positions, length).items()
    }
    x = embed(shape, kernels, weights.embedding, token_ids)
    written = []
    for one, cache, window in zip(weights.layers, caches, shape.windows, strict=True):

        def attend(
            q: Any, k: Any, v: Any, cache: Cache = cache, window: int | None = window
        ) -> tuple[Cache, Any]:
            keys = kernels.decode_batch(cache[0], ops.reshape(k, new_shape), positions)
            values = kernels.decode_batch(cache[1], ops.reshape(v, new_shape), positions)
            q = ops.reshape(q, (*keys.shape[:-2], groups, head_dim))
            scores = ops.einsum("...qd,...kd->...qk", q, keys)
            scores = _cap(ops.cast(scores, "float32"), shape.attention_logit_soft_cap)
            scores = ops.reshape(scores, (rows, kv_heads, groups, length)) + masks[window]
            shares = ops.cast(ops.softmax(scores, axis=-1), q.dtype)
            mixed = ops.matmul(ops.reshape(shares, (*keys.shape[:-2], groups, length)), values)
            return (keys, values), ops.reshape(mixed, (rows, heads, head_dim))

        cache, x = _layer(shape, kernels, one, x, cos, sin, attend)
        written.append(cache)
    return tuple(written), x


Attend = Callable[[Any, Any, Any], tuple[Cache, Any]]
"""Write keys and values to a layer's cache, and attend: from `q` `(S, heads, head_dim)`, `k` and `v`
`(S, kv_heads, head_dim)` to the cache and `(S, heads, head_dim)`."""


def _layer(
    shape: Shape, kernels: Kernels, weights: Layer, x: Any, cos: Any, sin: Any, attend: Attend
) -> tuple[Cache, Any]:
    q, k, v = _heads(kernels, _norm(x, weights.attention_norm, shape), weights.qkv, shape)
    cache, mixed = attend(_rotate(q, cos, sin), _rotate(k, cos, sin), v)

    mixed = ops.reshape(mixed, (x.shape[0], shape.num_query_heads * shape.head_dim))
    attended = _multiply(kernels, mixed, weights.output)
    if weights.post_attention_norm is not None:
        attended = _norm(attended, weights.post_attention_norm, shape)
    x = x + attended

    gate, up = _gate_up(kernels, _norm(x, weights.feed_forward_norm, shape), weights.gate_up)
    fed = _multiply(kernels, _gated(gate, up), weights.down)
    if weights.post_feed_forward_norm is not None:
        fed = _norm(fed, weights.post_feed_forward_norm, shape)
    return cache, x + fed


def logits(shape: Shape, weights: Weights, kernels: Kernels, x: Any) -> Any:
    """Compute the logits for rows of the last layer's output: `(N, hidden_dim)` to `(N, vocabulary_size)`
    float32."""
    scores = _multiply(kernels, _norm(x, weights.final_norm, shape), weights.embedding)
    return _cap(ops.cast(scores, "float32"), shape.final_logit_soft_cap)


def _multiply(kernels: Kernels, x: Any, matrix: Any) -> Any:
    if not isinstance(matrix, Quantized):
        return kernels.multiply(x, matrix)
    return kernels.multiply_quantized(x, matrix)


def _heads(kernels: Kernels, x: Any, matrix: Any, shape: Shape) -> tuple[Any, Any, Any]:
    """Return queries, keys and values of rows, each (S, heads, head_dim)."""
    size, heads, kv_heads = x.shape[0], shape.num_query_heads, shape.num_key_value_heads
    if isinstance(matrix, Unfused):
        q, k, v = (
            ops.reshape(_multiply(kernels, x, part), (size, count, shape.head_dim))
            for part, count in zip(matrix.parts, (heads, kv_heads, kv_heads), strict=True)
        )
        return q, k, v
    rows = _multiply(kernels, x, matrix)
    rows = ops.reshape(rows, (size, heads + 2 * kv_heads, shape.head_dim))
    return rows[:, :heads], rows[:, heads : heads + kv_heads], rows[:, heads + kv_heads :]


def _gate_up(kernels: Kernels, x: Any, matrix: Any) -> tuple[Any, Any]:
    """Return both halves of the feed-forward's first product, each (S, width)."""
    if isinstance(matrix, Unfused):
        gate, up = (_multiply(kernels, x, part) for part in matrix.parts)
        return gate, up
    both = _multiply(kernels, x, matrix)
    width = both.shape[-1] // 2
    return both[:, :width], both[:, width:]


def _norm(x: Any, scale: Any, shape: Shape) -> Any:
    wide = ops.cast(x, "float32")
    wide = wide * ops.rsqrt(ops.mean(ops.square(wide), axis=-1, keepdims=True) + shape.epsilon)
    return ops.cast(wide * scale, shape.dtype)


def _gated(gate: Any, up: Any) -> Any:
    """Return `gelu(gate, approximate=True) * up`.

    Written as a division, which XLA computes once; it would recompute a product for every output of the next
    `Quantized`.
    """
    bent = gate + 0.044715 * gate * gate * gate
    return gate * up / (1.0 + ops.exp(bent * (-2.0 * math.sqrt(2.0 / math.pi))))


def _rotations(positions: Any, shape: Shape) -> tuple[Any, Any]:
    """Return cosines and sines of the rotary embedding, each (S, 1, head_dim / 2), float32."""
    half = shape.head_dim // 2
    speeds = shape.max_wavelength ** (-ops.arange(half, dtype="float32") / half)
    angles = ops.cast(positions, "float32")[:, None, None] * speeds
    return ops.cos(angles), ops.sin(angles)


def _rotate(x: Any, cos: Any, sin: Any) -> Any:
    """Rotate (S, heads, head_dim) by its positions; the halves are the two coordinates."""
    cos, sin = ops.cast(cos, x.dtype), ops.cast(sin, x.dtype)
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    return ops.concatenate((first * cos - second * sin, second * cos + first * sin), axis=-1)


def _masks(shape: Shape, positions: Any, length: int) -> dict[int | None, Any]:
    """Return one mask per window size, for `(S,)` positions: `(S, length)`."""
    distance = positions[:, None] - ops.arange(length, dtype="int32")[None, :]
    return {window: _mask(distance, window) for window in set(shape.windows)}


def _mask(distance: Any, window: int | None) -> Any:
    """Return the mask to add to scores: 0 where a query sees a key, else a large negative number."""
    seen = distance >= 0
    if window is not None:
        seen = ops.logical_and(seen, distance < window)
    return ops.where(seen, 0.0, -1e30)


def _cap(scores: Any, limit: float | None) -> Any:
    return scores if limit is None else ops.tanh(scores / limit) * limit
