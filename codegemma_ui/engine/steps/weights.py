"""A Gemma's weights as the forward pass reads them: few, large, and each read in one pass.

KerasHub keeps queries, keys, values, gate and up as kernels of their own, three of them with a head axis.
Here what is multiplied by the same vector is one matrix: on one CPU core a token of the bundled model then
takes a third of the time (jax).

Where the precision keeps them in fewer bytes than it computes in, they are widened as they are read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
from keras import ops

from codegemma_ui.engine.precision import Precision

WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}
"""Bytes of a number."""


@dataclass(frozen=True)
class Shape:
    """A Gemma's sizes and options, as `keras_nlp.models.GemmaBackbone` names them.

    Attributes:
        windows: of each layer, how many positions it looks back, itself counted; None is all of them.
        dtype: of activations and cache.
    """

    vocabulary_size: int
    hidden_dim: int
    num_query_heads: int
    num_key_value_heads: int
    head_dim: int
    epsilon: float
    attention_logit_soft_cap: float | None
    final_logit_soft_cap: float | None
    windows: tuple[int | None, ...]
    dtype: str


class Narrow(NamedTuple):
    """A matrix in fewer bytes than it is multiplied in, (outputs, inputs) on every backend.

    That way round a product with one row widens it on the way, in a single pass: 256 x 8,192 in bfloat16 take
    0.20 ms on one core, in int8 0.15, in float32 0.33. The other way round XLA widens it first, and takes
    0.9 ms (jax 0.10).

    Attributes:
        values: bfloat16, float16 or int8.
        scale: (outputs,) float32, what an output is to be multiplied by; None where values are floats.
    """

    values: Any
    scale: Any


class Apart(NamedTuple):
    """Matrices that the same rows are multiplied by, each by itself: those of a model over several devices,
    which have a part of each.

    Attributes:
        parts: matrices, in the order in which they would be joined.
    """

    parts: tuple[Any, ...]


class Layer(NamedTuple):
    """One decoder layer. A matrix is `Narrow`, or (inputs, outputs), or the other way round where a backend
    wants it.

    Attributes:
        attention_norm: (hidden_dim,) float32, 1 added; the other norms alike.
        qkv: hidden_dim to (num_query_heads + 2 x num_key_value_heads) x head_dim, or `Apart`; the queries'
            part is already divided by the square root of head_dim.
        output: num_query_heads x head_dim to hidden_dim.
        post_attention_norm: Gemma 2 only, else None; `post_feed_forward_norm` alike.
        gate_up: hidden_dim to twice the feed-forward width, the gate first, or `Apart`.
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
    """A whole Gemma.

    Attributes:
        embedding: a matrix like the others, from hidden_dim to vocabulary_size.
        layers: first to last.
        final_norm: (hidden_dim,) float32, 1 added.
    """

    embedding: Any
    layers: tuple[Layer, ...]
    final_norm: Any


def shape_of(backbone: Any, precision: Precision) -> Shape:
    """Read the sizes off a `GemmaBackbone`."""
    sliding = [
        layer.attention.use_sliding_window_attention for layer in backbone.transformer_layers
    ]
    return Shape(
        vocabulary_size=backbone.vocabulary_size,
        hidden_dim=backbone.hidden_dim,
        num_query_heads=backbone.num_query_heads,
        num_key_value_heads=backbone.num_key_value_heads,
        head_dim=backbone.head_dim,
        epsilon=backbone.layer_norm_epsilon,
        attention_logit_soft_cap=backbone.attention_logit_soft_cap,
        final_logit_soft_cap=backbone.final_logit_soft_cap,
        windows=tuple(backbone.sliding_window_size if slides else None for slides in sliding),
        dtype=precision.activations,
    )


def pack(
    backbone: Any,
    precision: Precision,
    own: Callable[[Any], Any],
    outputs_first: bool,
    release: Callable[[Any], None] | None,
    apart: bool = False,
) -> Weights:
    """Join the weights of a `GemmaBackbone`, layer by layer.

    Args:
        backbone: a `keras_nlp.models.GemmaBackbone`, loaded in `precision.loads`.
        precision: what the weights are to be kept in, and what they are multiplied in.
        own: a copy of a tensor with its rows one after the other in memory.
        outputs_first: whether the backend multiplies by (outputs, inputs).
        release: called with each Keras variable that has been copied, so that a large model never stands in
            memory twice; None leaves them.
        apart: whether what is multiplied by the same rows is to stay apart.
    """

    def value(variable: Any) -> Any:
        return ops.cast(ops.convert_to_tensor(variable), precision.loads)

    def norm(layer: Any) -> Any:
        return 1.0 + ops.cast(ops.convert_to_tensor(layer.scale), "float32")

    def heads_in(kernel: Any) -> Any:  # (heads, hidden_dim, head_dim)
        return ops.reshape(ops.transpose(value(kernel), (1, 0, 2)), (backbone.hidden_dim, -1))

    def arrange(matrix: Any) -> Any:  # (inputs, outputs)
        if precision.weights == precision.activations:
            return own(ops.transpose(matrix) if outputs_first else matrix)
        scale = None
        if precision.weights == "int8":
            matrix, scale = _quantized(matrix)
        return Narrow(own(ops.transpose(matrix)), scale)

    def arrange_all(matrices: tuple[Any, ...]) -> Any:
        if apart:
            return Apart(tuple(map(arrange, matrices)))
        return arrange(ops.concatenate(matrices, axis=1))

    layers = []
    for layer in backbone.transformer_layers:
        attention = layer.attention
        queries = heads_in(attention.query_dense.kernel) / math.sqrt(backbone.head_dim)
        kernels = (heads_in(attention.key_dense.kernel), heads_in(attention.value_dense.kernel))
        gates = (value(layer.gating_ffw.kernel), value(layer.gating_ffw_2.kernel))
        layers.append(
            Layer(
                attention_norm=norm(layer.pre_attention_norm),
                qkv=arrange_all((queries, *kernels)),
                output=arrange(
                    ops.reshape(value(attention.output_dense.kernel), (-1, backbone.hidden_dim))
                ),
                post_attention_norm=(
                    norm(layer.post_attention_norm) if layer.use_post_attention_norm else None
                ),
                feed_forward_norm=norm(layer.pre_ffw_norm),
                gate_up=arrange_all(gates),
                down=arrange(value(layer.ffw_linear.kernel)),
                post_feed_forward_norm=(
                    norm(layer.post_ffw_norm) if layer.use_post_ffw_norm else None
                ),
            )
        )
        if release is not None:
            for variable in layer.variables:
                release(variable)
    embeddings = backbone.token_embedding.embeddings
    packed = Weights(
        embedding=arrange(ops.transpose(value(embeddings))),
        layers=tuple(layers),
        final_norm=norm(backbone.layer_norm),
    )
    if release is not None:
        release(embeddings)
    return packed


def weight_bytes(weights: Any) -> int:
    """What some weights take in memory: a `Weights`, a part of it, or a tensor."""
    if weights is None:
        return 0
    if isinstance(weights, tuple):
        return sum(map(weight_bytes, weights))
    width = WIDTHS[keras.backend.standardize_dtype(weights.dtype)]
    return int(math.prod(weights.shape)) * width


def _quantized(matrix: Any) -> tuple[Any, Any]:
    """An (inputs, outputs) matrix in int8, and the scale of each output."""
    matrix = ops.cast(matrix, "float32")
    scale = ops.maximum(ops.max(ops.abs(matrix), axis=0), 1e-30) / 127.0
    return ops.cast(ops.round(matrix / scale), "int8"), scale
