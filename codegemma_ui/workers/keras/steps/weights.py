"""A Gemma's weights as the forward pass reads them: few and large matrices, each read in one pass.

KerasHub keeps queries, keys, values, gate and up as separate kernels, three of them with a head axis. Here,
matrices multiplied by the same vector are fused into one: on one CPU core a token of the bundled model then
takes a third of the time (jax).

Weights stored in a smaller type than they are computed in are dequantised as they are read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from codegemma_ui.workers.keras.precision import Precision

WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1, "uint8": 1}
"""Bytes per number."""

DEQUANTISED = 1 << 24
"""Maximum numbers dequantised at once where nothing fuses the conversion with what follows: 64 MB in float32,
not the 2 GB of CodeGemma's embedding."""

LONGEST_ROW, COLUMNS = 4096, 2048
"""Above so many inputs, a matrix is kept in blocks of so many columns: a longer row evicts its multiplier
from the CPU's nearest cache (one row times 2,048 x 16,384 in bfloat16, two cores of an EPYC: 5.3 ms on torch,
in blocks 2.1)."""

BLOCK = 1 << 20
"""Numbers that XLA dequantises at once: 4 MB in float32."""

FEWEST_ROWS = 64
"""Minimum rows of such a block, to be worth a loop iteration."""


@dataclass(frozen=True)
class Shape:
    """A Gemma's sizes and options, named as in `keras_nlp.models.GemmaBackbone`.

    Attributes:
        query_divisor: divisor of the queries.
        max_wavelength: of the rotary embedding.
        windows: number of positions each layer looks back, itself included; None for all.
        parameters: number of parameters.
        dtype: dtype of activations and cache.
    """

    vocabulary_size: int
    hidden_dim: int
    num_query_heads: int
    num_key_value_heads: int
    head_dim: int
    query_divisor: float
    max_wavelength: float
    epsilon: float
    attention_logit_soft_cap: float | None
    final_logit_soft_cap: float | None
    windows: tuple[int | None, ...]
    parameters: int
    dtype: str


class Quantized(NamedTuple):
    """A matrix stored in a smaller type than it is multiplied in, (outputs, inputs) on every backend.

    In this layout a one-row product dequantises in the same pass: 256 x 8,192 in bfloat16 take 0.20 ms on one
    core, in int8 0.15, in float32 0.33. With the transposed layout XLA dequantises first, and takes 0.9 ms
    (jax 0.10).

    Attributes:
        values: bfloat16, float16 or int8; (outputs, inputs), or `in_columns`.
        scale: (outputs,) float32 factor of each output; None if values are floats.
        bits: the same memory as uint16, for XLA to dequantise some rows at a time on a CPU: it converts a
            whole bfloat16 matrix to take a part of it, and copies it to reinterpret it as integers.
    """

    values: Any
    scale: Any
    bits: Any = None


class Unfused(NamedTuple):
    """Matrices multiplied by the same rows but kept separate: those of a model sharded over several devices.

    Attributes:
        parts: matrices, in the order in which they would be fused.
    """

    parts: tuple[Any, ...]


class Layer(NamedTuple):
    """One decoder layer. A matrix is `Quantized`, or (inputs, outputs), or transposed where a backend
    requires it.

    Attributes:
        attention_norm: (hidden_dim,) float32, 1 added; the other norms likewise.
        qkv: hidden_dim to (num_query_heads + 2 x num_key_value_heads) x head_dim, or `Unfused`; the queries'
            part is already divided by `query_divisor`.
        output: num_query_heads x head_dim to hidden_dim.
        post_attention_norm: Gemma 2 only, else None; `post_feed_forward_norm` likewise.
        gate_up: hidden_dim to twice the feed-forward width, the gate first, or `Unfused`.
        down: the feed-forward width to hidden_dim.
    """

    attention_norm: Any
    qkv: Any
    output: Any
    post_attention_norm: Any
    feed_forward_norm: Any
    gate_up: Any
    down: Any
    post_feed_forward_norm: Any


class Weights(NamedTuple):
    """All weights of a Gemma.

    Attributes:
        embedding: a matrix like the others, from hidden_dim to vocabulary_size.
        layers: first to last.
        final_norm: (hidden_dim,) float32, 1 added.
    """

    embedding: Any
    layers: tuple[Layer, ...]
    final_norm: Any


