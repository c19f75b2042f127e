"""A Gemma's weights as the forward pass reads them: few, large, and each read in one pass.

KerasHub keeps queries, keys, values, gate and up as kernels of their own, three of them with a head axis.
Here what is multiplied by the same vector is one matrix: on one CPU core a token of the bundled model then
takes a third of the time (jax).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from keras import ops


@dataclass(frozen=True)
class Shape:
    """A Gemma's sizes and options, as `keras_nlp.models.GemmaBackbone` names them.

    Attributes:
        windows: of each layer, how many positions it looks back, itself counted; None is all of them.
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
    compute_dtype: str


class Layer(NamedTuple):
    """One decoder layer. Matrices are (inputs, outputs), or the other way round where a backend wants it.

    Attributes:
        attention_norm: (hidden_dim,) float32, 1 added; the other norms alike.
        qkv: hidden_dim to (num_query_heads + 2 x num_key_value_heads) x head_dim; the queries' part is
            already divided by the square root of head_dim.
        output: num_query_heads x head_dim to hidden_dim.
        post_attention_norm: Gemma 2 only, else None; `post_feed_forward_norm` alike.
        gate_up: hidden_dim to twice the feed-forward width, the gate first.
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
        embedding: (vocabulary_size, hidden_dim), or the other way round where a backend wants it.
        layers: first to last.
        final_norm: (hidden_dim,) float32, 1 added.
    """

    embedding: Any
    layers: tuple[Layer, ...]
    final_norm: Any


def shape_of(backbone: Any) -> Shape:
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
        compute_dtype=backbone.compute_dtype,
    )


def pack(
    backbone: Any, arrange: Callable[[Any], Any], release: Callable[[Any], None] | None
) -> Weights:
    """Join the weights of a `GemmaBackbone`, layer by layer.

    Args:
        backbone: a `keras_nlp.models.GemmaBackbone`.
        arrange: from an (inputs, outputs) matrix to a copy of it, as the backend multiplies by it.
        release: called with each Keras variable that has been copied, so that a large model never stands in
            memory twice; None leaves them.
    """

    def value(variable: Any) -> Any:
        return ops.cast(ops.convert_to_tensor(variable), backbone.compute_dtype)

    def norm(layer: Any) -> Any:
        return 1.0 + ops.cast(ops.convert_to_tensor(layer.scale), "float32")

    def heads_in(kernel: Any) -> Any:  # (heads, hidden_dim, head_dim)
        return ops.reshape(ops.transpose(value(kernel), (1, 0, 2)), (backbone.hidden_dim, -1))

    layers = []
    for layer in backbone.transformer_layers:
        attention = layer.attention
        queries = heads_in(attention.query_dense.kernel) / math.sqrt(backbone.head_dim)
        kernels = (heads_in(attention.key_dense.kernel), heads_in(attention.value_dense.kernel))
        gates = (value(layer.gating_ffw.kernel), value(layer.gating_ffw_2.kernel))
        layers.append(
            Layer(
                attention_norm=norm(layer.pre_attention_norm),
                qkv=arrange(ops.concatenate((queries, *kernels), axis=1)),
                output=arrange(
                    ops.reshape(value(attention.output_dense.kernel), (-1, backbone.hidden_dim))
                ),
                post_attention_norm=(
                    norm(layer.post_attention_norm) if layer.use_post_attention_norm else None
                ),
                feed_forward_norm=norm(layer.pre_ffw_norm),
                gate_up=arrange(ops.concatenate(gates, axis=1)),
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
