"""Memory bandwidth of this machine: the upper bound of decode, as every token reads all weights.

`python -m benchmarks.speed.bandwidth --threads 2 --bytes 25000000` reads two arrays, one far larger than
the last cache and one as large as the weights, and prints `{"read": [[bytes, bytes per second], …]}`. A
small model's weights may stay in a cache, which its own size's figure shows.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.speed import surroundings
from codegemma_ui import machine

CACHES = 2
"""The large array is this many times the last cache, so that a sequential read never hits it."""

LEAST_BYTES = 2**28
MEMORY_SHARE = 4
"""The large array takes at most 1/4 of the free memory."""

PASSES_S = 1.0
"""Seconds for which one size is read repeatedly; the fastest pass counts."""


def large_bytes() -> int:
    """Return the size of the array beyond the caches on this machine, in bytes."""
    wanted = max(LEAST_BYTES, CACHES * surroundings.last_level_cache_bytes())
    memory = machine.memory_bytes()
    return wanted if memory is None else min(wanted, memory[1] // MEMORY_SHARE)


def read_rate(size: int, threads: int, seconds: float = PASSES_S) -> float:
    """Return bytes read per second, by all threads together.

    Each thread reads its own part with a dot product of the part's two halves, the fastest plain read
    in numpy: two loads and one multiply-add, in vector instructions, no store. It releases the GIL.

    Args:
        size: of the array, in bytes.
        threads: number of threads.
        seconds: duration.
    """
    each = size // threads // 8
    # Not zeros: untouched zero pages are all the same page, which any cache holds. The thread that reads
    # a part also fills it, so that the memory is local to it.
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(lambda _: np.full(2 * each, 0.5, np.float32), range(threads)))

        def read(part: np.ndarray) -> float:
            return float(np.dot(part[:each], part[each:]))

        best = float("inf")
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            started = time.perf_counter()
            list(pool.map(read, parts))
            best = min(best, time.perf_counter() - started)
    return threads * 2 * each * 4 / best


def main() -> None:
    """Read the flags, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", required=True, type=int)
    parser.add_argument("--bytes", type=int, action="append", default=[])
    given = parser.parse_args()
    sizes = [large_bytes(), *given.bytes]
    print(json.dumps({"read": [[size, read_rate(size, given.threads)] for size in sizes]}))


if __name__ == "__main__":
    main()
