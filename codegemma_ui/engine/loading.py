"""From a local preset folder to a model in the right precision. Knows nothing of prompts or tokens."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from codegemma_ui.engine import failures, parallel, precision
from codegemma_ui.engine.environment import Device
from codegemma_ui.engine.precision import Precision


def load(
    folder: Path, dtype: str, device: Device, model_parallel: int = 1
) -> tuple[Any, Precision]:
    """Load a `GemmaCausalLM`.

    Args:
        folder: a local KerasHub preset.
        dtype: as `precision.choose` takes it. Where "auto" comes to float16 and that overflows in this
            model, float32 takes its place.
        device: where it will run.
        model_parallel: over how many devices like this one it is parted; jax only.

    Returns:
        The model, in what its weights are loaded in, and the precision that it is to run in.
    """
    chosen = precision.choose(dtype, device)
    if model_parallel > 1:
        parallel.distribute(folder, model_parallel)
    model = _from_preset(folder, chosen.loads)
    if dtype == "auto" and chosen.weights == "float16" and not _finite(model):
        del model
        chosen = precision.choose("float32", device)
        model = _from_preset(folder, chosen.loads)
    return model, chosen


def _from_preset(folder: Path, dtype: str) -> Any:
    keras_nlp = importlib.import_module("keras_nlp")
    try:
        with _nothing_drawn():
            return keras_nlp.models.GemmaCausalLM.from_preset(str(folder), dtype=dtype)
    except Exception as error:
        raise failures.of_preset(error, folder)  # noqa: B904  # often the error itself


@contextlib.contextmanager
def _nothing_drawn() -> Iterator[None]:
    """What weights start as is loaded over, so it is not drawn in here.

    Drawing 2.5 billion random numbers takes time. On torch weights start as memory that nobody has touched,
    which takes none: then the largest, the embedding, is read before the others are there.
    """
    initializers = importlib.import_module("keras").initializers
    with contextlib.ExitStack() as stack:
        for name in ("RandomNormal", "VarianceScaling"):
            kind = getattr(initializers, name)
            stack.enter_context(mock.patch.object(kind, "__call__", _anything))
        yield


def _anything(_: Any, shape: Any, dtype: Any = None, **_more: Any) -> Any:
    keras = importlib.import_module("keras")
    if keras.backend.backend() != "torch":
        return keras.ops.zeros(shape, dtype=dtype)
    device = keras.ops.zeros(0).device  # where Keras puts weights
    torch = importlib.import_module("torch")
    dtype = getattr(torch, keras.backend.standardize_dtype(dtype))
    return torch.empty(shape, dtype=dtype, device=device)


def _finite(model: Any) -> bool:
    """Whether a short forward pass stays within the precision's range."""
    keras = importlib.import_module("keras")
    token_ids = np.arange(16, dtype="int32")[None, :]
    logits = model({"token_ids": token_ids, "padding_mask": np.ones_like(token_ids)})
    return bool(np.isfinite(keras.ops.convert_to_numpy(keras.ops.cast(logits, "float32"))).all())


def summary(model: Any) -> str:
    """The model's own `summary()`, as text."""
    lines: list[str] = []
    model.summary(print_fn=lambda line, **_: lines.append(line), line_length=80)
    return "\n".join(lines)
