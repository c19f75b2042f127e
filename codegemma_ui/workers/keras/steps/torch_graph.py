"""torch: convert a Python function to a short graph of aten operations.

A Keras layer costs Python time on every call, which for one token is most of the time. Tracing it once with
`make_fx` leaves the basic operations. Half of those compute constants that Keras repeats in each layer: the
rotary frequencies, the scalars, the causal mask. Folding and merging them takes half a second. The graph then
runs faster as is, and inductor compiles it sooner.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch.func import functionalize
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.node import map_arg

from codegemma_ui.workers.keras.steps import torch_names

# A larger constant is left as the operations that compute it.
MAX_CONSTANT_BYTES = 1 << 20

CHUNK, LENGTH = 32, 256
"""Tokens of a chunk, and positions of a cache, while a graph for any number of them is traced. They differ,
as equal sizes would be one symbol."""

_IN_PLACE: dict[Any, Any] = {
    torch.ops.aten.index_copy.default: torch.ops.aten.index_copy_.default,
    torch.ops.aten.index_put.default: torch.ops.aten.index_put_.default,
}

_OF_SHAPE = (torch.ops.aten.sym_size.int, torch.ops.aten.sym_stride.int)
"""What reads a tensor's shape, but nothing in it."""

_TRACE_LOCK = threading.Lock()
"""torch.fx keeps its tracing state in a global: concurrent tracing and compiling on two threads fail (torch
2.13, "CURRENT_PATCHER is None")."""


Axes = Mapping[int, int]
"""Axes of a tensor that vary, each with its size in an example: `CHUNK` or `LENGTH`."""

TOKENS: Axes = {0: CHUNK}
POSITIONS: Axes = {-2: LENGTH}
"""Those of a chunk's tokens or rows, and of keys or values."""


@dataclass(frozen=True)
class Example:
    """An input of a graph.

    Attributes:
        varying: axes that may be longer or shorter in later calls, all of those that have the same size here
            together.
    """

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    varying: frozenset[int] = frozenset()

    @classmethod
    def of(cls, tensor: torch.Tensor, axes: Axes = MappingProxyType({})) -> Example:
        """Describe inputs like a tensor, of which these axes vary."""
        sizes = {axis % tensor.dim(): size for axis, size in axes.items()}
        shape = tuple(sizes.get(axis, size) for axis, size in enumerate(tensor.shape))
        # With gaps, which a part of a cache has.
        room = torch.empty(
            [size + (axis in sizes) for axis, size in enumerate(shape)], device="meta"
        )
        return cls(shape, room.stride(), tensor.dtype, tensor.device, frozenset(sizes))

    def zeros(self) -> torch.Tensor:
        """Return such an input."""
        return torch.empty_strided(
            self.shape, self.strides, dtype=self.dtype, device=self.device
        ).zero_()


def examples_of(
    tensors: Sequence[torch.Tensor], axes: Sequence[Axes], sizes: Sequence[int]
) -> list[Example]:
    """Describe inputs like some tensors.

    Args:
        axes: of each tensor those that vary.
        sizes: tokens of a chunk, and a cache's length where one is given; an axis varies only where that
            size is 0.
    """
    vary = {one for one, size in zip((CHUNK, LENGTH), sizes, strict=False) if not size}
    return [
        Example.of(tensor, {axis: size for axis, size in some.items() if size in vary})
        for tensor, some in zip(tensors, axes, strict=True)
    ]


def trace(
    function: Callable[..., Any],
    inputs: Sequence[torch.Tensor],
    examples: Sequence[Example] = (),
) -> GraphModule:
    """Record the operations of a function and simplify them.

    Args:
        function: takes tensors only. It may write to its inputs but not branch on their values.
        inputs: its first inputs, with the shapes, dtypes and device of later calls.
        examples: of its other inputs.

    Returns:
        A module equivalent to the function.
    """
    torch_names.enter_lasting_fake_mode()
    # Without functionalize, merging equal nodes would merge two copies that are written to later. "fake",
    # as "symbolic": nothing is computed, and no dequantised intermediate is kept.
    with _TRACE_LOCK:
        every = [*inputs, *(one.zeros() for one in examples)]
        if any(one.varying for one in examples):
            axes = [*[()] * len(inputs), *(one.varying for one in examples)]
            every = torch_names.of_any_size(every, axes)
            module = make_fx(functionalize(function), tracing_mode="symbolic")(*every)
        else:
            module = make_fx(functionalize(function), tracing_mode="fake")(*every)
    _fold_constants(module)
    _merge_equal_nodes(module)
    _write_in_place(module)
    module.graph.lint()
    # Rebuilt, so that it holds only the constants it still reads.
    return GraphModule(module, module.graph)


def compile_graph(
    module: GraphModule, inputs: Sequence[torch.Tensor], examples: Sequence[Example] = ()
) -> Callable[..., Any]:
    """Compile a graph with inductor.

    Args:
        module: from `trace`.
        inputs, examples: as for `trace`. The result runs once with them, since errors may occur at the first
            call, and may write to them.

    Returns:
        A callable equivalent to the module for such inputs.
    """
    # Not torch.compile: there is no Python left to guard against, which saves 3 s here and half a millisecond
    # per call.
    inductor = torch_names.inductor()
    torch_names.keep_headers_with_cache()
    traced = [node.meta.get("val") for node in module.graph.nodes if node.op == "placeholder"]
    mode = next(one.fake_mode for one in traced if one is not None)
    # Copied: compilation changes the module, which may be running. Without a context of its own, inductor
    # skips its disk cache (torch 2.13).
    with _TRACE_LOCK, inductor.tracing(inductor.context(mode)), torch.no_grad():
        fast: Callable[..., Any] = inductor.compile(copy.deepcopy(module), traced)
        fast(*inputs, *(one.zeros() for one in examples))
    return fast


