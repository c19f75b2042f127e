"""Split a prompt into chunks of few fixed sizes, so that nothing compiles while a user waits. Pure."""

from __future__ import annotations

from functools import lru_cache

CHUNKS = (8, 32, 128, 256, 512)  # tokens
CACHE_LENGTHS = (256, 512, 2048, 8192)  # tokens; each a multiple of the longest chunk that fits
"""A token attends to every position of a cache, filled or not: with 256 positions the bundled model decodes
1.2 times as fast as with 512 (jax, two cores). Attending to a slice of a longer cache is slower than
attending to all of it, because XLA copies the slice; torch does it without (`steps/torch_caches.py`)."""

DISPATCH = 45
"""Fixed cost of a chunk, in tokens: reading the weights once and waking threads (bundled model, one core: 4.5
ms and 0.105 ms per token on jax, 3.6 and 0.086 on torch)."""


def cache_lengths(context_length: int) -> tuple[int, ...]:
    """Return the cache lengths for a context, shortest first.

    They are `CACHE_LENGTHS`, ended by the context rounded up to whole chunks: a context of 1000 gets 256, 512
    and 1024.

    Args:
        context_length: in tokens, from 1 up.
    """
    whole = CHUNKS[-1] if context_length > CACHE_LENGTHS[0] else CACHE_LENGTHS[0]
    end = -(-context_length // whole) * whole
    return (*(length for length in CACHE_LENGTHS if length < end), end)


def chunk_sizes(length: int) -> tuple[int, ...]:
    """Return the chunk sizes for a cache of a given length, shortest first."""
    return tuple(size for size in CHUNKS if size <= length)


def chunks(start: int, end: int, length: int, longest: int = CHUNKS[-1]) -> list[tuple[int, int]]:
    """Return the cheapest chunks that prefill the tokens from `start` to `end`.

    A chunk never passes the end of the cache, where jax and tensorflow would shift it back over earlier keys.
    One that would begins earlier and recomputes some tokens.

    Args:
        start: number of tokens already cached.
        end: number of tokens to be cached.
        length: cache length, at least `end`.
        longest: largest chunk allowed, one of `CHUNKS`.

    Returns:
        `(offset, size)` of each, in order. Only the last may reach beyond `end`.
    """
    if end <= start:
        return []
    longest = min(longest, chunk_sizes(length)[-1])
    whole = max(0, (end - start - 1) // longest)
    sizes = [longest] * whole + list(_sizes(end - start - whole * longest, longest))
    plan = []
    for size in sizes:
        plan.append((min(start, length - size), size))
        start += size
    return plan


def rows(start: int, end: int, size: int, length: int) -> list[int]:
    """Return the offsets of chunks of one size that cover the tokens from `start` to `end`, in order.

    As in `chunks`, one that would pass the cache's end begins earlier.
    """
    return [min(offset, length - size) for offset in range(start, end, size)]


@lru_cache(maxsize=1024)
def _sizes(count: int, longest: int) -> tuple[int, ...]:
    """Return the cheapest chunk sizes for `count` tokens, longest first; none longer than needed."""
    allowed = [size for size in CHUNKS if size <= longest]
    best: list[tuple[int, tuple[int, ...]]] = [(0, ())]
    for tokens in range(1, count + 1):
        ways = []
        for size in allowed:
            cost, rest = best[max(0, tokens - size)]
            ways.append((cost + size + DISPATCH, (size, *rest)))
        best.append(min(ways))
    return tuple(sorted(best[count][1], reverse=True))
