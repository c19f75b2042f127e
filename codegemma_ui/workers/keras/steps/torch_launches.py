"""torch on a CPU: record what a compiled pass launches, then launch that again without the Python around it.

The Python that inductor generates allocates a hundred buffers and checks sixty tensors, each time: 0.23 of
the 0.88 ms that a token of the bundled model took (float32, two cores of a Xeon).
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from codegemma_ui.workers.keras.steps import torch_names

Launch = Callable[[], Any]

_PATCHED = threading.Lock()


def record_on_cpu(
    run: Callable[[], Sequence[torch.Tensor]],
) -> tuple[Sequence[torch.Tensor], Launch]:
    """Record the kernels and operations of a compiled pass.

    Args:
        run: as in `record_on_cuda`.

    Returns:
        The tensors that hold its results, and a function that recomputes them. Where the recording does not
        give the pass's own results, that function is the pass itself.
    """
    launches: list[Launch] = []

    def replay() -> None:
        for launch in launches:
            launch()

    try:
        with _kernels_recorded(launches), _Operations(launches):
            outputs = run()
        if _recomputes(replay, outputs, run()):
            return outputs, replay
    except Exception:  # such as an operation that returns no tensor
        traceback.print_exc()
    outputs = [output.clone() for output in run()]
    return outputs, lambda: _copy(outputs, run())


def _recomputes(
    replay: Launch, outputs: Sequence[torch.Tensor], again: Sequence[torch.Tensor]
) -> bool:
    """Return whether a replay sets all outputs to the results of another run."""
    for output, other in zip(outputs, again, strict=True):
        if output.data_ptr() != other.data_ptr():  # else a constant
            output.add_(1)  # wrong, for the replay to set right
    replay()
    return all(map(torch.equal, outputs, again))


@contextmanager
def _kernels_recorded(launches: list[Launch]) -> Iterator[None]:
    """Record this thread's calls of the kernels that inductor has compiled."""
    thread = threading.get_ident()

    def recorded(kernel: Callable[..., None], *arguments: Any) -> None:
        kernel(*arguments)
        if threading.get_ident() == thread:
            launches.append(partial(kernel, *arguments))

    with _PATCHED:
        kernels = list(torch_names.cpu_kernels())
        for names, name in kernels:
            names[name] = partial(recorded, names[name])
        try:
            yield
        finally:
            for names, name in kernels:
                names[name] = names[name].args[0]


class _Operations(TorchDispatchMode):  # type: ignore[misc, no-untyped-call]
    """Record torch's own operations, which the generated Python calls between kernels."""

    def __init__(self, launches: list[Launch]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._launches = launches

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        del types
        run = partial(operation, *args, **(kwargs or {}))
        result = run()
        if operation._schema.is_mutable:
            self._launches.append(run)
        elif not operation.is_view:  # a view's memory is written by others
            self._launches.append(lambda: _copy(tree_leaves(result), tree_leaves(run())))
        return result


def _copy(into: Sequence[torch.Tensor], values: Sequence[torch.Tensor]) -> None:
    for one, value in zip(into, values, strict=True):
        one.copy_(value)
