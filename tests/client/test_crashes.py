"""The number of crashes after which a restart is delayed."""

from __future__ import annotations

from codegemma_ui.client.crashes import Crashes


def crashes_at(*seconds: float) -> Crashes:
    """Return a counter whose next crashes occur at these times."""
    return Crashes(iter(seconds).__next__)


def test_three_within_a_minute_are_too_often() -> None:
    crashes = crashes_at(0, 30, 59, 100)
    told = []
    for _ in range(4):
        crashes.note()
        told.append(crashes.too_often)
    assert told == [False, False, True, False]


def test_so_are_three_in_a_row_while_loading_however_long_that_takes() -> None:
    crashes = crashes_at(0, 100, 200)
    told = []
    for _ in range(3):
        crashes.note(loading=True)
        told.append(crashes.too_often)
    assert told == [False, False, True]
    crashes.forget()
    assert not crashes.too_often


def test_each_pause_is_twice_the_last_until_a_completion_ends_well() -> None:
    crashes = crashes_at()
    assert [crashes.pause_s() for _ in range(7)] == [30, 60, 120, 240, 480, 600, 600]
    crashes.worked()
    assert crashes.pause_s() == 30


def test_one_that_came_up_in_between_begins_a_new_row() -> None:
    crashes = crashes_at(0, 100, 200)
    for _ in range(3):
        crashes.note(loading=True)
        crashes.came_up()
    assert not crashes.too_often
