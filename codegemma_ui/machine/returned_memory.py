"""Memory that was needed for a moment goes back to the system.

glibc takes a large block from the system and gives it back once it is free, but after the first of them takes
blocks of that size from its heaps, which keep them: hundreds of MB of a page that was sent some long texts.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys

LARGE_BYTES = 2**18
HEAPS = 2
"""Of all threads together; glibc would have eight for each core."""

_MISSING = (OSError, AttributeError)
"""musl has neither function."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # malloc.h


def settle() -> None:
    """Settle it for this process, before it has threads; where there is no glibc, nothing is done."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(*_MISSING):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(_TRIM_THRESHOLD, 4 * LARGE_BYTES)
        mallopt(_ARENA_MAX, HEAPS)


def keep_what_is_here() -> None:
    """Once all is imported: it stays, and `give_back` need not look through it."""
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Let go of what refers to itself, and give free memory back.

    Python begins to look for it by a count of objects, of which large texts have few.
    """
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(*_MISSING):
            ctypes.CDLL(None).malloc_trim(0)
