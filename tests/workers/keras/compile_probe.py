"""Compile a small program as a worker does: `python -m tests.workers.keras.compile_probe BACKEND`.

It prints the result, the note on the cache, and the files in its folder. On torch the first compilation
fails, as if a cached program could not be loaded.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from codegemma_ui import installation
from codegemma_ui.workers.keras import compiled, framework

BACKEND = sys.argv[1]
framework.before_import(BACKEND)


def on_jax() -> float:
    import jax

    return float(jax.jit(lambda x: x * 3 + 1)(2.0))


def on_tensorflow() -> float:
    import tensorflow as tf

    from codegemma_ui.workers.keras.steps.tensorflow import Compiled

    return float(Compiled(lambda x: x * 3 + 1, "probe")(tf.constant(2.0)))


def on_torch() -> float:
    import torch

    from codegemma_ui.workers.keras.steps.torch import TorchSteps
    from codegemma_ui.workers.keras.steps.torch_graph import trace

    steps = TorchSteps.__new__(TorchSteps)
    steps._graphs, steps._compiled, steps.compiling, steps.note = {}, 0, 1, None
    steps._used, steps._lock, steps._compiler_runs = set(), threading.Lock(), True
    steps._device, steps._compiles = torch.device("cpu"), True
    inputs = (torch.tensor([2.0] * 64),)
    graph = trace(lambda x: torch.sin(x) * 0 + x * 3 + 1, inputs)
    key, failures = ("sample", 1, 0), [OSError("old.so: file too short")]
    really = steps._compile

    def fails_at_first(*job: Any) -> Any:
        if failures:
            raise failures.pop()
        return really(*job)

    steps._compile = fails_at_first  # type: ignore[assignment, method-assign]
    steps._to_compile = [(key, graph, [], inputs)]
    steps._compile_all()
    if steps.note:
        raise RuntimeError(steps.note)
    return float(steps._graphs[key](*inputs)[0])


result = {"jax": on_jax, "tensorflow": on_tensorflow, "torch": on_torch}[BACKEND]()
compiled.model_loaded()
compiled.save_checksums()
folder = installation.cache_folder() / BACKEND
kept = [one for one in folder.rglob("*") if one.is_file()] if folder.is_dir() else []
report = {
    "result": result,
    "note": compiled.note(),
    "kept": sorted(str(one.relative_to(folder)) for one in kept),
    "home": sorted(one.name for one in Path(os.environ["HOME"]).iterdir()),
}
print("\n" + json.dumps(report))
sys.stdout.flush()
os._exit(0)  # as a worker ends
