"""The worker's surroundings: what must be settled before and right after a framework is imported."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from dataclasses import dataclass

from codegemma_ui import installation, machine


def before_import(backend: str) -> None:
    """Choose the Keras backend; keep tensorflow out of a jax or torch process.

    keras-hub works without tensorflow (it tokenises through sentencepiece); not importing it starts
    about 4 s faster and leaves the GPU to the one framework that needs it.
    """
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if backend != "tensorflow":
        for name in ("tensorflow", "tensorflow_text"):
            sys.modules[name] = None  # type: ignore[assignment]  # an import of it now fails
    _keep_compiled(backend)
    # jax takes 75% of a GPU at start unless told otherwise; a switch must be able to follow.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    logging.getLogger("absl").setLevel(logging.ERROR)


def _keep_compiled(backend: str) -> None:
    """Let compiled programs outlive the process, in a folder of ours; what a person has set stays."""
    folder = installation.cache_folder() / backend
    if backend == "torch":
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))
    elif backend == "jax":
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    elif "persistent_cache" not in os.environ.get("TF_XLA_FLAGS", ""):
        flags = f"--tf_xla_persistent_cache_directory={folder} {os.environ.get('TF_XLA_FLAGS', '')}"
        os.environ["TF_XLA_FLAGS"] = flags.strip()


@dataclass(frozen=True)
class Device:
    """Where the model lives.

    Attributes:
        name: "CPU" or the card's name.
        accelerated: a GPU.
        bfloat16: the card computes in bfloat16 (CUDA compute capability 8 or more).
    """

    name: str
    accelerated: bool
    bfloat16: bool


CPU = Device("CPU", accelerated=False, bfloat16=False)


def device(backend: str) -> Device:
    """Ask the framework which device it will use."""
    return _DEVICES[backend]()


def _jax_device() -> Device:
    jax = importlib.import_module("jax")
    first = jax.devices()[0]
    if first.platform == "cpu":
        return CPU
    capability = float(getattr(first, "compute_capability", 0) or 0)
    return Device(first.device_kind, True, first.platform != "gpu" or capability >= 8)


def _torch_device() -> Device:
    torch = importlib.import_module("torch")
    if not torch.cuda.is_available():
        return CPU
    major, _ = torch.cuda.get_device_capability(0)
    return Device(torch.cuda.get_device_name(0), True, major >= 8)


def _tensorflow_device() -> Device:
    tensorflow = importlib.import_module("tensorflow")
    cards = tensorflow.config.list_physical_devices("GPU")
    if not cards:
        return CPU
    for card in cards:
        tensorflow.config.experimental.set_memory_growth(card, True)
    details = tensorflow.config.experimental.get_device_details(cards[0])
    major, _ = details.get("compute_capability", (0, 0))
    return Device(details.get("device_name", "GPU"), True, major >= 8)


_DEVICES = {"jax": _jax_device, "torch": _torch_device, "tensorflow": _tensorflow_device}


def memory_in_use(backend: str, device: Device, devices: int = 1) -> int:
    """Bytes that this process holds: resident main memory, plus the memory of so many GPUs."""
    resident = machine.resident_bytes(os.getpid())
    if not device.accelerated:
        return resident
    if backend == "torch":
        return resident + int(importlib.import_module("torch").cuda.memory_allocated())
    if backend == "jax":
        cards = importlib.import_module("jax").devices()[:devices]
        stats = [card.memory_stats() or {} for card in cards]
        return resident + sum(int(one.get("bytes_in_use", 0)) for one in stats)
    tensorflow = importlib.import_module("tensorflow")
    return resident + int(tensorflow.config.experimental.get_memory_info("GPU:0")["current"])
