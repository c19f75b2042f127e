"""torch on a CPU for a large model or int4: one layer's graph serves all layers, with weights as arguments.

Compiling a whole pass (`torch.py`) would take minutes and too much memory. So the parts of a pass, its start,
a layer and its end, run as graphs of basic operations, with products from `torch_products`. The 85 small
operations of a layer between products, for one token, are compiled in the background, in seconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

from codegemma_ui.workers.keras.precision import Precision
from codegemma_ui.workers.keras.steps import (
    ALTERNATIVES,
    PassAbandoned,
    TokenBatch,
    always,
    layers,
    torch_products,
)
from codegemma_ui.workers.keras.steps.forward import Cache
from codegemma_ui.workers.keras.steps.programs import Programs
from codegemma_ui.workers.keras.steps.torch import TorchArrangement, TorchKernels, TorchSteps, fetch
from codegemma_ui.workers.keras.steps.torch_graph import (
    LENGTH,
    POSITIONS,
    TOKENS,
    Axes,
    compile_graph,
    examples_of,
    trace,
)
from codegemma_ui.workers.keras.steps.torch_products import Int4
from codegemma_ui.workers.keras.steps.torch_replay import Pass, PlainPass
from codegemma_ui.workers.keras.steps.weights import (
    Quantized,
    Shape,
    Weights,
    in_columns,
    quantized,
)

INT8_PARTS = ("embedding", "qkv", "output")
"""Matrices kept in int8 when the rest is int4: four bits cost most accuracy here for what they save.

The embedding is also the output layer. In int8 it even takes less memory, since the layout of torch's int4
kernel does not allow row lookup: in four bits it would be needed twice. Attention has 7% of CodeGemma 2B's
weights.
"""


class LayeredArrangement(TorchArrangement):
    """Arrangement that makes every matrix a `Quantized`, whatever its precision, or an `Int4`.

    In int4 the embedding and the attention matrices are int8: see `INT8_PARTS`.
    """

    def matrix(self, name: str, parts: tuple[torch.Tensor, ...]) -> Any:
        values = parts[0] if name == "embedding" else _outputs_first(parts)
        if self.precision.weights == "int4" and name not in INT8_PARTS:
            return torch_products.int4(values)
        scale = None
        if self.precision.weights in ("int8", "int4"):
            values, scale = quantized(values)
        return Quantized(in_columns(values).contiguous(), scale)


def _outputs_first(parts: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Join (inputs, outputs) matrices into one (outputs, inputs) matrix, in half the time of `torch.cat`."""
    inputs = parts[0].shape[0]
    rows = parts[0].new_empty((sum(part.shape[1] for part in parts), inputs))
    for part, some in zip(parts, torch.split(rows, [part.shape[1] for part in parts]), strict=True):
        some.copy_(part.t())
    return rows


class LayeredKernels(TorchKernels):
    """Kernels whose products are single operations, opaque to tracing."""

    def multiply(self, x: torch.Tensor, matrix: Any) -> torch.Tensor:
        product: torch.Tensor = torch_products.product(x, *matrix)
        return product

    def multiply_quantized(self, x: torch.Tensor, matrix: Quantized) -> torch.Tensor:
        product: torch.Tensor = torch_products.product(x, matrix.values, matrix.scale)
        return product


KERNELS = LayeredKernels()

FIXED: Axes = {}
OF_BEGIN = (TOKENS, FIXED, POSITIONS)
OF_LAYER = (POSITIONS, POSITIONS, TOKENS, FIXED, TOKENS, TOKENS, {**TOKENS, -1: LENGTH})
"""Axes that vary, of what the start and a layer take besides weights."""


