"""A graph that is traced once for any size gives what a graph of that size gives, as it is and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from codegemma_ui.workers.keras.steps import torch_names  # noqa: E402
from codegemma_ui.workers.keras.steps.torch_graph import compile_graph, trace  # noqa: E402

SIZES = [(3, 64), (3, 256), (32, 96), (64, 64), (200, 256)]
"""Tokens of a chunk, and length of a cache."""


def attend(weights: Any, chunk: Any, offset: Any, cache: Any) -> tuple[Any, Any]:
    """Write a chunk to a cache, and average what each of its tokens sees there."""
    size, length = chunk.shape[0], cache.shape[0]
    written = cache.index_copy_(0, offset + torch.arange(size), chunk @ weights)
    seen = torch.arange(length)[None] <= (offset + torch.arange(size))[:, None]
    shares = torch.softmax(torch.where(seen, chunk @ written.T, -1e30), dim=-1)
    return shares @ written, shares.argmax(-1)


def inputs(size: int, length: int) -> tuple[Any, ...]:
    chunk = torch.sin(torch.arange(8.0 * size)).reshape(size, 8)
    return torch.eye(8) * 2, chunk, torch.tensor(length - size), torch.zeros(length, 8)


@pytest.fixture(scope="module", params=["as it is", "compiled"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    graph = trace(attend, inputs(3, 64), (None, 0, None, 0))
    if request.param == "as it is":
        return graph
    if torch_names.without_compiler("cpu") is not None:
        pytest.skip("no C++ compiler")
    return compile_graph(graph, inputs(3, 64))


@pytest.mark.parametrize(("size", "length"), SIZES)
def test_one_graph_serves_them_all(run: Callable[..., Any], size: int, length: int) -> None:
    found, wanted = inputs(size, length), inputs(size, length)
    with torch.no_grad():
        (mixed, likeliest), (others, ids) = run(*found), attend(*wanted)
    assert torch.allclose(mixed, others, atol=1e-5)
    assert torch.equal(likeliest, ids)
    assert torch.allclose(found[-1], wanted[-1])


def test_compiling_leaves_the_graph_as_it_is() -> None:
    if torch_names.without_compiler("cpu") is not None:
        pytest.skip("no C++ compiler")
    graph = trace(attend, inputs(3, 64), (None, 0, None, 0))
    before = graph.code
    compile_graph(graph, inputs(3, 64))
    assert graph.code == before


def test_a_torch_without_the_names_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert torch_names.knows_sizes_as_symbols()
    found, gone = torch_names.found, torch_names._SYMBOLS["context"]
    monkeypatch.setattr(torch_names, "found", lambda name: None if name == gone else found(name))
    assert not torch_names.knows_sizes_as_symbols()
