"""torch backend: each pass is a graph of basic operations, run as is until inductor has compiled it.

A pass is traced with its position as a tensor, so that no position recompiles, and compiled from the graph:
`torch.compile` on the Keras layers themselves took 201 s and ran slower than no compilation at all. A token
of the bundled model then takes about 1 ms instead of 7, verifying eight takes 8 and prefilling 128 takes 15
(float32, two cores of an EPYC). With an empty torch disk cache, compilation takes minutes (two cores), so it
runs in the background of the first completions.

Where inductor cannot compile (on a CPU it needs a C++ compiler, and the torch names in `torch_names.py`), the
graph runs as is, and `note` says so.
"""

from __future__ import annotations

import copy
import os
import threading
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.fx import GraphModule
from torch.nn import functional
from torch.utils._pytree import tree_flatten, tree_unflatten

from codegemma_ui.workers.keras import compiled
from codegemma_ui.workers.keras.steps import (
    ALTERNATIVES,
    SamplingParams,
    TokenBatch,
    torch_names,
    weights,
)
from codegemma_ui.workers.keras.steps.forward import Cache, cache_bytes, cache_shape
from codegemma_ui.workers.keras.steps.programs import Programs
from codegemma_ui.workers.keras.steps.torch_graph import compile_graph, multiply_in_loops, trace
from codegemma_ui.workers.keras.steps.torch_replay import Replayed
from codegemma_ui.workers.keras.steps.weights import (
    DEQUANTISED,
    Arrangement,
    Quantized,
    Shape,
    Weights,
    scaled,
)