class LayeredSteps(TorchSteps):
    """`PartedSteps` on torch, layer by layer; not in batches.

    Args:
        shape: shape of the model.
        arranged: its weights, from `LayeredArrangement`.
    """

    takes_batches = False

    def __init__(self, shape: Shape, arranged: Weights, alternatives: int = ALTERNATIVES) -> None:
        super().__init__(shape, arranged, alternatives, compiles=False)
        with torch.no_grad():
            reason = torch_products.prepare(*_matrices(arranged))
        if reason is not None:
            self._graphs.stay_uncompiled(reason)
        self.parts = len(arranged.layers)
        # Flattened once, as graphs take them, and not again for every token.
        self._embedding = tree_flatten(arranged.embedding)
        self._layers = [tree_flatten(one) for one in arranged.layers]
        self._outer = tree_flatten(Weights(arranged.embedding, (), arranged.final_norm))

    def _make_programs(self, alternatives: int) -> Programs:
        return Programs(self.shape, KERNELS, alternatives)

    @property
    def _of_any_length(self) -> bool:
        return self._knows_symbols  # a few microseconds of a step that reads gigabytes

    def prefill(
        self,
        cache: tuple[Cache, ...],
        token_ids: np.ndarray,
        offset: int,
        last: int,
        stop_ids: np.ndarray,
        should_continue: Callable[[int], bool] = always,
    ) -> tuple[tuple[Cache, ...], TokenBatch, torch.Tensor]:
        arguments = map(self._tensor, (token_ids, offset, last, stop_ids))
        part = self._part(cache, offset + len(token_ids))
        try:
            ids, logprobs, scores = self._run_parts("prefill", part, should_continue, *arguments)
        except PassAbandoned:
            raise PassAbandoned(cache) from None
        return cache, fetch([(ids, logprobs)]), scores

    def _run(self, name: str, cache: tuple[Cache, ...], *arguments: torch.Tensor) -> Any:
        if not cache:
            return super()._run(name, cache, *arguments)
        return self._run_parts(name, cache, always, *arguments)

    def _over(self, name: str, cache: tuple[Cache, ...], *arguments: torch.Tensor) -> Pass:
        return PlainPass(partial(self._run_parts, name, cache, always), arguments, ())

    def _run_parts(
        self,
        name: str,
        cache: tuple[Cache, ...],
        should_continue: Callable[[int], bool],
        *arguments: torch.Tensor,
    ) -> Any:
        token_ids, offset, *rest = arguments
        keys, programs = cache[0][0], self._programs
        sizes = self._sizes(name, token_ids.shape[0], keys.shape[-2])

        def begin(embedding: Any, token_ids: Any, offset: Any, keys: Any) -> Any:
            return programs.begin(embedding, token_ids, offset, keys.shape[-2])

        def layer(weights: Any, keys: Any, values: Any, *given: Any) -> Any:
            return programs.layer(weights, (keys, values), *given)[1]

        def end(weights: Any, x: Any, *rest: Any) -> Any:
            picks, scores = getattr(programs, f"end_{name}")(weights, x, *rest)
            return *picks, scores

        with torch.no_grad():
            x, cos, sin, *masks = self._graph(
                "begin", sizes, begin, self._embedding, (token_ids, offset, keys), OF_BEGIN
            )
            of = dict(zip(programs.windows, masks, strict=True))
            every = zip(self._layers, cache, self.shape.windows, strict=True)
            for done, (weights, kept, window) in enumerate(every):
                if not should_continue(done):
                    raise PassAbandoned(cache)
                given = (*kept, x, offset, cos, sin, of[window])
                x = self._graph("layer", sizes, layer, weights, given, OF_LAYER)
            axes = (TOKENS, *[FIXED] * len(rest))
            return self._graph(f"end {name}", sizes[:1], end, self._outer, (x, *rest), axes)

    def _graph(
        self,
        name: str,
        sizes: tuple[int, ...],
        function: Any,
        weights: tuple[list[Any], Any],
        tensors: Sequence[torch.Tensor],
        axes: Sequence[Axes],
    ) -> Any:
        """Run a function of flat weights and tensors through its graph, which is traced at its first run.

        Args:
            sizes: as from `_sizes`.
            axes: of each tensor those that vary.
        """
        every, form = weights
        run = self._graphs.find((name, *sizes))
        if run is None:
            count = len(every)

            def flat(*given: torch.Tensor) -> Any:
                return function(tree_unflatten(given[:count], form), *given[count:])

            examples = examples_of(tensors, axes, sizes)
            graph, compile_it = trace(flat, every, examples), None
            if self.note is None and name == "layer" and sizes[0] == 1:
                compile_it = partial(compile_graph, graph, every, examples)
            run = self._graphs.add((name, *sizes), graph, compile_it)
        return run(*every, *tensors)


def _matrices(weights: Weights) -> tuple[Quantized | Int4, list[Quantized | Int4]]:
    """Return a layer's largest matrix, then one of each other kind: all layers have the same shapes."""
    first = weights.layers[0]
    return first.gate_up, [weights.embedding, first.down, first.qkv, first.output]


def arrangement(shape: Shape, precision: Precision) -> TorchArrangement:
    """Return the arrangement of weights for torch."""
    layered = _is_large(shape) or precision.weights == "int4"
    return (LayeredArrangement if layered else TorchArrangement)(shape, precision)


def create(shape: Shape, arranged: Weights, alternatives: int) -> TorchSteps:
    """Create steps for weights in the layout of `arrangement`."""
    layered = _is_large(shape) or isinstance(arranged.layers[0].down, Int4)
    return (LayeredSteps if layered else TorchSteps)(shape, arranged, alternatives)


def _is_large(shape: Shape) -> bool:
    """Return whether a CPU runs the model layer by layer."""
    return layers.wanted(shape) and os.environ.get("KERAS_TORCH_DEVICE", "cpu") == "cpu"
