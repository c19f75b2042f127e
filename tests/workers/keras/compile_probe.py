"""Compile a small program as a worker does: `python -m tests.workers.keras.compile_probe BACKEND`.

It prints the result, the note on the cache, and the files in its folder. On torch the first compilation
fails, as if a cached program could not be loaded.
"""

from __future__ import annotations

import json
import os
import sys
import time
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

    from codegemma_ui.workers.keras.steps.torch_compiling import Graphs
    from codegemma_ui.workers.keras.steps.torch_graph import compile_graph, trace

    inputs = (torch.tensor([2.0] * 64),)
    graph = trace(lambda x: torch.sin(x) * 0 + x * 3 + 1, inputs)
    failures = [OSError("old.so: file too short")]

    def fails_at_first() -> Any:
        if failures:
            raise failures.pop()
        return compile_graph(graph, inputs)

    graphs = Graphs("cpu", str)
    graphs.add(("sample",), graph, fails_at_first)
    graphs.warmed()
    while graphs.compiling:
        time.sleep(0.01)
    run = graphs.find(("sample",))
    if graphs.note or run is None or run is graph:
        raise RuntimeError(graphs.note or "It was not compiled.")
    return float(run(*inputs)[0])


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