def shape_of(backbone: Any, precision: Precision) -> Shape:
    """Read the sizes from a `GemmaBackbone`."""
    attentions = [layer.attention for layer in backbone.transformer_layers]
    heads, head_dim = backbone.num_query_heads, backbone.head_dim
    per_head = head_dim if backbone.query_head_dim_normalize else backbone.hidden_dim // heads
    return Shape(
        vocabulary_size=backbone.vocabulary_size,
        hidden_dim=backbone.hidden_dim,
        num_query_heads=heads,
        num_key_value_heads=backbone.num_key_value_heads,
        head_dim=head_dim,
        query_divisor=math.sqrt(per_head),
        max_wavelength=float(attentions[0].rope_layer.max_wavelength),
        epsilon=backbone.layer_norm_epsilon,
        attention_logit_soft_cap=backbone.attention_logit_soft_cap,
        final_logit_soft_cap=backbone.final_logit_soft_cap,
        windows=tuple(
            backbone.sliding_window_size if one.use_sliding_window_attention else None
            for one in attentions
        ),
        parameters=int(backbone.count_params()),
        dtype=precision.activations,
    )


class Arrangement:
    """Layout of matrices; each backend has its own.

    Args:
        shape: shape of the model.
        precision: precision of weights and computation.
    """

    outputs_first = False
    """True if unquantised matrices are (outputs, inputs)."""

    unfused = False
    """True if matrices multiplied by the same rows stay separate: see `Unfused`."""

    def __init__(self, shape: Shape, precision: Precision) -> None:
        self.shape, self.precision = shape, precision

    def tensor(self, variable: Any, value: Any) -> Any:
        """Return a variable's value, an array or a file's dataset, as a tensor in `precision.loads`."""
        del variable  # its placement matters with several devices only
        if not keras.ops.is_tensor(value):
            value = np.asarray(value)
        return ops.cast(ops.convert_to_tensor(value), self.precision.loads)

    def own(self, tensor: Any) -> Any:
        """Return a tensor that is contiguous by rows, and kept for as long as the model runs."""
        raise NotImplementedError

    def matrix(self, name: str, parts: tuple[Any, ...]) -> Any:
        """Arrange one matrix, or fuse several that are multiplied by the same rows.

        Args:
            name: field of `Layer`, or "embedding".
            parts: each (inputs, outputs); the embedding (outputs, inputs), unchanged.
        """
        if self.unfused and len(parts) > 1:
            return Unfused(tuple(self.matrix(name, (part,)) for part in parts))
        matrix = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=1)
        narrow = self.precision.weights != self.precision.activations
        if (narrow or self.outputs_first) != (name == "embedding"):
            matrix = ops.transpose(matrix)
        if not narrow:
            return self.own(matrix)
        if self.precision.weights == "int8":
            values, scale = quantized(matrix)
            return Quantized(self.own(self.columns(values)), scale)
        values = self.own(self.columns(matrix))
        wide = self.precision.weights == "bfloat16" and block_rows(values) is not None
        return Quantized(values, None, self.bits(values) if wide else None)

    def columns(self, values: Any) -> Any:
        """Return a quantised matrix in the blocks used for products."""
        return values

    def bits(self, values: Any) -> Any:
        """Return a bfloat16 tensor's memory as uint16, or None if that is not possible."""
        del values


_PARTS = {
    "attention_norm": ("pre_attention_norm/scale",),
    "qkv": ("attention/query/kernel", "attention/key/kernel", "attention/value/kernel"),
    "output": ("attention/attention_output/kernel",),
    "post_attention_norm": ("post_attention_norm/scale",),
    "feed_forward_norm": ("pre_ffw_norm/scale",),
    "gate_up": ("ffw_gating/kernel", "ffw_gating_2/kernel"),
    "down": ("ffw_linear/kernel",),
    "post_feed_forward_norm": ("post_ffw_norm/scale",),
    "embedding": ("token_embedding/embeddings",),
    "final_norm": ("final_normalization/scale",),
}
"""Fields of `Layer` and `Weights`, and the KerasHub (0.32) variables they come from."""

_FIELDS = {part: field for field, parts in _PARTS.items() for part in parts}
_IN_A_LAYER = re.compile(r"decoder_block_(\d+)/(.+)")


