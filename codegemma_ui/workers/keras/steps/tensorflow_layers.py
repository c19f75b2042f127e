"""tensorflow on a CPU, for a large model: see `layers.py`."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from codegemma_ui.workers.keras.steps.layers import LayeredPasses
from codegemma_ui.workers.keras.steps.programs import Programs
from codegemma_ui.workers.keras.steps.tensorflow import Compiled, TensorflowKernels, TensorflowSteps


class TensorflowLayeredSteps(LayeredPasses, TensorflowSteps):
    """`PartedSteps` on tensorflow."""

    def _compile(self, alternatives: int) -> None:
        super()._compile(alternatives)
        programs = Programs(self.shape, TensorflowKernels(), alternatives)
        self._cut(programs, self._weights)

        def layer(weights: Any, cache: Any, *given: Any) -> Any:
            keys, values = cache
            written, x = programs.layer(weights, (keys.read_value(), values.read_value()), *given)
            keys.assign(written[0])
            values.assign(written[1])
            return x

        self._begin: Any = Compiled(programs.begin, "begin")
        self._compiled_layer = Compiled(layer, "layer")
        self._ends: Any = {
            "prefill": Compiled(programs.end_prefill, "end_prefill"),
            "verify": Compiled(programs.end_verify, "end_verify"),
            "step": Compiled(programs.end_step, "end_step"),
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
