"""From a local preset folder to a model in the right precision. Knows nothing of prompts or tokens."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from codegemma_ui.engine.environment import Device


def load(folder: Path, dtype: str, device: Device) -> tuple[Any, str]:
    """Load a `GemmaCausalLM`.

    Args:
        folder: a local KerasHub preset.
        dtype: "auto", "float32", "bfloat16" or "float16". "auto" is float32 on a CPU, bfloat16 on a
            card that has it, else float16, unless that overflows in this model: then float32.
        device: where it will run.

    Returns:
        The model and the precision it really has.
    """
    chosen = _auto(device) if dtype == "auto" else dtype
    model = _from_preset(folder, chosen)
    if dtype == "auto" and chosen == "float16" and not _finite(model):
        del model
        chosen = "float32"
        model = _from_preset(folder, chosen)
    return model, chosen


def _auto(device: Device) -> str:
    if not device.accelerated:
        return "float32"
    return "bfloat16" if device.bfloat16 else "float16"


def _from_preset(folder: Path, dtype: str) -> Any:
    keras_nlp = importlib.import_module("keras_nlp")
    return keras_nlp.models.GemmaCausalLM.from_preset(str(folder), dtype=dtype)


def _finite(model: Any) -> bool:
    """Whether a short forward pass stays within the precision's range."""
    keras = importlib.import_module("keras")
    token_ids = np.arange(16, dtype="int32")[None, :]
    logits = model({"token_ids": token_ids, "padding_mask": np.ones_like(token_ids)})
    return bool(np.isfinite(keras.ops.convert_to_numpy(keras.ops.cast(logits, "float32"))).all())


def summary(model: Any) -> str:
    """The model's own `summary()`, as text."""
    lines: list[str] = []
    model.summary(print_fn=lambda line, **_: lines.append(line), line_length=90)
    return "\n".join(lines)
