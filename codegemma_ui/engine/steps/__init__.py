"""What differs between the Keras backends: how one forward pass over a KV cache is compiled.

`forward.py` holds the pass itself, in `keras.ops`, once. `jax.py`, `tensorflow.py` and `torch.py` each
compile it their own way and hide how the cache is kept. Nothing here samples, plans chunks or knows
when to stop: that is `decode.py`.
"""

from __future__ import annotations

import importlib
from typing import Any, Protocol

import numpy as np

BACKENDS = ("tensorflow", "jax", "torch")

# Opaque to everyone but the backend that made it.
Cache = Any


class Steps(Protocol):
    """One compiled forward pass of a `GemmaCausalLM` over a KV cache, for one Keras backend.

    Attributes:
        note: what a person should know about how the pass runs, for example that torch found no C++
            compiler; None when there is nothing to say.
    """

    note: str | None

    def allocate(self, length: int) -> Cache:
        """A KV cache for `length` tokens.

        Its content is unspecified where nothing has been written yet: the causal mask keeps every
        position from what lies after it.

        Args:
            length: the number of positions.

        Returns:
            The cache: per layer two arrays of shape `(slots, kv_heads, length, head_dim)`, keys and
            values, in the model's compute dtype. There is one slot.
        """
        ...

    def forward(
        self, cache: Cache, token_ids: np.ndarray, offset: int, last: int
    ) -> tuple[Cache, np.ndarray]:
        """Run `token_ids` at positions `offset` and up, and write their keys and values.

        Each pair of `token_ids.shape[1]` and cache length compiles once; `offset` and `last` never
        make it compile again. The caller keeps `offset + token_ids.shape[1]` within the cache.

        Args:
            cache: from `allocate()` or the last `forward()`. Not to be used again afterwards.
            token_ids: int32 array of shape `(1, S)`.
            offset: the position of the first of them.
            last: which of the S positions the logits are wanted of, from 0.

        Returns:
            The cache to use from now on, and that position's logits: float32, shape
            `(vocabulary_size,)`.
        """
        ...


def create(backend: str, model: Any, takes_weights: bool = False) -> Steps:
    """Compile-on-demand steps for a model. Imports only the named backend's module.

    Args:
        backend: "tensorflow", "jax" or "torch": the one Keras runs on in this process.
        model: a `keras_nlp.models.GemmaCausalLM`.
        takes_weights: whether the model's own weights may be freed once they are copied: it cannot run
            by itself any more, and a large model does not stand in memory twice.

    Returns:
        The steps.

    Raises:
        ValueError: no such backend, or not the one that Keras runs on.
    """
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
    steps: Steps = importlib.import_module(f"{__name__}.{backend}").create(model, takes_weights)
    return steps
