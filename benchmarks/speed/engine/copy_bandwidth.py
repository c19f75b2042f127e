"""Memory bandwidth of a CUDA card: bytes per second of a copy, read and written bytes together.

`python -m benchmarks.speed.engine.copy_bandwidth` prints `{"copy": [[bytes, bytes per second]]}`.
"""

from __future__ import annotations

import json

import torch

from benchmarks.speed.engine.subject import NO_CUDA

COPY_BYTES = 2**30
PASSES = 20


def main() -> None:
    """Measure with the card's own clock; print the fastest pass."""
    if not torch.cuda.is_available():
        raise SystemExit(f"torch {NO_CUDA}")
    source = torch.ones(COPY_BYTES // 4, dtype=torch.float32, device="cuda")
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(PASSES):
        started = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        ended = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        started.record()
        target.copy_(source)
        ended.record()
        torch.cuda.synchronize()
        best = min(best, started.elapsed_time(ended) / 1000)
    print(json.dumps({"copy": [[COPY_BYTES, 2 * COPY_BYTES / best]]}))


if __name__ == "__main__":
    main()