class Assembler:
    """Arrange a Gemma's weights as they arrive, one variable at a time and in any order.

    Only arranged weights are kept, so that a large model is never in memory twice.

    Args:
        arrangement: arrangement of the backend.
        report: called with the share of numbers received, from 0 to 1.
    """

    def __init__(
        self, arrangement: Arrangement, report: Callable[[float], None] = lambda _: None
    ) -> None:
        self._arrangement, self._shape, self._report = arrangement, arrangement.shape, report
        self._waiting: dict[tuple[int, str], dict[str, Any]] = {}
        self._done: dict[tuple[int, str], Any] = {}
        self._taken = 0

    def take(self, variable: Any, value: Any) -> None:
        """Add the value of a variable of the `GemmaBackbone`.

        Args:
            variable: Keras variable; only its path and shape are read.
            value: array, tensor or h5py dataset of that shape.

        Raises:
            ValueError: unknown variable, or a different shape.
        """
        if tuple(value.shape) != tuple(variable.shape):
            raise ValueError(
                f"{variable.path} should have the shape {tuple(variable.shape)}. "
                f"Received: {tuple(value.shape)}"
            )
        match = _IN_A_LAYER.fullmatch(variable.path)
        layer, part = (int(match[1]), match[2]) if match else (-1, variable.path)
        if part not in _FIELDS:
            raise ValueError(
                f"A Gemma should have no variable of this name. Received: {variable.path}"
            )
        field = _FIELDS[part]
        parts = self._waiting.setdefault((layer, field), {})
        parts[part] = self._logical(part, self._arrangement.tensor(variable, value))
        if len(parts) == len(_PARTS[field]):
            del self._waiting[layer, field]
            ordered = tuple(parts[name] for name in _PARTS[field])
            del parts
            self._done[layer, field] = (
                ordered[0] if "norm" in field else self._arrangement.matrix(field, ordered)
            )
        self._taken += math.prod(variable.shape)
        self._report(self._taken / self._shape.parameters)

    def _logical(self, part: str, value: Any) -> Any:
        """Return a norm's scale plus 1, in float32; the embedding; anything else as an (inputs, outputs)
        matrix."""
        if part.endswith("scale"):
            return 1.0 + ops.cast(value, "float32")
        if part == "attention/attention_output/kernel":  # (heads, head_dim, hidden_dim)
            return ops.reshape(value, (-1, self._shape.hidden_dim))
        if part.startswith("attention/"):  # (heads, hidden_dim, head_dim)
            value = ops.reshape(ops.transpose(value, (1, 0, 2)), (self._shape.hidden_dim, -1))
        if part == "attention/query/kernel":
            return value / self._shape.query_divisor
        return value

    def weights(self) -> Weights:
        """Return all weights, once every variable has been added.

        Raises:
            ValueError: something is missing.
        """
        optional = ("post_attention_norm", "post_feed_forward_norm")
        try:
            layers = tuple(
                Layer(
                    **{
                        field: self._done.get((index, field))
                        if field in optional
                        else self._done[index, field]
                        for field in Layer._fields
                    }
                )
                for index in range(len(self._shape.windows))
            )
            return Weights(self._done[-1, "embedding"], layers, self._done[-1, "final_norm"])
        except KeyError as error:
            layer, field = error.args[0]
            place = f"decoder_block_{layer}/" if layer >= 0 else ""
            raise ValueError(
                f"A Gemma's weights should be complete. Missing: {place}{_PARTS[field][-1]}"
            ) from error


def of_model(model: Any, arrangement: Arrangement) -> Weights:
    """Arrange the weights of a `GemmaCausalLM` in memory, which is left unchanged."""
    assembler = Assembler(arrangement)
    for variable in model.backbone.variables:
        assembler.take(variable, variable.value)
    return assembler.weights()


def scaled(product: Any, matrix: Quantized) -> Any:
    """Apply a quantised matrix's scales to a product with its values."""
    return product if matrix.scale is None else ops.cast(product * matrix.scale, product.dtype)


def in_columns(values: Any) -> Any:
    """Return an (outputs, inputs) matrix; one with long rows as (blocks, outputs, COLUMNS)."""
    outputs, inputs = values.shape
    if inputs <= LONGEST_ROW or inputs % COLUMNS:
        return values
    return ops.transpose(ops.reshape(values, (outputs, -1, COLUMNS)), (1, 0, 2))


def block_rows(values: Any) -> int | None:
    """Return how many rows of a matrix XLA should dequantise at once; None for all."""
    outputs, inputs = values.shape[-2:]
    most = min(outputs, BLOCK // inputs)
    rows = next((rows for rows in range(most, 0, -1) if outputs % rows == 0), 0)
    in_one = rows == outputs or rows < FEWEST_ROWS
    return None if in_one and len(values.shape) == 2 else rows


def weight_bytes(weights: Any) -> int:
    """Return the memory taken by weights: a `Weights`, a part of it, or a tensor."""
    if weights is None:
        return 0
    if isinstance(weights, Quantized):
        weights = weights[:2]
    if isinstance(weights, tuple):
        return sum(map(weight_bytes, weights))
    width = WIDTHS[keras.backend.standardize_dtype(weights.dtype)]
    return int(math.prod(weights.shape)) * width


def quantized(matrix: Any) -> tuple[Any, Any]:
    """Quantise an (outputs, inputs) matrix to int8, some rows at a time; return it and each output's
    scale."""
    rows = max(1, DEQUANTISED // matrix.shape[1])
    parts = [_quantized(matrix[first : first + rows]) for first in range(0, matrix.shape[0], rows)]
    if len(parts) == 1:
        return parts[0]
    values, scales = zip(*parts, strict=True)
    return ops.concatenate(values, axis=0), ops.concatenate(scales, axis=0)


def _quantized(rows: Any) -> tuple[Any, Any]:
    rows = ops.cast(rows, "float32")
    scale = ops.maximum(ops.max(ops.abs(rows), axis=1), 1e-30) / 127.0
    return ops.cast(ops.round(rows / scale[:, None]), "int8"), scale
