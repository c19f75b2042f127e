"""The forward pass of a Gemma backbone over a KV cache, in `keras.ops`, for every backend.

It is `GemmaCausalLM.call_with_cache` (keras-hub 0.32) with two things left out, both of which cost more
than the layers of a small model do: the logits of every position but one (each is 256,000 wide), and
stacking all layers' caches into one array again after each token. The layers themselves are KerasHub's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops


def cache_shape(backbone: Any, length: int) -> tuple[int, int, int, int, int]:
    """The shape of one layer's cache: `(slots=1, keys and values=2, length, kv_heads, head_dim)`."""
    return (1, 2, length, backbone.num_key_value_heads, backbone.head_dim)


def forward(
    backbone: Any, caches: Sequence[Any], token_ids: Any, offset: Any, last: Any
) -> tuple[list[Any], Any]:
    """Run a chunk of tokens and return the logits of one of its positions.

    Args:
        backbone: a `keras_nlp.models.GemmaBackbone`.
        caches: per layer a tensor of shape `cache_shape(...)`.
        token_ids: int32 tensor of shape `(1, S)`; S is static.
        offset: int or scalar int32 tensor, the position of the first token in the cache.
        last: int or scalar int32 tensor, the position within the chunk whose logits are wanted.

    Returns:
        The caches with the chunk's keys and values written, and the logits: float32, shape
        `(vocabulary_size,)`. The final logit soft cap, where a model has one, is applied by
        `ReversibleEmbedding`.
    """
    # 1. Embed: (1, S) -> (1, S, hidden_dim).
    x = backbone.token_embedding(token_ids)
    x = x * ops.cast(ops.sqrt(backbone.hidden_dim), x.dtype)

    # 2. Each layer writes its keys and values at `offset` and attends to what is at or before itself.
    written = []
    for layer, cache in zip(backbone.transformer_layers, caches, strict=True):
        x, cache = layer(x, cache=cache, cache_update_index=offset)
        written.append(cache)

    # 3. One position only: (1, 1, hidden_dim). `take`, because XLA under tensorflow wants `slice`'s
    #    start as a constant, and compiles again for every prompt length (0.8 s, tensorflow 2.21);
    #    under torch it reads the start back with `.item()`, which cannot be traced.
    x = ops.take(x, ops.reshape(last, (1,)), axis=1)
    x = backbone.layer_norm(x)

    # 4. Logits: (vocabulary_size,).
    logits = backbone.token_embedding(x, reverse=True)
    return written, ops.cast(ops.reshape(logits, (-1,)), "float32")
