"""A recorded pass gives the same result when replayed as when run, for each cache.

Replay on a GPU can only be tested on a GPU; everything around it is tested here, with a recorder that runs
the pass again and leaves the results in the same tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from codegemma_ui.workers.keras.steps.torch_replay import Replayed  # noqa: E402

LENGTH = 8


def add_at(token: Any, place: Any, cache: Any) -> Sequence[Any]:
    """Write a token to its position of a cache, and sum the cache up to it."""
    cache.index_copy_(0, place, token)
    return [torch.where(torch.arange(LENGTH) <= place, cache, 0.0).sum(), token * 2]


class Recorder:
    """Fake for the GPU: `replay` computes from the same tensors into the same tensors."""

    def __init__(self) -> None:
        self.recorded = 0

    def __call__(self, run: Callable[[], Sequence[Any]]) -> tuple[Sequence[Any], Any]:
        self.recorded += 1
        outputs = run()

        def replay() -> None:
            for output, new in zip(outputs, run(), strict=True):
                output.copy_(new)

        return outputs, replay


@pytest.fixture(params=["cpu", "cuda"])
def replayed(request: pytest.FixtureRequest) -> Iterator[tuple[Replayed, Recorder | None]]:
    if request.param == "cpu":
        recorder = Recorder()
        yield Replayed(add_at, 2, recorder), recorder
        return
    if not torch.cuda.is_available():
        pytest.skip("no CUDA card")
    torch.set_default_device("cuda")
    yield Replayed(add_at, 2), None
    torch.set_default_device("cpu")


def tensors(token: float, place: int) -> tuple[Any, Any]:
    return torch.tensor([token]), torch.tensor([place])


def test_replays_are_what_runs_would_be(replayed: tuple[Replayed, Recorder | None]) -> None:
    run, recorder = replayed
    caches, plain = ([torch.zeros(LENGTH) for _ in range(2)] for _ in range(2))
    kept = []
    for place in range(LENGTH):
        for number, token in ((0, 1.5 + place), (1, -2.0 * place)):
            found = run(*tensors(token, place), caches[number])
            wanted = add_at(*tensors(token, place), plain[number])
            assert [value.tolist() for value in found] == [value.tolist() for value in wanted]
            kept.append((found, [value.tolist() for value in wanted]))
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(caches, plain, strict=True))
    # Returned results are not overwritten later.
    assert all([value.tolist() for value in found] == wanted for found, wanted in kept)
    if recorder is not None:
        assert recorder.recorded == 2  # one for each cache
