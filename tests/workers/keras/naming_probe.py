"""Compile two programs on tensorflow in a given order: `python -m tests.workers.keras.naming_probe ab`.

It prints the number of compiled programs in the cache folder.
"""

from __future__ import annotations

import os
import sys

from codegemma_ui import installation
from codegemma_ui.workers.keras import framework

framework.before_import("tensorflow")

import tensorflow as tf  # noqa: E402

from codegemma_ui.workers.keras.steps.tensorflow import Compiled  # noqa: E402


def looped(step: float) -> Compiled:
    def loop(x: tf.Tensor) -> tf.Tensor:
        return tf.while_loop(lambda y: y < 9.0, lambda y: y + step, [x])[0]

    return Compiled(loop, f"loop {step}")


programs = {"a": looped(1.0), "b": looped(2.0)}
for name in sys.argv[1]:
    for _ in range(2):  # tensorflow traces a function anew at its second call
        programs[name](tf.constant(0.5))
print(len(list((installation.cache_folder() / "tensorflow").rglob("*.pb"))))
sys.stdout.flush()
os._exit(0)  # as a worker ends
