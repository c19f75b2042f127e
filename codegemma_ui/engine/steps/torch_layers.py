"""torch on a CPU, for a large model: one layer's graph serves all layers, its weights as arguments.

Where a token takes a tenth of a second, what is between the products costs little, and compiling all of a
pass (`torch.py`) would take minutes and more memory than there is. So the parts of a pass run as graphs of
bare operations: what begins it, a layer, what ends it. The products are `torch_products`'.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

from codegemma_ui.engine.steps import forward, torch_products
from codegemma_ui.engine.steps.forward import Surroundings
from codegemma_ui.engine.steps.programs import Programs
from codegemma_ui.engine.steps.torch import TorchArrangement, TorchKernels, TorchSteps
from codegemma_ui.engine.steps.torch_graph import trace
from codegemma_ui.engine.steps.torch_products import Int4
from codegemma_ui.engine.steps.weights import Narrow, Shape, Weights, in_columns, quantized

WIDER = ("embedding", "qkv", "output")
"""What is in int8 where the rest is in int4: four bits there cost most for what they save.

The embedding is the output layer too. In int8 it even takes less, since the order of torch's kernel for four
bits does not give up a row: in four bits it would be there twice. Attention has 7% of CodeGemma 2B's weights.
"""


class LayeredArrangement(TorchArrangement):
    """Every matrix is a `Narrow`, whatever its width, or an `Int4`.

    In int4 the embedding and the matrices of attention are in int8, as `WIDER` says.
    """

    def matrix(self, name: str, parts: tuple[torch.Tensor, ...]) -> Any:
        values = parts[0].t() if len(parts) == 1 else torch.cat([part.t() for part in parts])
        if self.precision.weights == "int4" and name not in WIDER:
            return torch_products.int4(values)
        scale = None
        if self.precision.weights in ("int8", "int4"):
            values, scale = quantized(values)
        return Narrow(in_columns(values).contiguous(), scale)


class LayeredKernels(TorchKernels):
    """Each product is one operation, which is opaque to what traces."""

    def multiply(self, x: torch.Tensor, matrix: Any) -> torch.Tensor:
        product: torch.Tensor = torch_products.product(x, *matrix)
        return product

    def multiply_narrow(self, x: torch.Tensor, matrix: Narrow) -> torch.Tensor:
        product: torch.Tensor = torch_products.product(x, matrix.values, matrix.scale)
        return product


KERNELS = LayeredKernels()


class LayeredSteps(TorchSteps):
    """`Steps` on torch, a layer at a time.

    Args:
        shape: of the model.
        arranged: its weights, from `LayeredArrangement`.
    """

    def __init__(self, shape: Shape, arranged: Weights) -> None:
        super().__init__(shape, arranged, compiles=False)
        with torch.no_grad():
            reason = torch_products.prepare(*_matrices(arranged))
        if reason is not None:
            self._run_uncompiled(reason)
        # Flat, as graphs take them: once, and not again for every token.
        self._embedding = tree_flatten(arranged.embedding)
        self._layers = [tree_flatten(one) for one in arranged.layers]
        self._outer = tree_flatten(Weights(arranged.embedding, (), arranged.final_norm))

    def _made(self, alternatives: int) -> Programs:
        return Programs(self.shape, KERNELS, alternatives)

    def _run(self, name: str, cache: tuple[forward.Cache, ...], *arguments: torch.Tensor) -> Any:
        if not cache:
            return super()._run(name, cache, *arguments)
        token_ids, offset, *rest = arguments
        size, length = token_ids.shape[0], cache[0][0].shape[-2]
        windows = tuple(dict.fromkeys(self.shape.windows))

        def begin(embedding: Any, token_ids: Any, offset: Any) -> Any:
            x = forward.embed(self.shape, KERNELS, embedding, token_ids)
            around = forward.surroundings(self.shape, size, offset, length)
            return x, around.cos, around.sin, *(around.masks[window] for window in windows)

        def layer(
            weights: Any, keys: Any, values: Any, x: Any, offset: Any, cos: Any, sin: Any, mask: Any
        ) -> Any:
            around = Surroundings(offset, cos, sin, {None: mask})
            return forward.layer(self.shape, KERNELS, weights, (keys, values), None, around, x)[1]

        def end(weights: Any, x: Any, *rest: Any) -> Any:
            picks, scores = getattr(self._programs, f"end_{name}")(weights, x, *rest)
            return *picks, scores

        with torch.no_grad():
            key = (size, length)
            x, cos, sin, *masks = self._graph(
                "begin", key, begin, self._embedding, token_ids, offset
            )
            of = dict(zip(windows, masks, strict=True))
            for weights, kept, window in zip(self._layers, cache, self.shape.windows, strict=True):
                x = self._graph(
                    "layer", key, layer, weights, *kept, x, offset, cos, sin, of[window]
                )
            return self._graph(f"end {name}", (size,), end, self._outer, x, *rest)

    def _graph(
        self,
        name: str,
        key: tuple[int, ...],
        function: Any,
        weights: tuple[list[Any], Any],
        *tensors: Any,
    ) -> Any:
        """Run a function of weights, flat, and tensors by its graph, traced when it first runs."""
        every, form = weights
        graph = self._graphs.get((name, *key))
        if graph is None:
            count = len(every)

            def flat(*given: torch.Tensor) -> Any:
                return function(tree_unflatten(given[:count], form), *given[count:])

            graph = self._graphs[name, *key] = trace(flat, (*every, *tensors))
        return graph(*every, *tensors)


def _matrices(weights: Weights) -> tuple[Narrow | Int4, list[Narrow | Int4]]:
    """A layer's largest matrix, then one of each other kind: all layers have the same shapes."""
    first = weights.layers[0]
    return first.gate_up, [weights.embedding, first.down, first.qkv, first.output]
