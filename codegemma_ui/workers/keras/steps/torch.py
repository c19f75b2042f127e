"""torch backend: each pass is a graph of basic operations, run as is until inductor has compiled it.

A pass is traced with its position as a tensor, so that no position recompiles, and compiled from the graph:
`torch.compile` on the Keras layers themselves took 201 s and ran slower than no compilation at all. A token
of the bundled model then takes 0.7 ms, verifying eight 2.2 instead of 5.3, and prefilling 128 7.8 instead of
12.4 (float32, two cores of a Xeon). With an empty torch disk cache, compilation takes most of a minute, so it
runs in the background of the first completions.

Where inductor cannot compile (on a CPU it needs a C++ compiler, and the torch names in `torch_names.py`), the
graph runs as is, and `note` says so.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.fx import GraphModule
from torch.nn import functional
from torch.utils._pytree import tree_flatten, tree_unflatten

from codegemma_ui.workers.keras.steps import (
    ALTERNATIVES,
    SamplingParams,
    TokenBatch,
    torch_names,
    weights,
)
from codegemma_ui.workers.keras.steps.forward import Cache, cache_bytes, cache_shape
from codegemma_ui.workers.keras.steps.programs import Programs
from codegemma_ui.workers.keras.steps.torch_caches import Parts
from codegemma_ui.workers.keras.steps.torch_compiling import Graphs, Key
from codegemma_ui.workers.keras.steps.torch_graph import (
    POSITIONS,
    TOKENS,
    Example,
    compile_graph,
    examples_of,
    multiply_in_loops,
    trace,
)
from codegemma_ui.workers.keras.steps.torch_launches import record_on_cpu
from codegemma_ui.workers.keras.steps.torch_replay import (
    Pass,
    PlainPass,
    Replayed,
    record_on_cuda,
)
from codegemma_ui.workers.keras.steps.weights import (
    DEQUANTISED,
    Arrangement,
    Quantized,
    Shape,
    Weights,
    scaled,
)

SMALL_VOCABULARY = 1 << 14
"""Up to here the likeliest tokens are found one after the other, which inductor compiles into the pass. It
would call `torch.topk`, 3% of a token of the bundled model; with 256,000 ids that is faster (0.7 against 2.3
ms, two cores of a Xeon)."""


MOST_ROWS = 8
"""Rows of a batch, or of a verification, up to which products are loops: to verify eight tokens of the
bundled model takes 2.0 ms instead of 4.7 (float32, two cores of an EPYC). The graph of more would take long
to compile."""

_OF_ROWS = ("step_rows", "sample_rows")
_OF_FEW = ("step_rows", "verify")


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

    def top_k(self, scores: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        if scores.shape[-1] > SMALL_VOCABULARY:
            values, ids = torch.topk(scores, count)
            return values, ids
        places = torch.arange(scores.shape[-1], device=scores.device)
        found = []
        for _ in range(count):
            value, place = scores.max(dim=-1, keepdim=True)
            found.append((value, place))
            scores = torch.where(places == place, -math.inf, scores)
        values, ids = (torch.cat(each, dim=-1) for each in zip(*found, strict=True))
        return values, ids

    def write(self, cache: torch.Tensor, new: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        places = offset + torch.arange(new.shape[-2], device=cache.device)
        return cache.index_copy_(-2, places, new)


class TorchRowKernels(TorchKernels):
    """Kernels for batches."""

    def decode_batch(
        self, cache: torch.Tensor, new: torch.Tensor, positions: torch.Tensor
    ) -> torch.Tensor:
        rows = torch.arange(cache.shape[0], device=cache.device)
        if cache.dim() == 3:  # one head, without an axis
            return cache.index_put_((rows, positions), new[:, 0])
        heads = torch.arange(cache.shape[1], device=cache.device)
        places = (rows[:, None], heads[None], positions[:, None])
        return cache.index_put_(places, new[:, :, 0])

    def each_row(self, function: Callable[..., Any]) -> Callable[..., Any]:
        vectorised: Callable[..., Any] = torch.vmap(function)
        return vectorised


class TorchSteps:
    """`Steps` on torch. The cache is a tuple of tensors, two per layer, written in place.

    Args:
        shape: shape of the model.
        arranged: its weights, from `TorchArrangement`.
        compiles: whether inductor compiles the graphs; otherwise they run as is.
    """

    parts = 1
    takes_batches = True
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
        self._row_programs = Programs(shape, TorchRowKernels(), alternatives)
        self._device = self.weights.final_norm.device
        self._dtype = getattr(torch, self.shape.dtype)
        self._compiles = compiles
        on_cpu = self._device.type == "cpu"
        self._knows_symbols = on_cpu and torch_names.knows_sizes_as_symbols()
        self._parts = Parts()
        self._graphs = Graphs(self._device.type, _compile_order)
        reason = torch_names.without_compiler(self._device.type) if compiles else None
        if reason is not None:
            self._graphs.stay_uncompiled(reason)

    def _make_programs(self, alternatives: int) -> Programs:
        return Programs(self.shape, TorchKernels(), alternatives)

    @property
    def compilations(self) -> int:
        """Number of graphs made so far, plus the number compiled by inductor."""
        return len(self._graphs) + self._graphs.compiled

    @property
    def compiling(self) -> int:
        return self._graphs.compiling

    @property
    def note(self) -> str | None:
        return self._graphs.note

    def warmed(self) -> None:
        self._graphs.warmed()

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
        token_ids, offset, *_ = arguments
        part = self._part(cache, offset + len(token_ids))
        ids, logprobs, scores = self._run(name, part, *map(self._tensor, arguments))
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
        sampler = params.temperature > 0
        on_device, number = self._on_device(params), self._tensor(0)
        made: list[tuple[torch.Tensor, torch.Tensor]] = []
        given, read = [self._tensor(one) for one in ([token_id], position, stop_ids)], None
        with torch.no_grad():
            while True:
                part = self._part(cache, position + len(made) + 1)
                if part is not read:
                    step, read = self._over("step", part, *given), part
                    token, place, _ = given = step.inputs
                ids, logprobs, scores = step.run()
                if sampler:
                    drawn, logprob = self._run("sample", (), scores, *on_device, number)
                    ids = torch.cat((drawn[None], ids[:, 1:]), dim=-1)
                    logprobs = torch.cat((logprob[None], logprobs[:, 1:]), dim=-1)
                    number.add_(1)
                made.append((ids.clone(), logprobs.clone()))
                # On a GPU this would wait for the step, so there a burst runs to its end.
                stopped = self._device.type == "cpu" and ids[0, 0].item() in stops
                if stopped or len(made) == count:
                    break
                token.copy_(ids[0, :1])
                place.add_(1)
        picked = fetch(made)
        stopped = [row for row, one in enumerate(picked.ids[:, 0]) if int(one) in stops]
        end = stopped[0] + 1 if stopped else count
        return cache, TokenBatch(picked.ids[:end], picked.logprobs[:end])

    def allocate_batch(self, rows: int, length: int) -> tuple[Cache, ...]:
        def zeros() -> torch.Tensor:
            shape = (rows, *cache_shape(self.shape, length))
            return torch.zeros(shape, dtype=self._dtype, device=self._device)

        return tuple((zeros(), zeros()) for _ in self.shape.windows)

    def join(
        self, rows: tuple[Cache, ...], row: int, cache: tuple[Cache, ...]
    ) -> tuple[Cache, ...]:
        for into, taken in zip(_flat(rows), _flat(cache), strict=True):
            length = min(into.shape[-2], taken.shape[-2])
            into[row, ..., :length, :] = taken[..., :length, :]
        return rows

    def leave(self, rows: tuple[Cache, ...], row: int, length: int) -> tuple[Cache, ...]:
        cache = self.allocate(length)
        for into, taken in zip(_flat(cache), _flat(rows), strict=True):
            into.copy_(taken[row, ..., :length, :])
        return cache

    def decode_batch(
        self,
        rows: tuple[Cache, ...],
        token_ids: np.ndarray,
        positions: np.ndarray,
        counts: np.ndarray,
        stop_ids: np.ndarray,
        params: SamplingParams,
        while_running: Callable[[], None],
    ) -> tuple[tuple[Cache, ...], list[TokenBatch]]:
        while_running()
        stops = [set(each.tolist()) for each in stop_ids]
        left, made = counts.tolist(), [0] * len(counts)
        samples = torch.as_tensor(params.temperature > 0, device=self._device)
        on_device, number = self._on_device(params), self._tensor(0)
        found: list[tuple[torch.Tensor, torch.Tensor]] = []
        given, read = [self._tensor(one) for one in (token_ids, positions, stop_ids)], None
        with torch.no_grad():
            while not found or any(left):
                part = self._part(rows, int(positions.max()) + 1)
                if part is not read:
                    step, read = self._over("step_rows", part, *given), part
                    tokens, places, _ = given = step.inputs
                ids, logprobs, scores = step.run()
                ids, logprobs = ids.clone(), logprobs.clone()
                if samples.any() or not counts.any():  # a warm-up asks for nothing
                    drawn, logprob = self._run("sample_rows", (), scores, *on_device, number)
                    ids[:, 0] = torch.where(samples, drawn[:, 0], ids[:, 0])
                    logprobs[:, 0] = torch.where(samples, logprob[:, 0], logprobs[:, 0])
                    number.add_(1)
                found.append((ids, logprobs))
                goes_on = np.asarray(left) > 0
                # A finished row writes its next key again and again.
                positions = positions + goes_on
                tokens.copy_(torch.where(torch.as_tensor(goes_on), ids[:, 0], tokens))
                places.copy_(torch.as_tensor(positions))
                for row, token in enumerate(ids[:, 0].tolist()):
                    if left[row]:
                        made[row] += 1
                        left[row] = 0 if token in stops[row] else left[row] - 1
        every_id, every_logprob = (
            torch.stack(parts).cpu().numpy() for parts in zip(*found, strict=True)
        )
        return rows, [
            TokenBatch(every_id[:count, row], every_logprob[:count, row])
            for row, count in enumerate(made)
        ]

    def _tensor(self, value: Any) -> torch.Tensor:
        return torch.tensor(value, dtype=torch.int32, device=self._device)

    def _on_device(self, params: SamplingParams) -> list[torch.Tensor]:
        return [torch.as_tensor(value, device=self._device) for value in params]

    def _run(self, name: str, cache: tuple[Cache, ...], *arguments: torch.Tensor) -> Any:
        tensors = _flat(cache)
        with torch.no_grad():
            return self._graph_of(name, arguments, tensors)(*arguments, *tensors)

    def _over(self, name: str, cache: tuple[Cache, ...], *arguments: torch.Tensor) -> Pass:
        """Return a pass that runs repeatedly over one cache, or over one part of it."""
        tensors = _flat(cache)
        run = self._graph_of(name, arguments, tensors)
        if isinstance(run, Replayed):
            return run.over(arguments, tensors)
        return PlainPass(run, arguments, tensors)

    def _graph_of(
        self, name: str, arguments: tuple[torch.Tensor, ...], cache: list[torch.Tensor]
    ) -> Callable[..., Any]:
        size, length = arguments[0].shape[0], cache[0].shape[-2] if cache else 0
        key = (name, *self._sizes(name, size, length))
        return self._graphs.find(key) or self._add_graph(key, arguments, cache)

    def _part(self, cache: tuple[Cache, ...], end: int) -> tuple[Cache, ...]:
        """Return what a pass reads of a cache, which ends before position `end`: no more than needed, where a
        graph serves any length."""
        return self._parts.until(cache, end) if self._of_any_length else cache

    @property
    def _of_any_length(self) -> bool:
        """Whether a graph serves caches, and chunks, of any length.

        Four graphs then take the place of eighteen. Compiled they are as fast and give the same bits;
        uncompiled a step takes a fifth longer. On a card this was not tried.
        """
        return self._compiles and self._knows_symbols and self.note is None

    def _sizes(self, name: str, size: int, length: int) -> tuple[int, int]:
        """Return for how many tokens and which cache length a program's graph is; 0 stands for any."""
        return (0 if name == "prefill" else size, 0) if self._of_any_length else (size, length)

    def _add_graph(
        self, key: Key, arguments: tuple[torch.Tensor, ...], cache: list[torch.Tensor]
    ) -> Callable[..., Any]:
        every, form = tree_flatten(self.weights if cache else ())
        programs = self._row_programs if key[0] in _OF_ROWS else self._programs
        program = getattr(programs, key[0])

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

        axes = [TOKENS, *[{}] * (len(arguments) - 1), *[POSITIONS] * len(cache)]
        examples = examples_of((*arguments, *cache), axes, key[1:])
        graph = trace(flat, every, examples)
        run: Callable[..., Any] = partial(graph, *every)
        if not self._compiles:
            return self._graphs.add(key, run)
        return self._graphs.add(
            key, run, partial(self._compile, key, graph, every, examples, len(arguments))
        )

    def _compile(
        self,
        key: Key,
        graph: GraphModule,
        every: list[torch.Tensor],
        examples: list[Example],
        arguments: int,
    ) -> Callable[..., Any]:
        """Compile a graph with inductor; return its replacement."""
        few = key[0] in _OF_FEW and key[1] <= MOST_ROWS and self._device.type == "cpu"
        graph = multiply_in_loops(graph, key[1] if few else 1)
        run: Callable[..., Any] = partial(compile_graph(graph, every, examples), *every)
        record = RECORD.get(self._device.type)
        if record is not None and key[0] in ("step", "step_rows", "verify"):
            return Replayed(run, arguments, record)
        return run


RECORD = {"cuda": record_on_cuda, "cpu": record_on_cpu}
"""Recorders by type of device."""


def _compile_order(key: Key) -> tuple[bool, int, int, int]:
    """Sort key for compilation: most used first, those of the shortest cache before, sampling last."""
    name, size, length = key
    return (
        name.startswith("sample"),
        length,
        ("layer", "step_rows", "step", "verify", "prefill", "sample_rows", "sample").index(name),
        size,
    )


def _flat(cache: tuple[Cache, ...]) -> list[torch.Tensor]:
    return [tensor for layer in cache for tensor in layer]


def fetch(rows: list[Any]) -> TokenBatch:
    """Copy choices to the host: ids and logprobs of each row."""
    ids, logprobs = (torch.cat(parts).cpu().numpy() for parts in zip(*rows, strict=True))
    return TokenBatch(ids, logprobs)
