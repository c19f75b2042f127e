"""torch: record a compiled pass once, then launch it as a whole.

A pass is hundreds of kernels, each of which costs microseconds to launch from Python; a CUDA graph launches
them together, and on a CPU a list of what inductor's Python would launch (`torch_launches.py`). A recording
reads and writes the memory it was made with, so each cache has its own, freed with the cache, and inputs that
change between passes are copied into place.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.utils.weak import WeakIdKeyDictionary

Run = Callable[..., Sequence[torch.Tensor]]
Replay = Callable[[], None]


class Pass(Protocol):
    """One pass over one cache, to be run repeatedly."""

    @property
    def inputs(self) -> list[torch.Tensor]:
        """Return its arguments, which may be changed in place between two runs."""
        ...

    def run(self) -> Sequence[torch.Tensor]:
        """Return the results, which the next run may overwrite."""
        ...


class PlainPass:
    """A `Pass` without a recording.

    Args:
        function: takes arguments and a cache's tensors.
        given: the first arguments.
        cache: the cache's tensors.
    """

    def __init__(
        self, function: Run, given: Sequence[torch.Tensor], cache: Sequence[torch.Tensor]
    ) -> None:
        self.inputs = [value.clone() for value in given]
        self._function, self._cache = function, cache

    def run(self) -> Sequence[torch.Tensor]:
        return self._function(*self.inputs, *self._cache)


@dataclass(frozen=True)
class RecordedPass:
    """A recorded `Pass`.

    Attributes:
        inputs: buffers for the arguments.
        outputs: buffers that each replay fills.
        replay: runs the pass.
    """

    inputs: list[torch.Tensor]
    outputs: Sequence[torch.Tensor]
    replay: Replay

    def run(self) -> Sequence[torch.Tensor]:
        self.replay()
        return self.outputs


def record_on_cuda(
    run: Callable[[], Sequence[torch.Tensor]],
) -> tuple[Sequence[torch.Tensor], Replay]:
    """Record a function's work on the GPU.

    Args:
        run: reads and writes tensors that stay in place; it may run several times.

    Returns:
        The tensors that hold its results, and a function that recomputes them.
    """
    aside: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # the setup of a first run must not be recorded
        run()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    # This thread only: another may be compiling.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        outputs = run()
    return outputs, graph.replay


class Replayed:
    """A pass that is recorded for each new cache, and replayed from then on.

    Args:
        run: the pass, taking arguments and a cache's tensors. It writes to the cache depending on the
            arguments only, so running it twice equals running it once.
        arguments: number of inputs that are not the cache.
        record: as `record_on_cuda`.
    """

    def __init__(self, run: Run, arguments: int, record: Any = record_on_cuda) -> None:
        self._run, self._arguments, self._record = run, arguments, record
        self._recordings: MutableMapping[torch.Tensor, RecordedPass] = WeakIdKeyDictionary()

    def __call__(self, *tensors: torch.Tensor) -> list[torch.Tensor]:
        given, cache = tensors[: self._arguments], tensors[self._arguments :]
        # Copied, because the next replay overwrites them.
        return [output.clone() for output in self.over(given, cache).run()]

    def over(self, given: Sequence[torch.Tensor], cache: Sequence[torch.Tensor]) -> RecordedPass:
        """Return the recording for a cache, with these arguments in place."""
        recording = self._recordings.get(cache[0])
        if recording is None:
            recording = self._recordings[cache[0]] = self._recorded(given, cache)
        for place, value in zip(recording.inputs, given, strict=True):
            place.copy_(value)
        return recording

    def _recorded(
        self, given: Sequence[torch.Tensor], cache: Sequence[torch.Tensor]
    ) -> RecordedPass:
        # Detached, since a recording that keeps the very tensor it is found by would live for ever.
        inputs, cache = [value.clone() for value in given], [one.detach() for one in cache]
        outputs, replay = self._record(lambda: self._run(*inputs, *cache))
        return RecordedPass(inputs, outputs, replay)
