"""A pass reads whole grains of a cache, always the same tensors, which go with it."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from codegemma_ui.workers.keras.steps.torch_caches import GRAIN, Parts  # noqa: E402


def cache(length: int) -> tuple[tuple[Any, Any], ...]:
    return tuple((torch.zeros(3, length, 4), torch.zeros(3, length, 4)) for _ in range(2))


@pytest.mark.parametrize(
    ("end", "length"), [(1, GRAIN), (GRAIN, GRAIN), (GRAIN + 1, 2 * GRAIN), (300, 300)]
)
def test_a_part_has_whole_grains_but_no_more_than_the_cache(end: int, length: int) -> None:
    for keys, values in Parts().until(cache(300), end):
        assert keys.shape == values.shape == (3, length, 4)


def test_a_part_is_made_once() -> None:
    whole, parts = cache(512), Parts()
    assert parts.until(whole, 5) is parts.until(whole, GRAIN)
    assert parts.until(whole, 5) is not parts.until(whole, GRAIN + 1)
    assert parts.until(cache(512), 5) is not parts.until(whole, 5)


def test_what_is_written_to_a_part_is_in_the_cache() -> None:
    whole = cache(512)
    for keys, values in Parts().until(whole, 5):
        keys[:, 4], values[:, 4] = 1, 2
    for keys, values in whole:
        assert keys.sum() == 12
        assert values[:, 4].sum() == 24


def test_parts_do_not_keep_a_cache() -> None:
    whole, parts = cache(512), Parts()
    view, keys = weakref.ref(parts.until(whole, 5)[0][0]), weakref.ref(whole[0][0])
    del whole
    gc.collect()
    assert (keys(), view()) == (None, None)
