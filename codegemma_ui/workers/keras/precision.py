"""Precision of weights and of computation."""

from __future__ import annotations

from dataclasses import dataclass

from codegemma_ui.presets import LARGE
from codegemma_ui.workers.keras.framework import Device


@dataclass(frozen=True)
class Precision:
    """A requested precision, resolved for a device.

    Attributes:
        weights: "float32", "bfloat16", "float16", "int8" with one float32 scale per output, or "int4" with a
            scale and a zero point for every 32 weights.
        activations: precision of activations and KV cache: "float32", "bfloat16" or "float16".
    """

    weights: str
    activations: str

    @property
    def loads(self) -> str:
        """Precision in which KerasHub loads the weights, before they are arranged for the passes."""
        return "bfloat16" if self.weights in ("int8", "int4") else self.weights


def choose(dtype: str, device: Device, parameters: int) -> Precision:
    """Resolve a dtype choice for a device.

    A CPU computes in float32 whatever the weights' precision: weights are converted as they are read, so half
    the bytes take half the time and no sum is rounded.

    Args:
        dtype: one of `presets.DTYPES`. "auto" is bfloat16 on a GPU that supports it, else float16; on a CPU
            bfloat16 for a large model, else float32.
        device: where the model will run.
        parameters: number of parameters of the model.
    """
    half = "bfloat16" if device.bfloat16 else "float16"
    if dtype == "auto":
        on_cpu = "bfloat16" if parameters >= LARGE else "float32"
        dtype = half if device.accelerated else on_cpu
    if not device.accelerated:
        return Precision(dtype, "float32")
    return Precision(dtype, half if dtype == "int8" else dtype)
