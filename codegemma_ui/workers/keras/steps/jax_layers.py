"""jax on a CPU, for a large model: see `layers.py`."""

from __future__ import annotations

from typing import Any

import jax

from codegemma_ui.workers.keras.steps.jax import JaxKernels, JaxSteps
from codegemma_ui.workers.keras.steps.layers import LayeredPasses
from codegemma_ui.workers.keras.steps.programs import Programs


class JaxLayeredSteps(LayeredPasses, JaxSteps):
    """`PartedSteps` and `BatchSteps` on jax; several rows together are written by a program of all layers."""

    def _compile(self, alternatives: int) -> None:
        super()._compile(alternatives)
        programs = Programs(self.shape, JaxKernels(), alternatives)
        self._cut(programs, self._weights)
        self._begin: Any = jax.jit(programs.begin, static_argnums=(3,))
        self._compiled_layer: Any = jax.jit(programs.layer, donate_argnums=(1,))
        self._ends: Any = {
            "prefill": jax.jit(programs.end_prefill),
            "verify": jax.jit(programs.end_verify),
            "step": jax.jit(programs.end_step),
        }

    def _layer(self, *arguments: Any) -> Any:
        # jax returns before it has computed anything, and would have a whole pass under way.
        done: Any = jax.block_until_ready
        return done(self._compiled_layer(*arguments))

    @property
    def compilations(self) -> int:
        every = (self._begin, self._compiled_layer, *self._ends.values())
        own: int = sum(one._cache_size() for one in every)
        return super().compilations + own