class TorchArrangement(Arrangement):
    """Arrangement on the device that Keras has chosen."""

    outputs_first = True

    def tensor(self, variable: Any, value: Any) -> torch.Tensor:
        del variable
        if isinstance(value, torch.Tensor):
            tensor = value.detach()
        else:
            array = np.ascontiguousarray(value)
            # torch has no bfloat16 arrays; Keras's route through float32 takes ten times as long.
            half = array.dtype.name == "bfloat16"
            tensor = torch.from_numpy(array.view(np.int16) if half else array)
            tensor = tensor.view(torch.bfloat16) if half else tensor
        device = os.environ.get("KERAS_TORCH_DEVICE")
        return tensor.to(device, getattr(torch, self.precision.loads))

    def own(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.clone(memory_format=torch.contiguous_format)


class TorchKernels:
    """Matrices are (outputs, inputs), as in `torch.nn.Linear`; the cache is written in place."""

    def multiply(self, x: torch.Tensor, matrix: Any) -> torch.Tensor:
        return functional.linear(x, matrix)

    def multiply_quantized(self, x: torch.Tensor, matrix: Quantized) -> torch.Tensor:
        rows = max(1, DEQUANTISED // matrix.values.shape[1])
        parts = [
            functional.linear(x, part.to(x.dtype)) for part in torch.split(matrix.values, rows)
        ]
        product: torch.Tensor = parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
        dequantised: torch.Tensor = scaled(product, matrix)
        return dequantised

    def embed(self, embedding: Any, token_ids: torch.Tensor) -> torch.Tensor:
        return functional.embedding(token_ids, embedding)

    def embed_quantized(self, values: torch.Tensor, token_ids: torch.Tensor) -> torch.Tensor:
        return values[token_ids]

    def write(self, cache: torch.Tensor, new: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        places = offset + torch.arange(new.shape[-2], device=cache.device)
        return cache.index_copy_(-2, places, new)


class TorchSteps:
    """`Steps` on torch. The cache is a tuple of tensors, two per layer, written in place.

    Args:
        shape: shape of the model.
        arranged: its weights, from `TorchArrangement`.
        compiles: whether inductor compiles the graphs; otherwise they run as is.
    """

    parts = 1
    takes_batches = False
    warms_up_concurrently = False

    def __init__(
        self,
        shape: Shape,
        arranged: Weights,
        alternatives: int = ALTERNATIVES,
        compiles: bool = True,
    ) -> None:
        self.shape, self.weights = shape, arranged
        self._programs = self._make_programs(alternatives)
        self._device = self.weights.final_norm.device
        self._dtype = getattr(torch, self.shape.dtype)
        self._compiles = compiles
        self.note: str | None = None
        self._graphs: dict[tuple[Any, ...], Callable[..., Any]] = {}
        self.compiling = self._compiled = 0
        self._to_compile: list[tuple[Any, ...]] = []
        reason = torch_names.without_compiler(self._device.type) if compiles else None
        if reason is not None:
            self._run_uncompiled(reason)

    def _make_programs(self, alternatives: int) -> Programs:
        return Programs(self.shape, TorchKernels(), alternatives)

    @property
    def compilations(self) -> int:
        """Number of graphs made so far, plus the number compiled by inductor."""
        return len(self._graphs) + self._compiled

    def _run_uncompiled(self, reason: str) -> None:
        self._compiles = False
        self.note = f"torch runs uncompiled, which is slower: {reason}"

    def allocate(self, length: int) -> tuple[Cache, ...]:
        def zeros() -> torch.Tensor:
            shape = cache_shape(self.shape, length)
            return torch.zeros(shape, dtype=self._dtype, device=self._device)

        return tuple((zeros(), zeros()) for _ in self.shape.windows)

    @property
    def weight_bytes(self) -> int:
        return weights.weight_bytes(self.weights)

    def cache_bytes(self, length: int) -> int:
        return cache_bytes(self.shape, length)

    def prefill(
        self,
        cache: tuple[Cache, ...],
        token_ids: np.ndarray,
        offset: int,
        last: int,
        stop_ids: np.ndarray,
    ) -> tuple[tuple[Cache, ...], TokenBatch, torch.Tensor]:
        return self._choose("prefill", cache, token_ids, offset, last, stop_ids)

    def verify(
        self,
        cache: tuple[Cache, ...],
        token_ids: np.ndarray,
        offset: int,
        last: int,
        stop_ids: np.ndarray,
        given: np.ndarray,
    ) -> tuple[tuple[Cache, ...], TokenBatch, torch.Tensor]:
        return self._choose("verify", cache, token_ids, offset, last, stop_ids, given)

    def _choose(
        self, name: str, cache: tuple[Cache, ...], *arguments: Any
    ) -> tuple[tuple[Cache, ...], TokenBatch, torch.Tensor]:
        ids, logprobs, scores = self._run(name, cache, *map(self._tensor, arguments))
        return cache, fetch([(ids, logprobs)]), scores

    def sample(self, scores: torch.Tensor, params: SamplingParams) -> tuple[int, float]:
        token_id, logprob = self._run(
            "sample", (), scores, *self._on_device(params), self._tensor(0)
        )
        return int(token_id), float(logprob)

    def decode(
        self,
        cache: tuple[Cache, ...],
        token_id: int,
        position: int,
        count: int,
        stop_ids: np.ndarray,
        params: SamplingParams,
    ) -> tuple[tuple[Cache, ...], TokenBatch]:
        stops = {int(one) for one in stop_ids}
        token, place, number = self._tensor([token_id]), self._tensor(position), self._tensor(0)
        stops_tensor = self._tensor(stop_ids)
        sampler = params.temperature > 0
        on_device = self._on_device(params)
        made: list[tuple[torch.Tensor, torch.Tensor]] = []
        while len(made) < count:
            ids, logprobs, scores = self._run("step", cache, token, place, stops_tensor)
            if sampler:
                drawn, logprob = self._run("sample", (), scores, *on_device, number)
                ids = torch.cat((drawn[None], ids[:, 1:]), dim=-1)
                logprobs = torch.cat((logprob[None], logprobs[:, 1:]), dim=-1)
            made.append((ids, logprobs))
            token, place, number = ids[0, :1], place + 1, number + 1
            # On a GPU this would wait for the step, so there a burst runs to its end.
            if self._device.type == "cpu" and int(token) in stops:
                break
        picked = fetch(made)
        stopped = [row for row, one in enumerate(picked.ids[:, 0]) if int(one) in stops]
        end = stopped[0] + 1 if stopped else count
        return cache, TokenBatch(picked.ids[:end], picked.logprobs[:end])

    def _tensor(self, value: Any) -> torch.Tensor:
        return torch.tensor(value, dtype=torch.int32, device=self._device)

    def _on_device(self, params: SamplingParams) -> list[torch.Tensor]:
        return [torch.as_tensor(value, device=self._device) for value in params]

    def _run(self, name: str, cache: tuple[Cache, ...], *arguments: torch.Tensor) -> Any:
        tensors = [tensor for layer in cache for tensor in layer]
        key = (name, arguments[0].shape[0], tensors[0].shape[-2] if tensors else 0)
        with torch.no_grad():
            if key not in self._graphs:
                self._add_graph(key, arguments, tensors)
            return self._graphs[key](*arguments, *tensors)

    def _add_graph(
        self,
        key: tuple[str, int, int],
        arguments: tuple[torch.Tensor, ...],
        cache: list[torch.Tensor],
    ) -> None:
        every, form = tree_flatten(self.weights if cache else ())
        program = getattr(self._programs, key[0])

        def flat(*tensors: torch.Tensor) -> Any:
            """Run the program on a flat list of tensors; it writes to the given cache."""
            own = tree_unflatten(tensors[: len(every)], form)
            given, cache = (
                tensors[len(every) :][: len(arguments)],
                tensors[len(every) + len(arguments) :],
            )
            if not cache:
                scores, *params, number = given
                return program(scores, SamplingParams(*params), number)
            _, picks, scores = program(
                own, tuple(zip(cache[::2], cache[1::2], strict=True)), *given
            )
            return (*picks, scores)

        graph = trace(flat, (*every, *arguments, *cache))
        self._graphs[key] = partial(graph, *every)
        if self._compiles:
            # Copied: compilation replaces the graph's constants while it is in use here.
            copies = tuple(tensor.clone() for tensor in arguments)
            self._to_compile.append((key, copy.deepcopy(graph), every, copies))
            self.compiling += 1

    def warmed(self) -> None:
        # Not earlier: while a graph is compiled, which may take a minute, no other can be traced.
        #
        # On a short-lived thread: OpenMP gives each computing thread a team, and with more of them than
        # cores, every team sleeps instead of spinning. A step took four times as long (two cores, bundled
        # model: 4.3 ms instead of 1.05).
        jobs, self._to_compile = sorted(self._to_compile, key=_compile_order), []
        if jobs:
            threading.Thread(target=self._compile_all, args=(jobs,), daemon=True).start()

    def _compile_all(self, jobs: list[tuple[Any, ...]]) -> None:
        reason = torch_names.uncompiled(self._device.type)  # here, since it takes seconds
        if reason is not None:
            self._run_uncompiled(reason)
            self.compiling -= len(jobs)
            return
        for key, graph, every, arguments in jobs:
            try:
                try:
                    # Copied: compilation changes the graph, and may have to be repeated.
                    run = self._compile(key, copy.deepcopy(graph), every, arguments)
                except Exception:
                    if not compiled.discard():
                        raise
                    traceback.print_exc()
                    torch_names.forget_compiled_files()
                    run = self._compile(key, graph, every, arguments)
                self._graphs[key] = run
                self._compiled += 1
            except Exception as error:  # inductor, triton and the C++ compiler raise their own
                traceback.print_exc()
                self._run_uncompiled(f"{type(error).__name__}: {error}".splitlines()[0])
            finally:
                self.compiling -= 1

    def _compile(
        self,
        key: tuple[str, int, int],
        graph: GraphModule,
        every: list[torch.Tensor],
        arguments: tuple[torch.Tensor, ...],
    ) -> Callable[..., Any]:
        """Compile a graph with inductor; return its replacement."""
        # A separate cache: compilation runs the graph, which writes.
        cache = self.allocate(key[2]) if key[2] else ()
        inputs = [*arguments, *(tensor for layer in cache for tensor in layer)]
        multiply_in_loops(graph)
        fast = compile_graph(graph, [*every, *inputs])
        run: Callable[..., Any] = partial(fast, *every)
        if self._device.type == "cuda" and key[0] in ("step", "verify"):
            return Replayed(run, len(arguments))
        return run


def _compile_order(job: tuple[Any, ...]) -> tuple[bool, int, int, int]:
    """Sort key for compilation: most used first, in the shortest cache, sampling last."""
    (name, size, length), *_ = job
    return (
        name == "sample",
        length,
        ("layer", "step", "verify", "prefill", "sample").index(name),
        size,
    )


def fetch(rows: list[Any]) -> TokenBatch:
    """Copy choices to the host: ids and logprobs of each row."""
    ids, logprobs = (torch.cat(parts).cpu().numpy() for parts in zip(*rows, strict=True))
    return TokenBatch(ids, logprobs)