def multiply_in_loops(module: GraphModule, rows: int = 1) -> GraphModule:
    """Return a copy whose products of a row, or a few, and a matrix are loops, for inductor to compile.

    The library reads a matrix that exceeds the CPU caches on one core: with it the bundled model in float32
    decodes 270 tokens a second, and 730 with loops (two cores of an EPYC). It also dequantises whole matrices
    first. Each of several rows is summed as if alone. Not for running as is, which would materialise all
    products.
    """
    module = copy.deepcopy(module)
    aten, graph = torch.ops.aten, module.graph
    for node in list(graph.nodes):
        if node.target is not aten.mm.default or node.meta["val"].shape[0] != rows:
            continue
        given, matrix = node.args
        if matrix.target is not aten.t.default:
            continue
        outputs_first = matrix.args[0]
        with graph.inserting_before(node):
            shape, sums = outputs_first.meta["val"].shape, []
            for row in range(rows):
                # Strided, not expanded, so that inductor computes a row once rather than for every output.
                repeated = graph.call_function(
                    aten.as_strided.default, (given, shape, (0, 1), row * shape[1])
                )
                products = graph.call_function(aten.mul.Tensor, (outputs_first, repeated))
                sums.append(graph.call_function(aten.sum.dim_IntList, (products, [-1])))
            if rows == 1:
                joined = graph.call_function(aten.unsqueeze.default, (sums[0], 0))
            else:
                joined = graph.call_function(aten.stack.default, (sums,))
            node.replace_all_uses_with(joined)
        graph.erase_node(node)
    graph.eliminate_dead_code()
    module.recompile()
    return module


def _fold_constants(module: GraphModule) -> None:
    """Compute once whatever depends on neither the inputs nor the weights."""
    graph = module.graph
    constants: dict[Node, torch.Tensor] = {}
    for node in graph.nodes:
        if node.op == "get_attr":
            value = getattr(module, node.target)
            if not isinstance(value, torch.nn.Parameter) and _is_small(value):
                constants[node] = value
        elif _is_pure(node) and all(source in constants for source in node.all_input_nodes):
            args = map_arg(node.args, constants.__getitem__)
            kwargs = map_arg(node.kwargs, constants.__getitem__)
            value = node.target(*args, **kwargs)
            if _is_small(value):
                constants[node] = value

    first = next(iter(graph.nodes))
    folded: dict[Any, Node] = {}
    for node, value in constants.items():
        readers = {user for user in node.users if user not in constants}
        if not readers:
            continue
        raw = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        key = (value.dtype, value.device, tuple(value.shape), raw)
        if key not in folded:
            name = f"constant_{len(folded)}"
            module.register_buffer(name, value.detach().clone().contiguous())
            with graph.inserting_before(first):
                folded[key] = graph.get_attr(name)
        node.replace_all_uses_with(folded[key], delete_user_cb=readers.__contains__)
    graph.eliminate_dead_code()


def _merge_equal_nodes(module: GraphModule) -> None:
    """Merge equal operations on equal inputs; drop permutations that permute nothing."""
    seen: dict[Any, Node] = {}
    for node in list(module.graph.nodes):
        if not _is_pure(node):
            continue
        twin = seen.setdefault(_signature(node), node)
        if twin is not node:
            node.replace_all_uses_with(twin)
            module.graph.erase_node(node)
        elif node.target is torch.ops.aten.permute.default:
            source: Any = node.args[0]
            order: Any = node.args[1]
            if list(order) == list(range(len(order))):
                node.replace_all_uses_with(source)
    module.graph.eliminate_dead_code()


def _write_in_place(module: GraphModule) -> None:
    """Update in place a tensor that is copied, changed and copied back.

    `functionalize` produces that for every write to an input: two copies of a whole cache for a few rows. The
    result then has the strides of the input, not those of a copy without gaps.
    """
    aten, graph = torch.ops.aten, module.graph
    for back in list(graph.nodes):
        if back.target is not aten.copy_.default:
            continue
        target, changed = back.args
        if (
            isinstance(changed, Node)
            and isinstance(target, Node)
            and changed.target in _IN_PLACE
            and changed.args[0] is target
            and {one for one in target.users if one.target not in _OF_SHAPE} == {changed, back}
        ):
            changed.target = _IN_PLACE[changed.target]
            back.replace_all_uses_with(changed)
            graph.erase_node(back)


def _signature(node: Node) -> Any:
    # repr distinguishes 1 from 1.0, which are equal as keys but give different dtypes.
    return (node.target, repr(node.args), repr(sorted(node.kwargs.items())))


def _is_pure(node: Node) -> bool:
    if node.op != "call_function":
        return False
    if not isinstance(node.target, torch._ops.OpOverload):
        return True  # operator.getitem, which selects one of several results
    random = torch.Tag.nondeterministic_seeded in node.target.tags
    return not (random or node.target._schema.is_mutable)


def _is_small(value: Any) -> bool:
    return (
        isinstance(value, torch.Tensor)
        and value.numel() * value.element_size() <= MAX_CONSTANT_BYTES
    )
