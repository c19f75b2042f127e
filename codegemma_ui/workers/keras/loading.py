"""Load a local preset folder into steps in the right precision. Knows nothing of prompts or tokens.

KerasHub defines how a preset's files become variables, but the variables themselves are never created. Each
value is arranged as it is read, so that a large model is in memory once.
"""

from __future__ import annotations

import contextlib
import importlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from codegemma_ui.presets import model_format
from codegemma_ui.workers.keras import failures, parallel, precision
from codegemma_ui.workers.keras.framework import Device, return_free_memory
from codegemma_ui.workers.keras.precision import Precision
from codegemma_ui.workers.keras.steps import Steps, stop_array

Report = Callable[[float], None]

LARGE_VARIABLE = 1 << 24
"""Variable size from which freed memory is returned to the system."""


@dataclass(frozen=True)
class Model:
    """A model ready to run.

    Attributes:
        steps: passes, not yet compiled.
        precision: its precision.
        parameters: number of weights.
        summary: KerasHub's own `summary()`.
    """

    steps: Steps
    precision: Precision
    parameters: int
    summary: str


def load(
    folder: Path,
    backend: str,
    dtype: str,
    device: Device,
    model_parallel: int = 1,
    report: Report = lambda _: None,
) -> Model:
    """Load a Gemma.

    Args:
        folder: local preset.
        backend: backend that Keras uses.
        dtype: as in `precision.choose`. If "auto" gives float16 and that overflows in this model, float32
            replaces it.
        device: device that runs it.
        model_parallel: number of devices like this one to shard over; jax only.
        report: called with the share of the weights that have been read.
    """
    if model_parallel > 1:
        parallel.distribute(folder, model_parallel)
    # Counting them takes a second, and only "auto" needs it.
    chosen = precision.choose(dtype, device, _parameters(folder) if dtype == "auto" else 0)
    model = _load(folder, backend, chosen, report)
    if dtype == "auto" and chosen.weights == "float16" and not _is_finite(model.steps):
        del model
        model = _load(folder, backend, precision.choose("float32", device, 0), report)
    return model


def _load(folder: Path, backend: str, chosen: Precision, report: Report) -> Model:
    from codegemma_ui.workers.keras import steps
    from codegemma_ui.workers.keras.steps import weights

    models = importlib.import_module("keras_nlp").models
    with _of_preset(folder):
        with unmade_variables(), untrained(models.GemmaCausalLM):
            model = models.GemmaCausalLM.from_preset(
                str(folder), dtype=chosen.loads, load_weights=False
            )
        shape = _with_config_values(folder, weights.shape_of(model.backbone, chosen))
        assembler = weights.Assembler(steps.arrangement(backend, shape, chosen), report)
        with unmade_variables(), _taking(assembler):
            models.GemmaBackbone.from_preset(str(folder), dtype=chosen.loads)
        arranged = assembler.weights()
    return Model(steps.create(backend, shape, arranged), chosen, shape.parameters, _summary(model))


def _parameters(folder: Path) -> int:
    models = importlib.import_module("keras_nlp").models
    with _of_preset(folder), unmade_variables():
        return int(models.GemmaBackbone.from_preset(str(folder), load_weights=False).count_params())


def _with_config_values(folder: Path, shape: Any) -> Any:
    """Apply to a shape what KerasHub's converter (0.32) ignores in a transformers config.json."""
    config = model_format.config_in(folder)
    if config.get("model_type") not in model_format.GEMMA_TYPES:
        return shape
    rope = config.get("rope_parameters") or config  # the latter before transformers 5
    return replace(
        shape,
        epsilon=float(config.get("rms_norm_eps", shape.epsilon)),
        max_wavelength=float(rope.get("rope_theta", shape.max_wavelength)),
    )


def _summary(model: Any) -> str:
    lines: list[str] = []
    model.summary(print_fn=lambda line, **_: lines.append(line), line_length=80)
    return "\n".join(lines)


@contextlib.contextmanager
def _of_preset(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise failures.of_preset(error, folder)  # noqa: B904  # often the same error


@contextlib.contextmanager
def unmade_variables() -> Iterator[None]:
    """Create layers whose variables have a shape and no value."""
    keras = importlib.import_module("keras")
    with keras.StatelessScope(initialize_variables=False):
        yield


@contextlib.contextmanager
def _taking(assembler: Any) -> Iterator[None]:
    """Redirect variable assignments to the assembler."""
    keras = importlib.import_module("keras")

    def take(variable: Any, value: Any) -> None:
        assembler.take(variable, value)
        if math.prod(variable.shape) >= LARGE_VARIABLE:
            return_free_memory()

    with mock.patch.object(keras.Variable, "assign", take):
        yield


@contextlib.contextmanager
def untrained(kind: Any) -> Iterator[None]:
    """Create models without an optimizer, which would create variables with values."""
    with mock.patch.object(kind, "compile"):
        yield


def _is_finite(steps: Steps) -> bool:
    """Return whether a short forward pass stays within the precision's range."""
    ids = np.arange(32, dtype=np.int32)
    _, batch, _ = steps.prefill(steps.allocate(256), ids, 0, 31, stop_array(()))
    return bool(np.isfinite(batch.logprobs[:, 0]).all())
