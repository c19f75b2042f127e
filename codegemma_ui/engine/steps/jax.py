"""jax: one `jax.jit`, the weights as arguments, the cache donated.

Weights that are closed over would be baked into every compiled shape as constants (and copied by XLA);
as arguments they are shared. A donated cache is written in place.
"""

from __future__ import annotations

from typing import Any

import jax
import keras
import numpy as np

from codegemma_ui.engine.steps.forward import cache_shape, forward


class JaxSteps:
    """`Steps` on jax. Its cache is a tuple of arrays, one per layer."""

    note: str | None = None

    def __init__(self, model: Any) -> None:
        self._backbone = model.backbone
        self._variables = list(self._backbone.variables)
        self._weights = [variable.value for variable in self._variables]
        self.compiled = jax.jit(self._forward, donate_argnums=(1,))

    def _forward(
        self, weights: list[Any], cache: tuple[Any, ...], token_ids: Any, offset: Any, last: Any
    ) -> tuple[tuple[Any, ...], Any]:
        mapping = zip(self._variables, weights, strict=True)
        with keras.StatelessScope(state_mapping=mapping):
            written, logits = forward(self._backbone, cache, token_ids, offset, last)
        return tuple(written), logits

    def allocate(self, length: int) -> tuple[Any, ...]:
        shape = cache_shape(self._backbone, length)
        return tuple(
            jax.numpy.zeros(shape, self._backbone.compute_dtype)
            for _ in self._backbone.transformer_layers
        )

    def forward(
        self, cache: tuple[Any, ...], token_ids: np.ndarray, offset: int, last: int
    ) -> tuple[tuple[Any, ...], np.ndarray]:
        cache, logits = self.compiled(
            self._weights, cache, token_ids, np.int32(offset), np.int32(last)
        )
        return cache, np.asarray(logits)


def create(model: Any) -> JaxSteps:
    """Steps for a `GemmaCausalLM` built on jax."""
    return JaxSteps(model)
