"""What the card itself can do, measured with torch: bytes and operations a second, on random data.

`python -m tools.gpu.bandwidth` is asked for "card" (`child.py`).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from tools.gpu.card import NO_CUDA
from tools.gpu.child import serve
from tools.gpu.results import Figures
from tools.gpu.workload import spread

COPY_BYTES, SMALL_COPY_BYTES = 2**32, 2**26
SIDE, SMALL_SIDE = 8192, 256
"""Rows and columns of the matrices."""

PASSES = 20


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true")
    small = parser.parse_args().small
    serve(lambda _: measured(small))


def measured(small: bool) -> Figures:
    """Return bandwidth and speed of a product, as medians, with the slowest and the fastest pass.

    Args:
        small: on the CPU, with little data.

    Raises:
        RuntimeError: torch finds no card.
    """
    if not small and not torch.cuda.is_available():
        raise RuntimeError(f"torch {NO_CUDA}")
    device = "cpu" if small else "cuda"
    size, side = (SMALL_COPY_BYTES, SMALL_SIDE) if small else (COPY_BYTES, SIDE)
    return {
        "device": "cpu" if small else torch.cuda.get_device_name(0),
        "torch": torch.__version__,
        **spread("copy", "gb_s", [2 * size / each / 1e9 for each in _copies_s(size, device)]),
        **spread("read", "gb_s", [size / each / 1e9 for each in _reads_s(size, device)]),
        **spread(
            "matmul", "tflop_s", [2 * side**3 / each / 1e12 for each in _products_s(side, device)]
        ),
    }


def _copies_s(size: int, device: str) -> list[float]:
    source = torch.randn(size // 2, dtype=torch.bfloat16, device=device)
    target = torch.empty_like(source)
    return seconds(lambda: target.copy_(source), device)


def _reads_s(size: int, device: str) -> list[float]:
    return seconds(torch.randn(size // 4, device=device).sum, device)


def _products_s(side: int, device: str) -> list[float]:
    left, right = (torch.randn(side, side, dtype=torch.bfloat16, device=device) for _ in range(2))
    return seconds(lambda: left @ right, device)


def seconds(work: Callable[[], object], device: str, passes: int = PASSES) -> list[float]:
    """Return the seconds of each pass: by the card's own events, on a CPU by the clock.

    Args:
        work: what is timed; it runs a few times before.
        device: "cuda" or "cpu".
        passes: how often it is timed.
    """
    for _ in range(3):
        work()
    found = []
    for _ in range(passes):
        if device == "cpu":
            begun = time.perf_counter()
            work()
            found.append(time.perf_counter() - begun)
            continue
        started = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        ended = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()
        started.record()
        work()
        ended.record()
        torch.cuda.synchronize()
        found.append(started.elapsed_time(ended) / 1000)
    return found


if __name__ == "__main__":
    main()
