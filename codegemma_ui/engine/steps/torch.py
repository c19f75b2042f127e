"""torch: chunks run eagerly, the one-token step as a graph that inductor compiles.

A chunk is a few large operations, so Python's share of it is small; a step is all overhead. The step is
traced with its position as a tensor, so that no position compiles again, and compiled from the graph:
`torch.compile` on the Keras layers themselves took 201 s and ran slower than no compilation at all.
Measured on 2 CPU cores with the bundled 8M model: layers called one by one 15 ms a token, the graph
uncompiled 5.5 ms, compiled 2 ms after 16 s (3 s where torch's cache on disk has it already).

Where inductor cannot compile (on a CPU it needs a C++ compiler) the graph runs as it is, and `note`
says so.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from codegemma_ui.engine.steps import weights
from codegemma_ui.engine.steps.forward import Cache, cache_shape, forward
from codegemma_ui.engine.steps.torch_graph import trace


class TorchKernels:
    """Matrices are (outputs, inputs), as `torch.nn.Linear` has them; the cache is written in place."""

    def multiply(self, x: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, matrix)

    def embed(self, embedding: torch.Tensor, token_ids: torch.Tensor) -> torch.Tensor:
        return functional.embedding(token_ids, embedding)

    def write(self, cache: torch.Tensor, new: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        places = offset + torch.arange(new.shape[-2], device=cache.device)
        return cache.index_copy_(-2, places, new)


class TorchSteps:
    """`Steps` on torch. Its cache is a tuple of tensors, two per layer, written in place.

    Args:
        model: a `keras_nlp.models.GemmaCausalLM`.
        takes_weights: whether the model's own weights may be freed once they are copied.
        compiles: whether the one-token step is compiled; otherwise its graph runs as it is.
    """

    def __init__(self, model: Any, takes_weights: bool = False, compiles: bool = True) -> None:
        self.shape = weights.shape_of(model.backbone)
        with torch.no_grad():
            self._weights = weights.pack(
                model.backbone,
                arrange=lambda matrix: matrix.T.contiguous(),
                release=_free if takes_weights else _keep,
            )
        self._device = self._weights.embedding.device
        self._dtype = getattr(torch, self.shape.compute_dtype)
        self._compiles = compiles
        self.note: str | None = None
        self.compiled: dict[int, Callable[..., Any]] = {}  # by cache length
        if compiles and self._device.type == "cpu" and not cxx_compiler():
            self._run_uncompiled("no C++ compiler found. Install g++, or name yours in CXX")

    def _run_uncompiled(self, reason: str) -> None:
        self._compiles = False
        self.note = f"torch runs its one-token step uncompiled, which is slower: {reason}"

    def _advance(
        self, token_ids: torch.Tensor, offset: Any, last: Any, *cache: torch.Tensor
    ) -> Any:
        """The forward pass, writing to the cache it is given, keys and values in turn; the logits."""
        caches = tuple(zip(cache[::2], cache[1::2], strict=True))
        kernels = TorchKernels()
        _, logits = forward(self.shape, self._weights, kernels, caches, token_ids, offset, last)
        return logits

    def allocate(self, length: int) -> tuple[Cache, ...]:
        def zeros() -> torch.Tensor:
            shape = cache_shape(self.shape, length)
            return torch.zeros(shape, dtype=self._dtype, device=self._device)

        return tuple((zeros(), zeros()) for _ in self.shape.windows)

    def forward(
        self, cache: tuple[Cache, ...], token_ids: np.ndarray, offset: int, last: int
    ) -> tuple[tuple[Cache, ...], np.ndarray]:
        with torch.no_grad():
            ids = torch.from_numpy(token_ids).to(self._device)
            tensors = [tensor for layer in cache for tensor in layer]
            inputs = (ids, self._scalar(offset), self._scalar(last), *tensors)
            if token_ids.shape[1] > 1:
                logits = self._advance(*inputs)
            else:
                length = tensors[0].shape[-2]
                if length not in self.compiled:
                    self.compiled[length] = self._compile(inputs)
                logits = self.compiled[length](*inputs)
            return cache, logits.cpu().numpy()

    def _scalar(self, value: int) -> torch.Tensor:
        return torch.tensor(value, dtype=torch.int32, device=self._device)

    def _compile(self, inputs: tuple[torch.Tensor, ...]) -> Callable[..., Any]:
        graph, weights = trace(self._advance, inputs)
        if not self._compiles:
            return partial(graph, *weights)
        try:
            # Not torch.compile: there is no Python left to guard against, which saves 3 s here and
            # half a millisecond per call.
            from torch._guards import TracingContext, tracing
            from torch._inductor import compile as compile_graph
            from torch._subclasses import FakeTensorMode
            from torch.fx.experimental.symbolic_shapes import ShapeEnv

            # Without a context of its own inductor passes its cache on disk by (torch 2.13).
            context = TracingContext(FakeTensorMode(shape_env=ShapeEnv()))
            with tracing(context):
                compiled: Callable[..., Any] = compile_graph(graph, [*weights, *inputs])
            # Compile errors may come with the first call. It writes the keys and values that the
            # real call, which comes next, writes again.
            compiled(*weights, *inputs)
        except Exception as error:  # inductor, triton and the C++ compiler each have their own
            summary = f"{type(error).__name__}: {error}".splitlines()[0]
            self._run_uncompiled(summary)
            return partial(graph, *weights)
        return partial(compiled, *weights)


def cxx_compiler() -> str | None:
    """The C++ compiler that inductor would use on a CPU, or None.

    Returns:
        The path of what the variable CXX names, or of the platform's usual compiler: the search of
        `torch._inductor.config.cpp.cxx` (torch 2.13).
    """
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    return shutil.which(os.environ.get("CXX", usual))


def _free(variable: Any) -> None:
    variable.value.data = torch.empty(0)


def _keep(_: Any) -> None:
    """Free nothing."""


def create(model: Any, takes_weights: bool) -> TorchSteps:
    """Steps for a `GemmaCausalLM` built on torch."""
    return TorchSteps(model, takes_weights)
