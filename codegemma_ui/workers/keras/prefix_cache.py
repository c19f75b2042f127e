"""The prefix cache: KV caches of earlier prompts, for a new prompt that begins as one of them did."""

from __future__ import annotations

from dataclasses import dataclass, field

from codegemma_ui.workers.keras.steps import Cache, Steps

MOST = 3
"""Caches of one length that are kept for later prompts."""

MIN_SHARED = 8
"""Tokens that a prompt must share with a cached one for its cache to be preferred to another."""

MAX_BYTES = 1 << 29
"""What all caches may take together; or one for the whole context, where that takes more."""


@dataclass(eq=False)  # two caches are never the same
class CachedPrefix:
    """A KV cache and the tokens whose keys and values it holds, from position 0.

    Attributes:
        length: positions that the cache has.
        cache: the backend's.
        tokens: ids of what it holds, at most `length`.
    """

    length: int
    cache: Cache
    tokens: list[int] = field(default_factory=list)


class PrefixCache:
    """KV caches of the latest prompts, the last used one last. Not thread-safe.

    A cache leaves it while it is in use: jax takes the arrays it is given (donation), so that a pass that was
    interrupted leaves nothing that could be used again.

    Args:
        steps: what allocates caches.
        longest: positions of a cache for the whole context.
        most: caches of one length that are kept.
    """

    def __init__(self, steps: Steps, longest: int, most: int = MOST) -> None:
        self._steps, self._longest, self._most = steps, longest, most
        self.cached: list[CachedPrefix] = []

    def take(self, prompt: list[int], length: int) -> tuple[CachedPrefix, int]:
        """Take out the cache that holds most of a prompt's beginning, or make one.

        Args:
            prompt: token ids, at least one.
            length: positions that the cache is to have.

        Returns:
            The cache, and how many of the prompt's tokens it holds: all but the last at most, since the
            choice after that one is wanted.
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
        """Take out the cache that was used last.

        Raises:
            IndexError: there is none.
        """
        return self.cached.pop()

    def put(self, cached: CachedPrefix) -> None:
        """Keep a cache as the last used one; the oldest go where there are too many."""
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
        """Whether the caches take more than they may, together with another of that length."""
        lengths = [*(each.length for each in self.cached), *([length] if length else [])]
        size = self._steps.cache_bytes
        return sum(map(size, lengths)) > max(MAX_BYTES, size(self._longest))


def _shared(tokens: list[int], prompt: list[int]) -> int:
    """How many tokens two lists begin with alike."""
    pairs = enumerate(zip(tokens, prompt, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(tokens), len(prompt)))
