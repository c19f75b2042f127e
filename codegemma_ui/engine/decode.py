"""The decode loop: prefill the prompt in chunks, then one step per token, the same on every backend.

This file deals in token ids. It knows nothing of text, stop tokens, cancelling or deadlines: whoever
iterates stops when it has seen enough. It decides only which shapes run, and there are few of them, so
that nothing compiles while a person waits: a chunk length (or 1, the step) and a cache length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from codegemma_ui.engine.sampling import Choice, Sampler, Sampling
from codegemma_ui.engine.steps import Cache, Steps

CHUNKS = (32, 128, 512)  # prefill lengths, in tokens
CACHE_LENGTHS = (512, 2048, 8192)  # in tokens; each a multiple of the longest chunk

# What a padded chunk is filled with. Any id will do: no real position attends to what follows it.
PADDING_ID = 0


class Decoder:
    """Generates token ids from prompt ids with one model.

    Decodes one prompt at a time: a new `decode()` ends the one before it.

    Args:
        steps: the compiled forward pass.
        context_length: the most tokens, prompt included, that a caller may ask for.

    Attributes:
        compiled_shapes: the `(S, cache length)` pairs met so far; each has compiled once.

    Raises:
        ValueError: a context of fewer than two tokens: one to read, one to write.
    """

    def __init__(self, steps: Steps, context_length: int) -> None:
        if context_length < 2:
            raise ValueError(
                "context_length should be at least 2: a token to read and one to write. "
                f"Received: {context_length}"
            )
        self.steps = steps
        self.context_length = context_length
        self.cache_lengths = cache_lengths(context_length)
        self.compiled_shapes: set[tuple[int, int]] = set()
        self._caches: dict[int, Cache] = {}
        self._turn = 0

    def warm_up(self, on_progress: Callable[[int, int], None]) -> None:
        """Run each shape of the smallest cache once, so that no short request compiles anything.

        Args:
            on_progress: called with how many shapes are ready and how many there are, at the start
                and after each.
        """
        self._turn += 1
        shapes = (1, *CHUNKS)
        on_progress(0, len(shapes))
        for done, size in enumerate(shapes, start=1):
            self._forward([PADDING_ID] * size, size, offset=0, length=self.cache_lengths[0])
            on_progress(done, len(shapes))

    def decode(
        self, prompt_ids: Sequence[int], max_length: int, sampling: Sampling
    ) -> Iterator[Choice]:
        """Yield tokens until prompt and tokens together are `max_length` long.

        The first comes as soon as the prompt has been read, before the next step is dispatched. The
        iterator may be closed or dropped at any time; a prompt that fills `max_length` yields none.

        Args:
            prompt_ids: the prompt, at least one token.
            max_length: prompt and generated tokens together, as in KerasHub's `generate()`.
            sampling: how each token is chosen.

        Returns:
            An iterator of choices. It raises RuntimeError when it is advanced after another
            `decode()` has been called.

        Raises:
            ValueError: an empty prompt, a prompt longer than `max_length`, or a `max_length` beyond
                the context.
        """
        prompt = [int(token) for token in prompt_ids]
        if not prompt:
            raise ValueError("The prompt should hold at least one token. Received: no tokens")
        if max_length > self.context_length:
            raise ValueError(
                f"max_length should be at most the context, {self.context_length} tokens. "
                f"Received: {max_length}"
            )
        if len(prompt) > max_length:
            raise ValueError(
                f"The prompt should fit in max_length, {max_length} tokens: trim it. "
                f"Received: {len(prompt)} tokens"
            )
        self._turn += 1
        return self._decode(prompt, max_length, Sampler(sampling), self._turn)

    def _decode(
        self, prompt: list[int], max_length: int, sampler: Sampler, turn: int
    ) -> Iterator[Choice]:
        if len(prompt) == max_length:
            return
        length = next(length for length in self.cache_lengths if length >= max_length)

        # 1. Prefill; only the last chunk's logits matter.
        self._check_turn(turn)
        for offset, size in prefill_plan(len(prompt)):
            logits = self._forward(prompt[offset : offset + size], size, offset, length)

        # 2. Choose, hand out, step. Position p writes its own keys before it attends up to itself, so
        #    what padding or an earlier prompt left behind is overwritten before it can be seen.
        for position in range(len(prompt), max_length):
            choice = sampler(logits)
            yield choice
            if position + 1 < max_length:
                self._check_turn(turn)
                logits = self._forward([choice.id], 1, position, length)

    def _check_turn(self, turn: int) -> None:
        if turn != self._turn:
            raise RuntimeError(
                "This iterator has ended: a newer decode() has taken the cache. Close an iterator "
                "before the next decode()."
            )

    def _forward(self, tokens: list[int], size: int, offset: int, length: int) -> np.ndarray:
        """Run one chunk, padded to `size`; returns the logits of its last real token."""
        # jax and tensorflow clamp a write that passes the end, which would silently land on earlier
        # keys; torch raises. The plan rules it out; this line is for whoever changes the plan.
        if offset + size > length:
            raise ValueError(
                f"A chunk should end within the cache, {length} positions. "
                f"Received: {size} positions from {offset}"
            )
        token_ids = np.full((1, size), PADDING_ID, np.int32)
        token_ids[0, : len(tokens)] = tokens

        # The cache leaves the table while it is in use: jax takes its memory (donation), so a pass
        # that was interrupted leaves nothing that could be used again.
        cache = self._caches.pop(length, None)
        if cache is None:
            cache = self.steps.allocate(length)
        cache, logits = self.steps.forward(cache, token_ids, offset, len(tokens) - 1)
        self._caches[length] = cache
        self.compiled_shapes.add((size, length))
        return logits


def cache_lengths(context_length: int) -> tuple[int, ...]:
    """The cache lengths that a context needs, shortest first.

    They are `CACHE_LENGTHS`, ended by the context rounded up to a whole longest chunk: a context of
    1000 gets 512 and 1024. Every length is a multiple of the longest chunk.

    Args:
        context_length: in tokens, from 1 up.
    """
    longest = CHUNKS[-1]
    end = -(-context_length // longest) * longest
    return (*(length for length in CACHE_LENGTHS if length < end), end)


def prefill_plan(prompt_length: int) -> list[tuple[int, int]]:
    """The chunks that read a prompt: whole longest ones, then the shortest that holds the rest.

    A chunk never passes the end of a cache the prompt fits in: it starts at a multiple of the longest
    chunk and is no longer than that, and a cache is a multiple of it.

    Args:
        prompt_length: in tokens, from 1 up.

    Returns:
        `(offset, size)` of each, in order. Only the last may be longer than what is left to read.
    """
    longest = CHUNKS[-1]
    whole, rest = divmod(prompt_length, longest)
    plan = [(index * longest, longest) for index in range(whole)]
    if rest:
        plan.append((whole * longest, next(size for size in CHUNKS if size >= rest)))
    return plan
