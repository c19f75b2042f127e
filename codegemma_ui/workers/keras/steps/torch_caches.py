"""torch: the part of a cache that a pass reads.

Attention takes time for every position, filled or not. Over all of a cache of 8,192, a token of CodeGemma
2B's shape in int8 takes 133 ms at the beginning of a text instead of 86, and 256 tokens of a prompt 5.6 s
instead of 3.1 (two cores of an EPYC).
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING

import torch
from torch.utils.weak import WeakIdKeyDictionary

if TYPE_CHECKING:  # it imports Keras, which this does without
    from codegemma_ui.workers.keras.steps.forward import Cache

GRAIN = 128
"""Positions by which the part that is read grows. Each part has its own recordings of passes
(`torch_replay.py`), which take milliseconds."""


class Parts:
    """Views of caches that end after whole `GRAIN`s, each made once and freed with its cache."""

    def __init__(self) -> None:
        self._parts: MutableMapping[torch.Tensor, dict[int, tuple[Cache, ...]]] = (
            WeakIdKeyDictionary()
        )

    def until(self, cache: tuple[Cache, ...], end: int) -> tuple[Cache, ...]:
        """Return the part of a cache that holds the positions before `end`, always the same tensors."""
        keys = cache[0][0]
        length = min(-(-end // GRAIN) * GRAIN, keys.shape[-2])
        parts = self._parts.setdefault(keys, {})
        if length not in parts:
            # Detached, since a view keeps what it is a view of.
            parts[length] = tuple(
                (keys.detach()[..., :length, :], values.detach()[..., :length, :])
                for keys, values in cache
            )
        return parts[length]
