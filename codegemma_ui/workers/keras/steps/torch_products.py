"""torch on a CPU: products of rows and a matrix far larger than the CPU's caches.

A decoded token reads every weight once, so it takes as long as that reading, and torch's own products do not
reach the memory's speed. With multiplication and sum in one loop compiled by inductor, a row takes half the
time (16,384 x 2,048 in bfloat16, two cores of an EPYC: 1.9 ms instead of 3.4 to 4.0; in int8 1.1 instead of
1.6). One product per shape serves all layers, since weights are arguments. The fastest product depends on the
CPU and on the number of rows, so it is measured once, when the model is loaded.
"""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
from torch.nn import functional

from codegemma_ui.workers.keras.steps import torch_names
from codegemma_ui.workers.keras.steps.torch_graph import compile_graph, trace
from codegemma_ui.workers.keras.steps.weights import DEQUANTISED, Quantized

GROUP = 32
"""Weights per group, which share a scale and a zero point, in int4."""

SHARES, REFITS = (1.0, 0.9), 2
"""Shares of a group's range from which the search for its scale starts, and the number of least-squares
refits of each to its codes. Together they leave 0.86 of the squared error of the plain range (the bundled
model); twice as many leave 0.83."""

SEARCHED = 1 << 18
"""Numbers quantised at once, so that the search stays within the CPU's cache: a seventh of the time that 16
million take (one core of a Xeon)."""

COMPILES_SEARCH = 1 << 24
"""Matrix size, in weights, from which the search is worth compiling, which takes seconds."""

FEW = 8
"""Rows in a verification."""

MANY = 64
"""Rows that represent a prefill."""

CACHED = 1 << 21
"""Weights dequantised at once, which are still in the CPU's caches when multiplied: 67 million of int8 to
bfloat16, times 32 rows, take 17 ms; by 16 million at a time 64 (two cores of an EPYC)."""

MEASURED = 1 << 15
"""Matrix outputs used to measure products of several rows."""

FEWEST_TURNS, MOST_TURNS, MEASURED_S = 3, 12, 0.5
"""Measured runs of each product, and the seconds after which the fewest are enough."""

Product = Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor]
"""From `(S, inputs)` float32, values and scales to `(S, outputs)` float32."""


class Int4(NamedTuple):
    """A four-bit matrix in the layout of torch's CPU kernel.

    Attributes:
        packed: uint8, (outputs, inputs / 2), in the kernel's own order.
        scales: bfloat16, (inputs / GROUP, outputs, 2): each group's scale, and the value of code 8.
    """

    packed: torch.Tensor
    scales: torch.Tensor


def int4(values: torch.Tensor) -> Int4:
    """Quantise an (outputs, inputs) matrix."""
    codes, scales = int4_codes(values)
    pack = torch_names.pack_int4()
    parts = torch.split(codes, _rows_at_once(codes, 64))
    packed = torch.cat([pack(part.to(torch.int32), 1) for part in parts])
    return Int4(packed, scales.transpose(0, 1).contiguous())


