"""torch: each pass as a graph of bare operations, which inductor compiles while the graph runs as it is.

A pass is traced with its position as a tensor, so that no position compiles again, and compiled from the
graph: `torch.compile` on the Keras layers themselves took 201 s and ran slower than no compilation at all.
A token of the bundled model then takes about 1 ms in place of 7, checking eight takes 8 and reading 128 takes
15 (float32, two cores of an EPYC). Compiling takes minutes where torch's cache on disk is empty
(two cores), so it goes on behind the first completions.

Where inductor cannot compile (on a CPU it needs a C++ compiler) the graph runs as it is, and `note`
says so.
"""

from __future__ import annotations

import copy
import os
import shutil
import sys
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

from codegemma_ui.engine import compiled
from codegemma_ui.engine.precision import Precision
from codegemma_ui.engine.steps import Drawing, Picked, weights
from codegemma_ui.engine.steps.forward import Cache, cache_bytes, cache_shape
from codegemma_ui.engine.steps.programs import Programs
from codegemma_ui.engine.steps.torch_graph import multiply_in_loops, trace
from codegemma_ui.engine.steps.torch_replay import Replayed

WIDENED = 1 << 24
"""The most numbers that are widened at once where nothing compiles the widening away: 64 MB in float32, and
not the 2 GB of CodeGemma's embedding."""


