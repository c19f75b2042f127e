"""How a prompt is cut into chunks of few lengths, so that nothing compiles while a person waits. Pure."""

from __future__ import annotations

from functools import lru_cache

CHUNKS = (8, 32, 128, 256, 512)  # tokens
CACHE_LENGTHS = (256, 512, 2048, 8192)  # tokens; each a multiple of the longest chunk that fits
"""A token attends to all places of a cache, filled or not: in one of 256 the bundled model writes 1.2 times
as fast as in one of 512 (jax, two cores). To attend to fewer places of a longer one is slower than to attend
to all of them: XLA copies those."""

DISPATCH = 45
"""What starting a chunk costs, in tokens: the weights are read once for all of them, and threads are woken
(bundled model, one core: 4.5 ms and 0.105 ms a token on jax, 3.6 and 0.086 on torch)."""


def cache_lengths(context_length: int) -> tuple[int, ...]:
    """The cache lengths that a context needs, shortest first.

    They are `CACHE_LENGTHS`, ended by the context rounded up to whole chunks: a context of 1000 gets 256, 512
    and 1024.

    Args:
        context_length: in tokens, from 1 up.
    """
    whole = CHUNKS[-1] if context_length > CACHE_LENGTHS[0] else CACHE_LENGTHS[0]
    end = -(-context_length // whole) * whole
    return (*(length for length in CACHE_LENGTHS if length < end), end)


def chunk_sizes(length: int) -> tuple[int, ...]:
    """The chunks that a cache of a length is read in, shortest first."""
    return tuple(size for size in CHUNKS if size <= length)


def chunks(start: int, end: int, length: int, longest: int = CHUNKS[-1]) -> list[tuple[int, int]]:
    """The chunks that read the tokens from `start` to `end`, at the least cost.

    A chunk never passes the cache's end, where jax and tensorflow would shift it back over earlier keys: one
    that would begins earlier instead, and reads some tokens again.

    Args:
        start: how many tokens the cache already holds.
        end: how many it is to hold.
        length: of the cache, at least `end`.
        longest: the largest chunk that may be taken, one of `CHUNKS`.

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
    """Where chunks of one size begin that hold the tokens from `start` to `end` of a cache, in order.

    As in `chunks`, one that would pass the cache's end begins earlier.
    """
    return [min(offset, length - size) for offset in range(start, end, size)]


@lru_cache(maxsize=1024)
def _sizes(count: int, longest: int) -> tuple[int, ...]:
    """The cheapest chunks that hold a count of tokens, longest first; none is longer than the count needs."""
    allowed = [size for size in CHUNKS if size <= longest]
    best: list[tuple[int, tuple[int, ...]]] = [(0, ())]
    for tokens in range(1, count + 1):
        ways = []
        for size in allowed:
            cost, rest = best[max(0, tokens - size)]
            ways.append((cost + size + DISPATCH, (size, *rest)))
        best.append(min(ways))
    return tuple(sorted(best[count][1], reverse=True))
