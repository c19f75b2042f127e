"""Sample every case on one Keras backend, and print ids and logprobs as JSON for `test_sample.py`.

`python -m tests.workers.keras.sample_probe jax`, with KERAS_BACKEND=jax.
"""
# ruff: noqa: E402 - what may be imported depends on the backend, so that is settled first

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

BACKEND = sys.argv[1]
if BACKEND != "tensorflow":
    sys.modules["tensorflow"] = None  # type: ignore[assignment]

from codegemma_ui.workers.keras.steps import SamplingParams
from codegemma_ui.workers.keras.steps.sample import sample
from tests.workers.keras.sample_cases import LOGITS, cases


def main() -> None:
    report: dict[str, list[tuple[int, float]]] = {}
    for name, logits in LOGITS.items():
        run = compiled(logits)
        report[name] = []
        for temperature, top_k, top_p, number in cases():
            params = SamplingParams(
                np.float32(temperature),
                np.int32(top_k),
                np.float32(top_p),
                np.array([0.5, number], np.float32),
            )
            token_id, logprob = run(params)
            report[name].append((int(token_id[0]), float(logprob[0])))
    print(json.dumps(report))


def compiled(logits: np.ndarray) -> Callable[[SamplingParams], Any]:
    """Return the program as compiled by the backend, for one position's logits and the second number."""
    if BACKEND == "jax":
        import jax

        program = jax.jit(sample)
        return lambda params: program(logits, params, np.int32(1))
    if BACKEND == "tensorflow":
        import tensorflow as tf

        function = tf.function(sample, jit_compile=True, autograph=False)
        return lambda params: function(
            tf.constant(logits), SamplingParams(*map(tf.constant, params)), tf.constant(1)
        )
    import torch

    from codegemma_ui.workers.keras.steps.torch_graph import trace

    def flat(scores: torch.Tensor, *rest: torch.Tensor) -> Any:
        return sample(scores, SamplingParams(*rest[:4]), rest[4])

    scores, number = torch.tensor(logits), torch.tensor(1, dtype=torch.int32)
    example = [
        torch.as_tensor(value) for value in (*map(np.float32, (1, 0, 1)), np.zeros(2, np.float32))
    ]
    example[1] = example[1].to(torch.int32)
    graph = trace(flat, (scores, *example, number))

    def run(params: SamplingParams) -> Any:
        with torch.no_grad():
            return graph(scores, *map(torch.as_tensor, params), number)

    return run


if __name__ == "__main__":
    main()
