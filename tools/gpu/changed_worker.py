"""The real worker with a detail changed, to compare it with itself or to bring about what seldom happens.

python -m tools.gpu.changed_worker --change no-graphs … the worker's own flags
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from codegemma_ui import machine
from codegemma_ui.workers.keras import framework, worker

TORCH_STEPS = "codegemma_ui.workers.keras.steps.torch"

SMALL_CARD_BYTES = 12 * 2**20
"""Memory of the small card: the bundled model in float32 has 24 MB."""


def main() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--change", required=True, choices=tuple(CHANGES))
    parser.add_argument("--count", type=Path, help="file for the number of recorded graphs")
    given, sys.argv[1:] = parser.parse_known_args()
    before_import = framework.before_import

    def settled(backend: str, torch_device: str = "auto", keep_compiled: bool = True) -> None:
        before_import(backend, torch_device, keep_compiled)
        CHANGES[given.change](given, backend)

    framework.before_import = settled
    worker.main()


def without_graphs(*_: object) -> None:
    """Launch kernel by kernel on torch, instead of whole passes as CUDA graphs."""
    module: Any = importlib.import_module(TORCH_STEPS)
    module.RECORD.clear()
    if not importlib.import_module("torch").cuda.is_available():
        module.TorchSteps._compile = lambda _, *graph: partial(graph[1], *graph[2])


def with_counted_graphs(given: argparse.Namespace, _: str) -> None:
    """Write into a file how many CUDA graphs torch has recorded.

    On a CPU nothing is compiled here, and a recording is a stand-in that runs the pass again.
    """
    module: Any = importlib.import_module(TORCH_STEPS)
    recorded, numbers = module.Replayed._recorded, itertools.count(1)

    def counted(self: Any, *inputs: Any) -> Any:
        made = recorded(self, *inputs)
        given.count.write_text(str(next(numbers)), encoding="ascii")
        return made

    def replayed(_: Any, key: Any, graph: Any, every: Any, _examples: Any, count: int) -> Any:
        run = partial(graph, *every)
        decodes = key[0] in ("step", "step_rows", "verify")
        return module.Replayed(run, count, record_by_running) if decodes else run

    module.Replayed._recorded = counted
    if not importlib.import_module("torch").cuda.is_available():
        module.TorchSteps._compile = replayed


def record_by_running(run: Callable[[], Sequence[Any]]) -> tuple[Sequence[Any], Callable[[], None]]:
    """Stand in for `torch_replay.record_on_cuda`: a replay runs the pass again, into the same results."""
    outputs = run()

    def replay() -> None:
        for output, new in zip(outputs, run(), strict=True):
            output.copy_(new)

    return outputs, replay


def in_full_float32(*_: object) -> None:
    """Multiply in float32 on jax, where XLA would use TF32."""
    importlib.import_module("jax").config.update("jax_default_matmul_precision", "highest")


def on_a_small_card(_: argparse.Namespace, backend: str) -> None:
    """Let this process use `SMALL_CARD_BYTES` of the first card; without one, do nothing."""
    cards = machine.gpus()
    if not cards:
        return
    share = SMALL_CARD_BYTES / cards[0].memory_bytes
    if backend == "jax":  # read when it first uses the card
        os.environ["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{share:.8f}"
    else:
        importlib.import_module("torch").cuda.set_per_process_memory_fraction(share)


CHANGES: dict[str, Callable[[argparse.Namespace, str], None]] = {
    "no-graphs": without_graphs,
    "graphs": with_counted_graphs,
    "full-float32": in_full_float32,
    "small-card": on_a_small_card,
}


if __name__ == "__main__":
    main()
