"""On a CPU, what a compiled pass launches is launched again with the same results, while its cache lives."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from codegemma_ui.workers.keras.steps import torch_names  # noqa: E402
from codegemma_ui.workers.keras.steps.torch_graph import compile_graph, trace  # noqa: E402
from codegemma_ui.workers.keras.steps.torch_launches import record_on_cpu  # noqa: E402
from codegemma_ui.workers.keras.steps.torch_replay import Replayed  # noqa: E402

LENGTH = 64

pytestmark = pytest.mark.skipif(
    torch_names.without_compiler("cpu") is not None, reason="no C++ compiler"
)


def attend(token: Any, place: Any, cache: Any) -> tuple[Any, ...]:
    """Write a token to its position of a cache, and return the likeliest of what stands up to there."""
    written = cache.index_copy_(0, place, token)
    seen = torch.where(torch.arange(LENGTH)[:, None] <= place, written, -1.0)
    likeliest, ids = torch.topk(torch.softmax(seen.sum(-1), dim=0), 3)
    return likeliest, ids, seen.exp().mean(0)


@pytest.fixture(scope="module")
def compiled() -> Callable[..., Any]:
    inputs = (torch.zeros(1, 8), torch.zeros(1, dtype=torch.int64), torch.zeros(LENGTH, 8))
    with torch.no_grad():
        return compile_graph(trace(attend, inputs), inputs)


def token(number: int) -> tuple[Any, Any]:
    return torch.sin(torch.arange(8.0) * number)[None], torch.tensor([number])


def test_replays_are_what_runs_would_be(compiled: Callable[..., Any]) -> None:
    replayed = Replayed(compiled, 2, record_on_cpu)
    caches, plain = ([torch.zeros(LENGTH, 8) for _ in range(2)] for _ in range(2))
    with torch.no_grad():
        for number in range(20):
            for mine, theirs in zip(caches, plain, strict=True):
                found = replayed(*token(number), mine)
                wanted = compiled(*token(number), theirs)
                assert all(map(torch.equal, found, wanted))
                assert torch.equal(mine, theirs)


def test_what_is_launched_again_is_less_than_the_pass(compiled: Callable[..., Any]) -> None:
    calls: list[None] = []

    def counted(*tensors: Any) -> Any:
        calls.append(None)
        return compiled(*tensors)

    replayed, cache = Replayed(counted, 2, record_on_cpu), torch.zeros(LENGTH, 8)
    with torch.no_grad():
        for number in range(5):
            replayed(*token(number), cache)
    assert len(calls) == 2  # recorded, and compared


def test_a_recording_ends_with_its_cache(compiled: Callable[..., Any]) -> None:
    replayed, cache = Replayed(compiled, 2, record_on_cpu), torch.zeros(LENGTH, 8)
    with torch.no_grad():
        replayed(*token(0), cache)
    (recording,) = replayed._recordings.values()
    gone = weakref.ref(recording)
    del cache, recording
    gc.collect()
    assert gone() is None


def test_the_kernels_are_those_of_before_afterwards(compiled: Callable[..., Any]) -> None:
    before = [names[name] for names, name in torch_names.cpu_kernels()]
    assert before
    with torch.no_grad():
        record_on_cpu(lambda: compiled(*token(1), torch.zeros(LENGTH, 8)))
    assert [names[name] for names, name in torch_names.cpu_kernels()] == before


def test_a_pass_that_cannot_be_recorded_is_run() -> None:
    place = torch.zeros(1)

    def run() -> Sequence[Any]:
        return [torch.from_numpy(place.numpy() * 2)]  # by no kernel, and no operation

    outputs, replay = record_on_cpu(run)
    place.fill_(3.0)
    replay()
    assert outputs[0].tolist() == [6.0]


def test_a_constant_among_the_results_stays_one() -> None:
    constant, given = torch.zeros(3), torch.ones(3)
    outputs, replay = record_on_cpu(lambda: [constant, given * 2])
    assert constant.tolist() == [0.0] * 3
    given.fill_(4.0)
    replay()
    assert [output.tolist() for output in outputs] == [[0.0] * 3, [8.0] * 3]


def test_an_operation_that_returns_no_tensor_is_no_failure() -> None:
    given = torch.ones(3)
    outputs, replay = record_on_cpu(lambda: [given * float(given.sum())])
    given.fill_(2.0)
    replay()
    assert outputs[0].tolist() == [12.0] * 3


def test_an_operation_between_kernels_is_done_again() -> None:
    given, outputs_before = torch.tensor([3.0, 1.0, 2.0]), []

    def run() -> Sequence[Any]:
        return [torch.sort(given[1:]).values, given.clone().mul_(2)]

    outputs, replay = record_on_cpu(run)
    outputs_before += [output.tolist() for output in outputs]
    given.copy_(torch.tensor([5.0, 9.0, 4.0]))
    replay()
    assert outputs_before == [[1.0, 2.0], [6.0, 2.0, 4.0]]
    assert [output.tolist() for output in outputs] == [[4.0, 9.0], [10.0, 18.0, 8.0]]
