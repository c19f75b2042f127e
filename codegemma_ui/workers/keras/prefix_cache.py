"""Prefix cache: KV caches of earlier prompts, reused for new prompts with the same beginning."""

from __future__ import annotations

from dataclasses import dataclass, field

from codegemma_ui.workers.keras.steps import Cache, Steps

MOST = 3
"""Caches kept per cache length."""

MIN_SHARED = 8
"""Tokens that a prompt must share with a cached one for that cache to be preferred over the oldest."""

MAX_BYTES = 1 << 29
"""Limit for all caches together, or the size of one full-context cache if that is larger."""


@dataclass(eq=False)  # compared by identity
class CachedPrefix:
    """A KV cache and the tokens whose keys and values it holds, from position 0.

    Attributes:
        length: number of positions in the cache.
        cache: the backend's cache object.
        tokens: ids of the cached tokens, at most `length`.
    """

    length: int
    cache: Cache
    tokens: list[int] = field(default_factory=list)


class PrefixCache:
    """KV caches of recent prompts, in order of last use. Not thread-safe.

    A cache is removed while in use: jax consumes donated arrays, so an interrupted pass leaves nothing
    reusable.

    Args:
        steps: allocator of caches.
        longest: positions in a full-context cache.
        most: caches kept per length.
    """

    def __init__(self, steps: Steps, longest: int, most: int = MOST) -> None:
        self._steps, self._longest, self._most = steps, longest, most
        self.cached: list[CachedPrefix] = []

    def take(self, prompt: list[int], length: int) -> tuple[CachedPrefix, int]:
        """Remove and return the cache with the longest common prefix, or allocate one.

        Args:
            prompt: token ids, at least one.
            length: required number of positions.

        Returns:
            The cache, and how many of the prompt's tokens it holds. At most all but the last: the logits
            after the last token are needed.
        """
        alike = [each for each in self.cached if each.length == length]
        shares = [min(_shared(each.tokens, prompt), len(prompt) - 1) for each in alike]
        start = max(shares, default=0)
        if start >= MIN_SHARED:
            taken = alike[shares.index(start)]
        elif alike and (len(alike) >= self._most or self._lacks_room(length)):
            taken, start = alike[0], 0
        else:
            while self.cached and self._lacks_room(length):
                del self.cached[0]
            return CachedPrefix(length, self._steps.allocate(length)), 0
        self.cached.remove(taken)
        return taken, start

    def take_last(self) -> CachedPrefix:
        """Remove and return the most recently used cache.

        Raises:
            IndexError: the prefix cache is empty.
        """
        return self.cached.pop()

    def put(self, cached: CachedPrefix) -> None:
        """Add a cache as the most recently used one, and evict the oldest beyond the limits."""
        self.cached.append(cached)
        alike = [each for each in self.cached if each.length == cached.length]
        for each in alike[: -self._most]:
            self.cached.remove(each)
        while self._lacks_room():
            del self.cached[0]

    def clear(self) -> None:
        """Free every cache."""
        self.cached.clear()

    def _lacks_room(self, length: int = 0) -> bool:
        """Return whether the caches, plus a new one of `length`, exceed the limit."""
        lengths = [*(each.length for each in self.cached), *([length] if length else [])]
        size = self._steps.cache_bytes
        return sum(map(size, lengths)) > max(MAX_BYTES, size(self._longest))


def _shared(tokens: list[int], prompt: list[int]) -> int:
    """Return the length of the common prefix of two token lists."""
    pairs = enumerate(zip(tokens, prompt, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(tokens), len(prompt)))
