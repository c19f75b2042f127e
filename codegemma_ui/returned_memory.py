"""Memory that was needed for a moment goes back to the system.

glibc takes a large block from the system and gives it back once it is free, until it meets one: then blocks of
that size come from its heaps, which keep them. A page that was sent some long texts kept hundreds of MB so.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys

LARGE_BYTES = 2**18
HEAPS = 2
"""Of all threads together; glibc would have eight for each core."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # malloc.h


def settle() -> None:
    """Settle it for this process, before it has threads; where there is no glibc, nothing is done."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):  # musl has no mallopt
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(_TRIM_THRESHOLD, 4 * LARGE_BYTES)
        mallopt(_ARENA_MAX, HEAPS)
