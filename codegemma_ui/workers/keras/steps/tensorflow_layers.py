"""tensorflow on a CPU for a large model (`layers.py`), and the choice of steps for a model."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from codegemma_ui.workers.keras.precision import Precision
from codegemma_ui.workers.keras.steps.layers import LayeredPasses, wanted
from codegemma_ui.workers.keras.steps.programs import Programs
from codegemma_ui.workers.keras.steps.tensorflow import (
    Compiled,
    TensorflowArrangement,
    TensorflowKernels,
    TensorflowSteps,
    on_cpu,
)
from codegemma_ui.workers.keras.steps.weights import Shape, Weights


class TensorflowLayeredSteps(LayeredPasses, TensorflowSteps):
    """`PartedSteps` on tensorflow."""

    def _compile(self, alternatives: int) -> None:
        super()._compile(alternatives)
        programs = Programs(self.shape, TensorflowKernels(), alternatives)
        self._keep_weights(programs, self.weights)

        def layer(weights: Any, cache: Any, *given: Any) -> Any:
            keys, values = cache
            written, x = programs.layer(weights, (keys.read_value(), values.read_value()), *given)
            keys.assign(written[0])
            values.assign(written[1])
            return x

        self._begin: Any = Compiled(programs.begin, "begin")
        self._compiled_layer = Compiled(layer, "layer")
        self._ends: Any = {
            "prefill": Compiled(programs.end_prefill, f"end_prefill {alternatives}"),
            "verify": Compiled(programs.end_verify, f"end_verify {alternatives}"),
            "step": Compiled(programs.end_step, f"end_step {alternatives}"),
        }

    def _layer(self, weights: Any, cache: Any, *given: Any) -> Any:
        return cache, self._compiled_layer(weights, cache, *given)

    def _number(self, value: Any) -> tf.Tensor:
        return tf.constant(value, tf.int32)

    @property
    def compilations(self) -> int:
        every = (self._begin, self._compiled_layer, *self._ends.values())
        own: int = sum(one.compilations for one in every)
        return super().compilations + own


def arrangement(shape: Shape, precision: Precision) -> TensorflowArrangement:
    """Return the arrangement of weights for tensorflow."""
    return TensorflowArrangement(shape, precision)


def create(shape: Shape, arranged: Weights, alternatives: int) -> TensorflowSteps:
    """Create steps for weights in the layout of `arrangement`."""
    made = TensorflowLayeredSteps if on_cpu() and wanted(shape) else TensorflowSteps
    return made(shape, arranged, alternatives)
