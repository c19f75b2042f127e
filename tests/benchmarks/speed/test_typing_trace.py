"""The recorded typing trace: its edits produce the recorded text."""

from __future__ import annotations

import itertools

import pytest

from benchmarks.speed import typing_trace
from benchmarks.speed.plan import CONTEXT_LENGTH, FULL
from benchmarks.speed.prompts import Prompts

TYPED = """\
def warmest_week(readings: list[Reading]) -> Reading:
    best = None
    for start in range(len(readings) - 6):
        week = readings[start : start + 7]
        heat = sum(one.highest for one in week)
        if best is None or heat > best[0]:
            best = (heat, week[0])
    return best[1]
"""


def test_the_trace_ends_with_the_function_it_types() -> None:
    moments = typing_trace.recorded()
    first, last = moments[0], moments[-1]
    assert first.prefix.endswith("\n\n\nd")
    start = first.prefix.removesuffix("d")
    assert last.prefix == start + TYPED
    assert last.suffix == first.suffix
    compile(last.prefix + last.suffix, "trace", "exec")  # it is a program


def test_each_key_changes_one_character() -> None:
    moments = typing_trace.recorded()
    for before, after in itertools.pairwise(moments):
        match after.kind:
            case "type":
                assert (after.prefix[:-1], after.suffix) == (before.prefix, before.suffix)
            case "delete":
                assert (after.prefix, after.suffix) == (before.prefix[:-1], before.suffix)
            case "move":
                assert after.prefix + after.suffix == before.prefix + before.suffix


def test_the_person_types_deletes_moves_and_rests() -> None:
    moments = typing_trace.recorded()
    kinds = {kind: sum(one.kind == kind for one in moments) for kind in ("type", "delete", "move")}
    assert kinds["type"] > 250
    assert kinds["delete"] == 31
    assert kinds["move"] == 2
    rests = sorted(one.rest_s for one in moments)
    assert rests[0] == 0.035
    assert rests[-1] == pytest.approx(1.5 + 0.11)


def test_every_moment_fits_the_context(prompts: Prompts) -> None:
    for moment in typing_trace.recorded()[::40]:
        prompt = prompts.of_text(moment.prefix, moment.suffix, "spm")
        assert len(prompt.token_ids) + FULL.typing_tokens <= CONTEXT_LENGTH


def test_a_move_is_one_moment_where_the_cursor_lands() -> None:
    moments = typing_trace.replay(
        [
            {"prefix": "ab", "suffix": "cd"},
            {"move": -2, "key_ms": 50},
            {"pause_ms": 400},
            {"move": 3, "key_ms": 50},
        ]
    )
    assert [(one.prefix, one.suffix) for one in moments] == [("", "abcd"), ("abc", "d")]
    assert [one.rest_s for one in moments] == [pytest.approx(0.45), 0.05]


@pytest.mark.parametrize(
    "edit", [{"delete": 3}, {"move": 3}, {"move": -3}, {"paste": "x"}, {"delete": 0}]
)
def test_an_edit_that_leaves_the_text_is_refused(edit: dict) -> None:
    with pytest.raises(ValueError, match="with 2 characters before the cursor"):
        typing_trace.replay([{"prefix": "ab", "suffix": "cd"}, {**edit, "key_ms": 50}])
