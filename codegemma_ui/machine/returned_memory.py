"""Return briefly used memory to the system.

glibc takes a large block from the system and returns it once it is free, but from then on it takes blocks of
that size from its heaps, which keep them: hundreds of MB for a page that was sent some long texts.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys

LARGE_BYTES = 2**18
HEAPS = 2
"""Heaps for all threads together; glibc's default is eight per core."""

_MISSING = (OSError, AttributeError)
"""musl has neither function."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # malloc.h


def settle() -> None:
    """Configure this process before it has threads; without glibc, do nothing."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(*_MISSING):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(_TRIM_THRESHOLD, 4 * LARGE_BYTES)
        mallopt(_ARENA_MAX, HEAPS)


def keep_what_is_here() -> None:
    """Exclude everything allocated so far from collection; call once all is imported."""
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Collect reference cycles, and return free memory.

    Python's automatic collection is triggered by object counts, and large texts are few objects.
    """
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(*_MISSING):
            ctypes.CDLL(None).malloc_trim(0)
