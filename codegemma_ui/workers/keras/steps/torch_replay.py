"""torch on CUDA: a compiled pass recorded once, and then started as a whole.

A pass is hundreds of kernels, and each that Python starts takes microseconds of its own. A CUDA graph starts
them together. It reads and writes the memory it was recorded with, so each cache has a recording of its own,
which goes when the cache goes, and what changes from pass to pass is copied into place.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.weak import WeakIdKeyDictionary

Run = Callable[..., Sequence[torch.Tensor]]
Replay = Callable[[], None]


@dataclass(frozen=True)
class Recording:
    """One pass over one cache.

    Attributes:
        inputs: what it reads of the arguments.
        outputs: where each replay leaves its results.
        replay: runs it.
    """

    inputs: list[torch.Tensor]
    outputs: Sequence[torch.Tensor]
    replay: Replay


def record_on_cuda(
    run: Callable[[], Sequence[torch.Tensor]],
) -> tuple[Sequence[torch.Tensor], Replay]:
    """Record what a function does on the card.

    Args:
        run: reads and writes tensors that stay where they are; it may run several times.

    Returns:
        The tensors that hold its results, and what computes them anew.
    """
    aside: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # what is set up in a first run must not be recorded
        run()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    # Of this thread alone: another one may be compiling.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        outputs = run()
    return outputs, graph.replay


class Replayed:
    """A pass that is recorded for each cache it meets, and replayed from then on.

    Args:
        run: the pass, of arguments and the tensors of a cache. What it writes to a cache depends on its
            arguments alone, so that running it twice is running it once.
        arguments: how many of its inputs are no cache.
        record: see `record_on_cuda`.
    """

    def __init__(self, run: Run, arguments: int, record: Any = record_on_cuda) -> None:
        self._run, self._arguments, self._record = run, arguments, record
        self._recordings: MutableMapping[torch.Tensor, Recording] = WeakIdKeyDictionary()

    def __call__(self, *tensors: torch.Tensor) -> list[torch.Tensor]:
        given, cache = tensors[: self._arguments], tensors[self._arguments :]
        recording = self._recordings.get(cache[0])
        if recording is None:
            recording = self._recordings[cache[0]] = self._recorded(given, cache)
        for place, value in zip(recording.inputs, given, strict=True):
            place.copy_(value)
        recording.replay()
        # Copies: the next replay writes where these are.
        return [output.clone() for output in recording.outputs]

    def _recorded(self, given: Sequence[torch.Tensor], cache: Sequence[torch.Tensor]) -> Recording:
        inputs = [value.clone() for value in given]
        outputs, replay = self._record(lambda: self._run(*inputs, *cache))
        return Recording(inputs, outputs, replay)
