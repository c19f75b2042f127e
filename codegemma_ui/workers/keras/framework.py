"""The framework of the worker: settings before and right after its import, its device and memory."""

from __future__ import annotations

import contextlib
import ctypes
import getpass
import importlib
import logging
import os
import sys
from dataclasses import dataclass

from codegemma_ui import cache_folder, installation, machine
from codegemma_ui.errors import LoadFailed
from codegemma_ui.machine import framework_variables
from codegemma_ui.workers.keras import compiled

UNUSED = ("IPython", "kagglehub", "matplotlib", "pandas")
"""Packages that Keras and keras-hub import if they are there: for notebooks, plots, tables and downloads."""

_TENSORFLOW = ("tensorflow", "tensorflow_text")


def before_import(backend: str, torch_device: str = "auto", keep_compiled: bool = True) -> None:
    """Set what the frameworks read at import, and keep out of the process what Keras would import unused.

    keras-hub works without tensorflow (it tokenises through sentencepiece). Not importing it starts about 4 s
    faster and leaves the GPU to the one framework that needs it. `UNUSED` takes another second.

    Args:
        backend: Keras backend.
        torch_device: one of `settings.TORCH_DEVICES`; for the torch backend.
        keep_compiled: as in `compiled.use`.

    Raises:
        LoadFailed: the device does not exist.
    """
    framework_variables.settle(os.environ, backend)
    _name_the_user()
    others = {"tensorflow": ("jax",), "torch": ("jax", *_TENSORFLOW), "jax": _TENSORFLOW}[backend]
    for name in (*UNUSED, *others):
        sys.modules[name] = None  # type: ignore[assignment]  # importing it now fails
    compiled.use(backend, keep_compiled)
    if backend == "torch":
        # Huge pages: CodeGemma 2B in bfloat16 decodes 1.15 times as fast (two cores).
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
        # By default, Keras prefers a Mac's "mps" to anything else (3.15).
        os.environ["KERAS_TORCH_DEVICE"] = torch_device_name(torch_device)
    logging.getLogger("absl").setLevel(logging.ERROR)


def _name_the_user() -> None:
    """Name the user: libraries need one, and a container's may have neither an entry nor a home."""
    installation.settle_home()
    cache_folder.settle_matplotlib()
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):  # torch before 2.9 names a folder after the user
        os.environ["LOGNAME"] = f"uid-{os.getuid()}" if hasattr(os, "getuid") else "unknown"


def torch_device_name(requested: str) -> str:
    """Return Keras's name for the device torch is to use: "cuda", "cpu" or "mps".

    Args:
        requested: one of `settings.TORCH_DEVICES`. "auto" is CUDA if there is a GPU, else the CPU.

    Raises:
        LoadFailed: the device does not exist.
    """
    torch = importlib.import_module("torch")
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if requested == "auto":
        return "cuda" if there["cuda"] else "cpu"
    if not there[requested]:
        has = ", ".join(name for name, is_there in there.items() if is_there)
        raise LoadFailed(
            f"--torch-device {requested} needs a device that torch has. Received: torch "
            f"{torch.__version__} with {has}",
            "Choose --torch-device auto, or install a torch that is built for the device.",
            code="no_such_device",
        )
    return requested


@dataclass(frozen=True)
class Device:
    """The device that runs the model.

    Attributes:
        name: "CPU" or the GPU's name.
        accelerated: whether it is a GPU.
        bfloat16: whether the GPU computes in bfloat16 (CUDA compute capability 8 or higher).
    """

    name: str
    accelerated: bool
    bfloat16: bool


CPU = Device("CPU", accelerated=False, bfloat16=False)


def device(backend: str) -> Device:
    """Return the device that the framework will use."""
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
    chosen = os.environ["KERAS_TORCH_DEVICE"]
    if chosen == "mps":
        return Device("Apple GPU", accelerated=True, bfloat16=False)
    if chosen == "cpu":
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


def return_free_memory() -> None:
    """Return freed memory to the system: after a large model was loaded or XLA compiled for it, glibc keeps
    up to a gigabyte of it in fragments."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # not glibc
            ctypes.CDLL(None).malloc_trim(0)


def memory_in_use(backend: str, device: Device, devices: int = 1) -> int:
    """Return the bytes this process holds: resident main memory, plus the memory of `devices` GPUs."""
    resident = machine.resident_bytes(os.getpid())
    if not device.accelerated:
        return resident
    return resident + _GPU_MEMORY_IN_USE[backend](devices)


def _jax_memory_in_use(devices: int) -> int:
    cards = importlib.import_module("jax").devices()[:devices]
    stats = [card.memory_stats() or {} for card in cards]
    return sum(int(one.get("bytes_in_use", 0)) for one in stats)


def _torch_memory_in_use(_: int) -> int:
    torch = importlib.import_module("torch")
    on_mps = os.environ["KERAS_TORCH_DEVICE"] == "mps"
    used = torch.mps.current_allocated_memory() if on_mps else torch.cuda.memory_allocated()
    return int(used)


def _tensorflow_memory_in_use(_: int) -> int:
    tensorflow = importlib.import_module("tensorflow")
    return int(tensorflow.config.experimental.get_memory_info("GPU:0")["current"])


_GPU_MEMORY_IN_USE = {
    "jax": _jax_memory_in_use,
    "torch": _torch_memory_in_use,
    "tensorflow": _tensorflow_memory_in_use,
}
