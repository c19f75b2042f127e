"""Statuses with a model that is ready, and other models on offer."""

from __future__ import annotations

from codegemma_ui import presets
from codegemma_ui.ipc.messages import Status

READY = Status(
    state="ready",
    preset="bundled",
    backend="jax",
    dtype="float32",
    device="CPU",
    parameters=7_799_808,
    memory_bytes=700 * 2**20,
    context_length=512,
    summary="Model: …",
)

OFFERED = presets.offered()
