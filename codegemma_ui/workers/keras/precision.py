"""What the weights are kept in, and what is computed in."""

from __future__ import annotations

from dataclasses import dataclass

from codegemma_ui.presets import LARGE
from codegemma_ui.workers.keras.environment import Device


@dataclass(frozen=True)
class Precision:
    """A precision that was asked for, on the device that it is for.

    Attributes:
        weights: "float32", "bfloat16", "float16", "int8", which has one float32 scale for each output, or
            "int4", which has a scale and a zero point for every 32 weights.
        activations: of activations and KV cache: "float32", "bfloat16" or "float16".
    """

    weights: str
    activations: str

    @property
    def loads(self) -> str:
        """What KerasHub is to load the weights in, before they are arranged for the passes."""
        return "bfloat16" if self.weights in ("int8", "int4") else self.weights


def choose(dtype: str, device: Device, parameters: int) -> Precision:
    """The precision that a choice means on a device.

    A CPU computes in float32 whatever the weights are kept in: it widens them as it reads them, so half the
    bytes are half the time and no sum is rounded.

    Args:
        dtype: one of `presets.DTYPES`. "auto" is bfloat16 on a card that has it, else float16; on a CPU
            bfloat16 for a large model, float32 for others.
        device: where the model will run.
        parameters: how many the model has.
    """
    half = "bfloat16" if device.bfloat16 else "float16"
    if dtype == "auto":
        on_cpu = "bfloat16" if parameters >= LARGE else "float32"
        dtype = half if device.accelerated else on_cpu
    if not device.accelerated:
        return Precision(dtype, "float32")
    return Precision(dtype, half if dtype == "int8" else dtype)
