"""Prompts are split into chunks of a few sizes, at the lowest cost, and never past a cache's end."""

from __future__ import annotations

import itertools

import pytest

from codegemma_ui.workers.keras.planning import (
    CACHE_LENGTHS,
    CHUNKS,
    DISPATCH,
    cache_lengths,
    chunk_sizes,
    chunks,
)


@pytest.mark.parametrize("length", [256, 512, 1024])
def test_every_token_is_read_and_no_chunk_passes_the_end(length: int) -> None:
    for start, end in itertools.combinations(range(0, length + 1, 7), 2):
        reached = start
        for offset, size in chunks(start, end, length):
            assert size in chunk_sizes(length)
            assert 0 <= offset <= reached
            assert offset + size <= length
            reached = offset + size
        assert reached >= end


@pytest.mark.parametrize(
    ("start", "end", "length", "plan"),
    [
        (0, 1, 512, [(0, 8)]),
        (0, 8, 512, [(0, 8)]),
        (0, 9, 512, [(0, 32)]),
        (0, 25, 512, [(0, 32)]),
        (0, 130, 512, [(0, 128), (128, 8)]),
        (0, 200, 512, [(0, 256)]),
        (0, 200, 256, [(0, 256)]),
        (250, 255, 256, [(248, 8)]),
        (0, 513, 1024, [(0, 512), (512, 8)]),
        (40, 41, 512, [(40, 8)]),
        (508, 510, 512, [(504, 8)]),  # the last eight places, four of them again
        (0, 1024, 1024, [(0, 512), (512, 512)]),
    ],
)
def test_the_cheapest_chunks_are_taken(
    start: int, end: int, length: int, plan: list[tuple[int, int]]
) -> None:
    assert chunks(start, end, length) == plan


def test_no_plan_costs_more_than_one_chunk_that_holds_it_all() -> None:
    for count in range(1, 513):
        cost = sum(size + DISPATCH for _, size in chunks(0, count, 512))
        assert cost <= min(size for size in CHUNKS if size >= count) + DISPATCH


@pytest.mark.parametrize(
    ("context", "lengths"),
    [
        (100, (256,)),
        (256, (256,)),
        (257, (256, 512)),
        (512, (256, 512)),
        (513, (256, 512, 1024)),
        (2048, (256, 512, 2048)),
        (5000, (256, 512, 2048, 5120)),
        (8192, (256, 512, 2048, 8192)),
        (10000, (256, 512, 2048, 8192, 10240)),
    ],
)
def test_a_context_is_rounded_up_to_whole_chunks(context: int, lengths: tuple[int, ...]) -> None:
    assert cache_lengths(context) == lengths


def test_the_lengths_are_whole_chunks() -> None:
    assert all(length % chunk_sizes(length)[-1] == 0 for length in CACHE_LENGTHS)
