"""The least that a token or a prompt can cost: bytes to read and operations to do. Pure.

Decoding a token reads every weight and the keys and values of all tokens before it once, so that its speed is
at most the memory's bandwidth over those bytes. A long prompt does two operations for each weight and token.
"""

from __future__ import annotations

from benchmarks.speed.shapes import Shape

MATRIX_BYTES = {"bfloat16": 2, "int8": 1}
"""Bytes of a number in a matrix; activations, keys and values are bfloat16 in both."""

CACHE_BYTES = 2
NORM_BYTES = SCALE_BYTES = 4
"""Norms, and the scale that int8 has for each output of a matrix, are float32."""


def weight_bytes(shape: Shape, dtype: str) -> int:
    """Return the bytes of all weights, each of which a token reads once; the embedding is the output layer.

    Args:
        shape: of the model.
        dtype: "bfloat16" or "int8".

    Raises:
        KeyError: another dtype.
    """
    matrices = [(shape.vocabulary_size, shape.hidden_dim)] + shape.num_layers * _layer(shape)
    numbers = sum(outputs * inputs for outputs, inputs in matrices)
    norms = (2 * shape.num_layers + 1) * shape.hidden_dim
    scales = sum(outputs for outputs, _ in matrices) if dtype == "int8" else 0
    return numbers * MATRIX_BYTES[dtype] + norms * NORM_BYTES + scales * SCALE_BYTES


def cache_bytes(shape: Shape, tokens: int) -> int:
    """Return the bytes of the keys and values of so many tokens."""
    per_token = 2 * shape.num_layers * shape.num_key_value_heads * shape.head_dim
    return per_token * tokens * CACHE_BYTES


def step_bytes(shape: Shape, dtype: str, context: int, streams: int = 1) -> int:
    """Return the bytes that one step reads, which decodes a token of each stream.

    Args:
        shape: of the model.
        dtype: as in `weight_bytes`.
        context: tokens before the new one, in each stream.
        streams: how many are decoded together.
    """
    return weight_bytes(shape, dtype) + streams * cache_bytes(shape, context)


def prompt_operations(shape: Shape, tokens: int) -> int:
    """Return the floating-point operations of a prompt: a multiplication and an addition count as two.

    The output layer is needed for the last token only; attention reads half of all pairs of tokens.
    """
    products = sum(outputs * inputs for outputs, inputs in _layer(shape)) * tokens
    pairs = tokens * (tokens + 1) // 2 * shape.num_query_heads * shape.head_dim * 2
    last = shape.vocabulary_size * shape.hidden_dim
    return 2 * (shape.num_layers * (products + pairs) + last)


def first_token_s(
    shape: Shape, dtype: str, tokens: int, bytes_per_s: float, operations_per_s: float
) -> float:
    """Return the least seconds to the first token: those of the bytes or of the operations, the longer."""
    reading = weight_bytes(shape, dtype) / bytes_per_s
    return max(reading, prompt_operations(shape, tokens) / operations_per_s)


def decode_share(tokens_per_s: float, read_bytes: int, bytes_per_s: float) -> float:
    """Return which share of the bandwidth a decode speed uses, from 0 to about 1.

    Args:
        tokens_per_s: speed of one stream.
        read_bytes: bytes of a step, from `step_bytes`.
        bytes_per_s: measured bandwidth.
    """
    return tokens_per_s * read_bytes / bytes_per_s


def _layer(shape: Shape) -> list[tuple[int, int]]:
    """Return the matrices of a layer as (outputs, inputs), those of the same inputs as one."""
    queries = shape.num_query_heads * shape.head_dim
    keys = shape.num_key_value_heads * shape.head_dim
    hidden, both = shape.hidden_dim, shape.intermediate_dim
    return [(queries + 2 * keys, hidden), (hidden, queries), (both, hidden), (hidden, both // 2)]
