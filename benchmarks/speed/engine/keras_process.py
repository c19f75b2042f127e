"""Shared by all processes with a Keras model: choose the backend, find the device, size the model."""

from __future__ import annotations

import argparse
import importlib
import math
from typing import Any

from benchmarks.speed.engine.subject import NO_CUDA
from codegemma_ui.workers.keras import framework
from codegemma_ui.workers.keras.framework import Device

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1, "uint8": 1, "int32": 4}


def begin(given: argparse.Namespace) -> Device:
    """Set the backend before Keras is imported, and return the device of the model.

    Raises:
        RuntimeError: a GPU is wanted and the framework finds none.
    """
    framework.before_import(given.backend)
    device = framework.device(given.backend)
    if given.device == "cuda" and not device.accelerated:
        raise RuntimeError(f"{given.backend} {NO_CUDA}")
    return device


def weight_bytes(backbone: Any) -> int:
    """Return the bytes of all weights of a backbone, each in its stored precision."""
    standardize = importlib.import_module("keras").backend.standardize_dtype
    return sum(
        math.prod(variable.shape) * _BYTES[standardize(variable.dtype)]
        for variable in backbone.weights
    )


def device_peak_bytes(backend: str, device: Device) -> int | None:
    """Return the peak GPU memory in bytes, as counted by the framework; None on a CPU."""
    if not device.accelerated:
        return None
    library = importlib.import_module(backend)
    if backend == "torch":
        return int(library.cuda.max_memory_allocated())
    if backend == "jax":
        return int((library.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0))
    return int(library.config.experimental.get_memory_info("GPU:0")["peak"])
