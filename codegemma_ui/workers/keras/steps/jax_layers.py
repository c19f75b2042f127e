"""jax on a CPU for a large model (`layers.py`), and the choice of steps for a model."""

from __future__ import annotations

from typing import Any

import jax

from codegemma_ui.workers.keras import parallel
from codegemma_ui.workers.keras.precision import Precision
from codegemma_ui.workers.keras.steps.jax import JaxArrangement, JaxKernels, JaxSteps
from codegemma_ui.workers.keras.steps.layers import LayeredPasses, wanted
from codegemma_ui.workers.keras.steps.programs import Programs
from codegemma_ui.workers.keras.steps.weights import Shape, Weights


class JaxLayeredSteps(LayeredPasses, JaxSteps):
    """`PartedSteps` and `BatchSteps` on jax; batches are decoded by a program of all layers."""

    def _compile(self, alternatives: int) -> None:
        super()._compile(alternatives)
        programs = Programs(self.shape, JaxKernels(), alternatives)
        self._keep_weights(programs, self.weights)
        self._begin: Any = jax.jit(programs.begin, static_argnums=(3,))
        self._compiled_layer: Any = jax.jit(programs.layer, donate_argnums=(1,))
        self._ends: Any = {
            "prefill": jax.jit(programs.end_prefill),
            "verify": jax.jit(programs.end_verify),
            "step": jax.jit(programs.end_step),
        }

    def _layer(self, *arguments: Any) -> Any:
        # jax dispatches asynchronously and would have a whole pass under way.
        done: Any = jax.block_until_ready
        return done(self._compiled_layer(*arguments))

    @property
    def compilations(self) -> int:
        every = (self._begin, self._compiled_layer, *self._ends.values())
        own: int = sum(one._cache_size() for one in every)
        return super().compilations + own


def arrangement(shape: Shape, precision: Precision) -> JaxArrangement:
    """Return the arrangement of weights for jax."""
    return JaxArrangement(shape, precision)


def create(shape: Shape, arranged: Weights, alternatives: int) -> JaxSteps:
    """Create steps for weights in the layout of `arrangement`."""
    on_cpu = jax.default_backend() == "cpu" and parallel.mesh() is None
    made = JaxLayeredSteps if on_cpu and wanted(shape) else JaxSteps
    return made(shape, arranged, alternatives)
