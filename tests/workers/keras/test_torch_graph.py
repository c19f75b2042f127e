"""A graph that is traced once for any size gives what the function gives, as it is and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from codegemma_ui.workers.keras.steps import torch_names  # noqa: E402
from codegemma_ui.workers.keras.steps.torch_graph import (  # noqa: E402
    CHUNK,
    LENGTH,
    POSITIONS,
    TOKENS,
    Example,
    compile_graph,
    examples_of,
    trace,
)

SIZES = [(3, 64), (3, 256), (32, 96), (64, 64), (200, 256)]
"""Tokens of a chunk, and length of a cache."""


def attend(weights: Any, chunk: Any, offset: Any, cache: Any) -> tuple[Any, Any]:
    """Write a chunk to a cache of two heads, and average what each of its tokens sees there."""
    size, length, chunk = chunk.shape[0], cache.shape[-2], chunk.expand(2, -1, -1)
    written = cache.index_copy_(-2, offset + torch.arange(size), chunk @ weights)
    seen = torch.arange(length)[None] <= (offset + torch.arange(size))[:, None]
    scores = torch.einsum("...qd,...kd->...qk", chunk, written)
    shares = torch.softmax(torch.where(seen, scores, -1e30), dim=-1)
    return shares @ written, shares.argmax(-1)


def inputs(size: int, length: int, room: int = 0) -> tuple[Any, ...]:
    """Return weights, a chunk, its offset, and a cache: the beginning of one with more room."""
    chunk = torch.sin(torch.arange(8.0 * size)).reshape(size, 8)
    cache = torch.zeros(2, length + room, 8)[:, :length]
    return torch.eye(8) * 2, chunk, torch.tensor(length - size), cache


def examples() -> list[Example]:
    return examples_of(inputs(3, 64)[1:], (TOKENS, {}, POSITIONS), (0, 0))


def traced() -> Any:
    return trace(attend, inputs(3, 64)[:1], examples())


@pytest.fixture(scope="module", params=["as it is", "compiled"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    if request.param == "as it is":
        return traced()
    if torch_names.without_compiler("cpu") is not None:
        pytest.skip("no C++ compiler")
    return compile_graph(traced(), inputs(3, 64)[:1], examples())


@pytest.mark.parametrize("room", [0, 40])
@pytest.mark.parametrize(("size", "length"), SIZES)
def test_one_graph_serves_them_all(
    run: Callable[..., Any], size: int, length: int, room: int
) -> None:
    found, wanted = inputs(size, length, room), inputs(size, length)
    with torch.no_grad():
        (mixed, likeliest), (others, ids) = run(*found), attend(*wanted)
    assert torch.allclose(mixed, others, atol=1e-5)
    assert torch.equal(likeliest, ids)
    assert torch.allclose(found[-1], wanted[-1])


def test_compiling_leaves_the_graph_as_it_is() -> None:
    if torch_names.without_compiler("cpu") is not None:
        pytest.skip("no C++ compiler")
    graph = traced()
    before = graph.code
    compile_graph(graph, inputs(3, 64)[:1], examples())
    assert graph.code == before


@pytest.mark.parametrize(
    ("sizes", "shapes"),
    [
        ((0, 0), [(CHUNK, 8), (2, LENGTH, 8)]),
        ((3, 0), [(3, 8), (2, LENGTH, 8)]),
        ((3, 64), [(3, 8), (2, 64, 8)]),
        ((0,), [(CHUNK, 8), (2, 64, 8)]),
    ],
)
def test_an_axis_varies_where_no_size_is_given(
    sizes: tuple[int, ...], shapes: list[tuple[int, ...]]
) -> None:
    _, chunk, _, cache = inputs(3, 64)
    found = examples_of((chunk, cache), (TOKENS, POSITIONS), sizes)
    assert [tuple(one.zeros().shape) for one in found] == shapes
    axes = [{0}, {1}]
    fixed = [tuple(chunk.shape), tuple(cache.shape)]
    assert [one.varying for one in found] == [
        some if shape != same else set()
        for some, shape, same in zip(axes, shapes, fixed, strict=True)
    ]


def test_a_torch_without_the_names_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert torch_names.knows_sizes_as_symbols()
    found, gone = torch_names.found, torch_names._SYMBOLS["context"]
    monkeypatch.setattr(torch_names, "found", lambda name: None if name == gone else found(name))
    assert not torch_names.knows_sizes_as_symbols()