class TorchKernels:
    """Matrices are (outputs, inputs), as `torch.nn.Linear` has them; the cache is written in place."""

    def multiply(self, x: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, matrix)

    def multiply_narrow(self, x: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        rows = max(1, WIDENED // values.shape[1])
        parts = [functional.linear(x, part.to(x.dtype)) for part in torch.split(values, rows)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    def embed(self, embedding: torch.Tensor, token_ids: torch.Tensor) -> torch.Tensor:
        return functional.embedding(token_ids, embedding)

    def embed_narrow(self, values: torch.Tensor, token_ids: torch.Tensor) -> torch.Tensor:
        return values[token_ids]

    def write(self, cache: torch.Tensor, new: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        places = offset + torch.arange(new.shape[-2], device=cache.device)
        return cache.index_copy_(-2, places, new)


class TorchSteps:
    """`Steps` on torch. Its cache is a tuple of tensors, two per layer, written in place.

    Args:
        model: a `keras_nlp.models.GemmaCausalLM`.
        precision: of weights and activations.
        takes_weights: whether the model's own weights may be freed once they are copied.
        compiles: whether inductor compiles the graphs; otherwise they run as they are.
    """

    takes_rows = False

    def __init__(
        self,
        model: Any,
        precision: Precision,
        takes_weights: bool = False,
        compiles: bool = True,
    ) -> None:
        self.shape = weights.shape_of(model.backbone, precision)
        with torch.no_grad():
            self._weights = weights.pack(
                model.backbone,
                precision,
                own=lambda tensor: tensor.clone(memory_format=torch.contiguous_format),
                outputs_first=True,
                release=_free if takes_weights else None,
            )
        self._programs = Programs(self.shape, TorchKernels())
        self._device = self._weights.final_norm.device
        self._dtype = getattr(torch, self.shape.dtype)
        self._compiles = compiles
        self.note: str | None = None
        self._graphs: dict[tuple[str, int, int], Callable[..., Any]] = {}
        self.compiling = self._compiled = 0
        self._to_compile: list[tuple[Any, ...]] = []
        if compiles and self._device.type == "cpu" and not cxx_compiler():
            self._run_uncompiled("no C++ compiler found. Install g++, or name yours in CXX")

    @property
    def compilations(self) -> int:
        """Graphs made so far, and those of them that inductor has compiled."""
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
        return weights.weight_bytes(self._weights)

    def cache_bytes(self, length: int) -> int:
        return cache_bytes(self.shape, length)

    def read(
        self,
        cache: tuple[Cache, ...],
        token_ids: np.ndarray,
        offset: int,
        last: int,
        stop_ids: np.ndarray,
    ) -> tuple[tuple[Cache, ...], Picked, torch.Tensor]:
        return self._choose("read", cache, token_ids, offset, last, stop_ids)

    def check(
        self,
        cache: tuple[Cache, ...],
        token_ids: np.ndarray,
        offset: int,
        last: int,
        stop_ids: np.ndarray,
        given: np.ndarray,
    ) -> tuple[tuple[Cache, ...], Picked, torch.Tensor]:
        return self._choose("check", cache, token_ids, offset, last, stop_ids, given)

    def _choose(
        self, name: str, cache: tuple[Cache, ...], *arguments: Any
    ) -> tuple[tuple[Cache, ...], Picked, torch.Tensor]:
        ids, logprobs, scores = self._run(name, cache, *map(self._tensor, arguments))
        return cache, _fetch([(ids, logprobs)]), scores

    def draw(self, scores: torch.Tensor, drawing: Drawing) -> tuple[int, float]:
        token_id, logprob = self._run(
            "draw", (), scores, *self._on_device(drawing), self._tensor(0)
        )
        return int(token_id), float(logprob)

    def write(
        self,
        cache: tuple[Cache, ...],
        token_id: int,
        position: int,
        count: int,
        stop_ids: np.ndarray,
        drawing: Drawing,
    ) -> tuple[tuple[Cache, ...], Picked]:
        stops = {int(one) for one in stop_ids}
        token, place, number = self._tensor([token_id]), self._tensor(position), self._tensor(0)
        told_stops = self._tensor(stop_ids)
        draws = drawing.temperature > 0
        on_device = self._on_device(drawing)
        made: list[tuple[torch.Tensor, torch.Tensor]] = []
        while len(made) < count:
            ids, logprobs, scores = self._run("step", cache, token, place, told_stops)
            if draws:
                drawn, logprob = self._run("draw", (), scores, *on_device, number)
                ids = torch.cat((drawn[None], ids[:, 1:]), dim=-1)
                logprobs = torch.cat((logprob[None], logprobs[:, 1:]), dim=-1)
            made.append((ids, logprobs))
            token, place, number = ids[0, :1], place + 1, number + 1
            # On a GPU this would wait for the step; there a burst runs to its end.
            if self._device.type == "cpu" and int(token) in stops:
                break
        picked = _fetch(made)
        stopped = [row for row, one in enumerate(picked.ids[:, 0]) if int(one) in stops]
        end = stopped[0] + 1 if stopped else count
        return cache, Picked(picked.ids[:end], picked.logprobs[:end])

    def telling(self, alternatives: int) -> TorchSteps:
        other = copy.copy(self)
        other._programs = Programs(self.shape, TorchKernels(), alternatives)
        other._graphs, other._to_compile, other.compiling, other._compiled = {}, [], 0, 0
        return other

    def _tensor(self, value: Any) -> torch.Tensor:
        return torch.tensor(value, dtype=torch.int32, device=self._device)

    def _on_device(self, drawing: Drawing) -> list[torch.Tensor]:
        return [torch.as_tensor(value, device=self._device) for value in drawing]

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
        every, form = tree_flatten(self._weights if cache else ())
        program = getattr(self._programs, key[0])

        def flat(*tensors: torch.Tensor) -> Any:
            """The program, of tensors alone; it writes to the cache it is given."""
            own = tree_unflatten(tensors[: len(every)], form)
            given, cache = (
                tensors[len(every) :][: len(arguments)],
                tensors[len(every) + len(arguments) :],
            )
            if not cache:
                scores, *drawing, number = given
                return program(scores, Drawing(*drawing), number)
            _, picks, scores = program(
                own, tuple(zip(cache[::2], cache[1::2], strict=True)), *given
            )
            return (*picks, scores)

        graph = trace(flat, (*every, *arguments, *cache))
        self._graphs[key] = partial(graph, *every)
        if self._compiles:
            # A copy: compiling exchanges the graph's constants while it is in use here.
            copies = tuple(tensor.clone() for tensor in arguments)
            self._to_compile.append((key, copy.deepcopy(graph), every, copies))
            self.compiling += 1

    def warmed(self) -> None:
        # Not before: torch.fx keeps what it traces in a global, so tracing and compiling on two threads
        # fail together (torch 2.13, "CURRENT_PATCHER is None").
        #
        # On a thread that ends: OpenMP gives each thread that computes a team of its own, and with more of
        # them than cores every team's wait becomes a sleep. The step took four times as long (two cores,
        # bundled model: 4.3 ms in place of 1.05).
        jobs, self._to_compile = sorted(self._to_compile, key=_soonest), []
        if jobs:
            threading.Thread(target=self._compile_all, args=(jobs,), daemon=True).start()

    def _compile_all(self, jobs: list[tuple[Any, ...]]) -> None:
        for key, graph, every, arguments in jobs:
            try:
                try:
                    # A copy: compiling changes the graph, and it may have to be compiled again.
                    run = self._compile(key, copy.deepcopy(graph), every, arguments)
                except Exception:
                    if not compiled.throw_away():
                        raise
                    traceback.print_exc()
                    _forget_files()
                    run = self._compile(key, graph, every, arguments)
                self._graphs[key] = run
                self._compiled += 1
            except Exception as error:  # inductor, triton and the C++ compiler each have their own
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
        """Let inductor compile a graph; returns what takes its place."""
        # A cache of its own: compiling runs the graph, which writes.
        cache = self.allocate(key[2]) if key[2] else ()
        inputs = [*arguments, *(tensor for layer in cache for tensor in layer)]
        # Not torch.compile: there is no Python left to guard against, which saves 3 s here and
        # half a millisecond per call.
        from torch._guards import TracingContext, tracing
        from torch._inductor import compile as compile_graph
        from torch._subclasses import FakeTensorMode
        from torch.fx.experimental.symbolic_shapes import ShapeEnv

        _keep_headers_with_the_rest()
        multiply_in_loops(graph)
        # Without a context of its own inductor passes its cache on disk by (torch 2.13).
        context = TracingContext(FakeTensorMode(shape_env=ShapeEnv()))
        with tracing(context), torch.no_grad():
            fast: Callable[..., Any] = compile_graph(graph, [*every, *inputs])
            fast(*every, *inputs)  # compile errors may come with the first call
        run: Callable[..., Any] = partial(fast, *every)
        if self._device.type == "cuda" and key[0] in ("step", "check"):
            return Replayed(run, len(arguments))
        return run


def _keep_headers_with_the_rest() -> None:
    """Have inductor put precompiled headers where its other files are.

    Else they are in a folder for temporary files that has the user's name (torch 2.13), where nothing throws
    a damaged one away.
    """
    from torch._inductor import codecache
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    headers = f"{cache_dir()}/precompiled_headers"
    for name, folder in (("_HEADER_DIR", headers), ("_HEADER_LOCK_DIR", f"{headers}/locks")):
        if hasattr(codecache, name):
            setattr(codecache, name, folder)


def _forget_files() -> None:
    """Have inductor look for its files on the disk again."""
    from torch._inductor import codecache
    from torch._inductor.cpu_vec_isa import valid_vec_isa_list
    from torch._inductor.utils import clear_caches

    clear_caches()
    cached: Any
    for cached in (getattr(codecache, "_precompile_header", None), valid_vec_isa_list):
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()


def _soonest(job: tuple[Any, ...]) -> tuple[bool, int, int, int]:
    """The order to compile in: what is used most, in the shortest cache, comes first, drawing last."""
    (name, size, length), *_ = job
    return name == "draw", length, ("step", "check", "read", "draw").index(name), size


def cxx_compiler() -> str | None:
    """The C++ compiler that inductor would use on a CPU, or None.

    Returns:
        The path of what the variable CXX names, or of the platform's usual compiler: the search of
        `torch._inductor.config.cpp.cxx` (torch 2.13).
    """
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    return shutil.which(os.environ.get("CXX", usual))


def _fetch(rows: list[Any]) -> Picked:
    ids, logprobs = (torch.cat(parts).cpu().numpy() for parts in zip(*rows, strict=True))
    return Picked(ids, logprobs)


def _free(variable: Any) -> None:
    variable.value.data = torch.empty(0, dtype=variable.value.dtype)


def create(model: Any, precision: Precision, takes_weights: bool) -> TorchSteps:
    """Steps for a `GemmaCausalLM` built on torch."""
    return TorchSteps(model, precision, takes_weights)