def int4_codes(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return codes from 0 to 15, uint8 (outputs, inputs), and scales, bfloat16 (outputs, inputs / GROUP,
    2)."""
    outputs, inputs = values.shape
    search = _compiled_search() if values.numel() >= COMPILES_SEARCH else _search
    found = []
    for rows in torch.split(values.contiguous(), max(1, SEARCHED // inputs)):
        groups = rows.float().reshape(-1, GROUP)
        kept = len(groups)
        missing = SEARCHED // GROUP - kept
        if missing > 0:  # padded to one shape, compiled once
            groups = functional.pad(groups, (0, 0, 0, missing))
        codes, scales = search(groups)
        found.append((codes[:kept], scales[:kept]))
    codes, scales = map(torch.cat, zip(*found, strict=True))
    return codes.view(outputs, inputs), scales.view(outputs, -1, 2)


@cache
def _compiled_search() -> Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """Compile the search: 4 ns per weight instead of 25 (two cores of an EPYC)."""
    if torch_names.uncompiled("cpu"):
        return _search
    groups = (torch.randn(SEARCHED // GROUP, GROUP),)
    try:
        return compile_graph(trace(_search, groups), groups)
    except Exception:  # inductor and the C++ compiler raise their own
        traceback.print_exc()
        return _search


def _search(groups: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Find for each group the scale and zero point with the least squared error among several.

    Args:
        groups: float32, (groups, GROUP).

    Returns:
        Codes, uint8 of that shape, and scales, bfloat16 (groups, 2).
    """
    mean = groups.mean(-1, keepdim=True)
    centred = groups - mean
    least, most = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    best: list[torch.Tensor] = []
    for share in SHARES:
        # Steps over the group's range, or over its inner part; then the best fit to the codes.
        scale = (most - least) * (share / 15)
        middle = (least + most) / 2 + scale / 2
        for _ in range(1 + REFITS):
            # As stored, so that the codes compensate for their rounding.
            kept_scale, kept = scale.clamp(min=1e-8).bfloat16(), middle.bfloat16()
            codes = torch.round((groups - kept.float()) / kept_scale.float()).clamp(-8, 7)
            lost = (codes * kept_scale.float() + kept.float() - groups).square().sum(-1, True)
            found = [lost, codes, torch.cat((kept_scale, kept), dim=-1)]
            less = lost < best[0] if best else torch.ones_like(lost, dtype=torch.bool)
            best = [torch.where(less, *both) for both in zip(found, best or found, strict=True)]
            spread = codes - codes.mean(-1, keepdim=True)
            scale = (spread * centred).sum(-1, True) / spread.square().sum(-1, True).clamp(min=1)
            middle = mean - scale * codes.mean(-1, keepdim=True)
    _, codes, scales = best
    return (codes + 8).to(torch.uint8), scales


def _rows_at_once(values: torch.Tensor, step: int = 1) -> int:
    return max(1, int(DEQUANTISED // values.shape[1] // step)) * step


def _product(x: torch.Tensor, values: torch.Tensor, scale: torch.Tensor | None) -> torch.Tensor:
    chosen = _chosen.get(_key(x.shape[0], values))
    return (chosen or _stock(values))(x, values, scale)


def _product_shape(
    x: torch.Tensor,
    values: torch.Tensor,
    scale: torch.Tensor | None,  # noqa: ARG001
) -> torch.Tensor:
    shaped: torch.Tensor = x.new_empty((x.shape[0], values.shape[-2]))
    return shaped


product: Any = torch.library.custom_op("codegemma_ui::product", mutates_args=())(_product)
"""Multiply rows by a matrix: (S, inputs) to (S, outputs), both float32.

Args:
    x: float32.
    values: values of a `Quantized`, `in_columns`, or `Int4.packed`.
    scale: their scales.
"""
product.register_fake(_product_shape)


_chosen: dict[tuple[Any, ...], Product] = {}
"""Fastest measured product, by `_key`."""


def _key(rows: int, values: torch.Tensor) -> tuple[Any, ...]:
    return (rows if rows in (1, FEW) else MANY, tuple(values.shape), values.dtype)


def _stock(values: torch.Tensor) -> Product:
    return kernel_int4 if values.dtype == torch.uint8 else wide_bfloat16


def wide_bfloat16(
    x: torch.Tensor, values: torch.Tensor, scale: torch.Tensor | None
) -> torch.Tensor:
    """Round the rows to bfloat16; sums are float32 within a block."""
    return _wide(x, values, scale, torch.bfloat16)


def wide_float32(x: torch.Tensor, values: torch.Tensor, scale: torch.Tensor | None) -> torch.Tensor:
    """Convert some rows of the matrix to float32 at a time."""
    return _wide(x, values, scale, torch.float32)


def _wide(
    x: torch.Tensor, values: torch.Tensor, scale: torch.Tensor | None, dtype: torch.dtype
) -> torch.Tensor:
    total: torch.Tensor | None = None
    blocks = values[None] if values.dim() == 2 else values
    for block, part in zip(blocks, x.to(dtype).chunk(len(blocks), dim=-1), strict=True):
        some = len(block) if block.dtype == dtype else max(1, CACHED // block.shape[1])
        rows = [functional.linear(part, few.to(dtype)) for few in block.split(some)]
        sums = (rows[0] if len(rows) == 1 else torch.cat(rows, dim=-1)).float()
        total = sums if total is None else total + sums
    assert total is not None
    return total if scale is None else total * scale


def kernel_int8(x: torch.Tensor, values: torch.Tensor, scale: torch.Tensor | None) -> torch.Tensor:
    """Use torch's int8 kernel."""
    multiply = torch_names.multiply_int8()
    assert scale is not None
    assert multiply is not None
    if values.dim() == 2:
        return multiply(x, values, scale)
    parts = zip(values, x.chunk(len(values), dim=-1), strict=True)
    return torch.stack([multiply(part.contiguous(), block, scale) for block, part in parts]).sum(0)


def kernel_int4(x: torch.Tensor, values: torch.Tensor, scale: torch.Tensor | None) -> torch.Tensor:
    """Use torch's int4 kernel, which rounds the rows to bfloat16."""
    multiply = torch_names.multiply_int4()
    product: torch.Tensor = multiply(x.bfloat16(), values, GROUP, scale).float()
    return product


def _in_a_loop(x: torch.Tensor, values: torch.Tensor, *scale: torch.Tensor) -> torch.Tensor:
    """Product that inductor compiles to a single loop."""
    wide, rows = values.float(), []
    for row in x:
        if values.dim() == 2:
            rows.append((wide * row).sum(-1))
        else:
            rows.append((wide * row.view(len(values), 1, -1)).sum(-1).sum(0))
    sums = torch.stack(rows)
    return sums * scale[0] if scale else sums


def prepare(largest: Quantized | Int4, others: Iterable[Quantized | Int4]) -> str | None:
    """Compile a one-row product for each kind of matrix, and choose the fastest.

    Args:
        largest: largest matrix of a layer, measured with one row, `FEW` and `MANY`.
        others: matrices that share these results; the first of another precision is measured itself.

    Returns:
        Why nothing is compiled, or None.
    """
    note = torch_names.uncompiled("cpu")
    fastest: dict[tuple[int, torch.dtype], int] = {}
    for matrix in (largest, *others):
        values, scale = matrix[:2]
        compiled: list[Product] = []
        if values.dtype != torch.uint8 and note is None:
            try:
                compiled.append(_compiled(_rows(1, values), values, scale))
            except Exception as error:  # inductor and the C++ compiler raise their own
                traceback.print_exc()
                note = f"{type(error).__name__}: {error}".splitlines()[0]
        for rows in (1, FEW, MANY):
            candidates = [*_candidates(values, rows), *(compiled if rows == 1 else ())]
            if (rows, values.dtype) not in fastest:
                part = (values, scale) if rows == 1 else _beginning(values, scale)
                fastest[rows, values.dtype] = _fastest(candidates, _rows(rows, values), *part)
            best = fastest[rows, values.dtype]
            _chosen[_key(rows, values)] = (
                candidates[best] if best < len(candidates) else candidates[0]
            )
    return note


def _rows(count: int, values: torch.Tensor) -> torch.Tensor:
    return torch.randn(count, values.shape[-1] * (len(values) if values.dim() == 3 else 1))


def _beginning(
    values: torch.Tensor, scale: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return enough outputs to estimate the whole matrix's speed: an output layer takes seconds."""
    return values[..., :MEASURED, :], scale if scale is None else scale[:MEASURED]


def _candidates(values: torch.Tensor, rows: int) -> Sequence[Product]:
    if values.dtype == torch.uint8:
        return (kernel_int4,)
    if values.dtype == torch.int8 and rows != MANY and torch_names.multiply_int8():
        return (kernel_int8, wide_bfloat16)
    return (wide_float32,) if values.dtype == torch.float32 else (wide_float32, wide_bfloat16)


def _compiled(x: torch.Tensor, values: torch.Tensor, scale: torch.Tensor | None) -> Product:
    inputs = (x, values) if scale is None else (x, values, scale)
    run = compile_graph(trace(_in_a_loop, inputs), inputs)
    if scale is None:
        return lambda x, values, scale: run(x, values)  # noqa: ARG005
    return run


def _fastest(
    candidates: Sequence[Product],
    x: torch.Tensor,
    values: torch.Tensor,
    scale: torch.Tensor | None,
) -> int:
    """Return the index of the fastest, by the best run of each.

    They take turns, so that what else the machine does falls on all of them: a compiled loop, whose two
    threads wait for each other, loses most by it. Measured one after the other beside two busy processes, a
    product five times too slow was chosen.
    """
    if len(candidates) == 1:
        return 0
    times = [math.inf] * len(candidates)
    begun = time.perf_counter()
    for turn in range(1 + MOST_TURNS):
        for number, candidate in enumerate(candidates):
            started = time.perf_counter()
            candidate(x, values, scale)
            if turn:  # the first is slow
                times[number] = min(times[number], time.perf_counter() - started)
        if turn >= FEWEST_TURNS and time.perf_counter() - begun > MEASURED_S:
            break
    return times.index(min(times))
