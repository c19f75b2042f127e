"""On a card a quantised matrix is multiplied whole: blocks, which suit a CPU's caches, would be thousands of
loops a token. Each backend in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

JAX = """
import sys
import jax, numpy as np
from codegemma_ui.workers.keras.steps.jax import JaxKernels
from codegemma_ui.workers.keras.steps.weights import Quantized
matrix = Quantized(jax.numpy.ones((4096, 2048), "int8"), jax.numpy.ones(4096), None)
x = jax.numpy.ones((1, 2048))
for place in ("cpu", "gpu"):
    jax.default_backend = lambda: place
    multiply = JaxKernels().multiply_quantized
    assert np.allclose(multiply(x, matrix), 2048)
    program = str(jax.make_jaxpr(multiply)(x, matrix))
    assert ("scan" in program or "while" in program) == (place == "cpu"), program
"""

TENSORFLOW = """
import numpy as np, tensorflow as tf
from codegemma_ui.workers.keras.steps import tensorflow as steps
from codegemma_ui.workers.keras.steps.weights import Quantized
matrix = Quantized(tf.ones((4096, 2048), "int8"), tf.ones(4096), None)
x = tf.ones((1, 2048))
for cpu in (True, False):
    steps.on_cpu = lambda: cpu
    multiply = tf.function(steps.TensorflowKernels().multiply_quantized, jit_compile=True)
    assert np.allclose(multiply(x, matrix), 2048)
    graph = multiply.get_concrete_function(x, matrix).graph
    assert any("While" in operation.type for operation in graph.get_operations()) == cpu
"""


@pytest.mark.parametrize(("backend", "code"), [("jax", JAX), ("tensorflow", TENSORFLOW)])
def test_blocks_are_for_a_cpu(backend: str, code: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        encoding="utf-8",
        timeout=50,
    )
    assert done.returncode == 0, done.stderr[-3000:]
