"""Estimates from past requests: the remaining time of a request, and the wait of the others."""

from __future__ import annotations

import pytest

from codegemma_ui.client.pace import Measured, Pace, most_left_s


def at_two_a_second(tokens: int, begun_s: float = 0.0, room: int = 200) -> Measured:
    """Return a request that prefilled for 4 s, and decodes two tokens a second."""
    measured = Measured(begun_s, limit_s=120.0, room=room)
    for index in range(tokens):
        measured.add_token(begun_s + 4 + index / 2)
    return measured


def test_speed_counts_the_time_between_tokens() -> None:
    assert at_two_a_second(2).speed() is None
    assert at_two_a_second(21).speed() == pytest.approx(2.0)


def test_without_others_a_request_is_expected_to_fill_its_room() -> None:
    running = at_two_a_second(20, room=60)
    assert Pace().left_s(running, running.last_s) == pytest.approx(20.0)
    assert Pace().left_s(running, running.last_s + 1) == pytest.approx(19.0)


def test_it_never_takes_longer_than_its_limit() -> None:
    running = at_two_a_second(20, room=5000)
    assert Pace().left_s(running, 100.0) == pytest.approx(20.0)


def test_it_is_expected_to_become_as_long_as_recent_ones() -> None:
    pace = Pace()
    for tokens in (30, 50):
        pace.add(at_two_a_second(tokens))
    assert pace.left_s(at_two_a_second(20), 13.5) == pytest.approx(10.0)  # 40 tokens
    assert pace.left_s(at_two_a_second(40), 23.5) == pytest.approx(5.0)  # 50 tokens
    just_begun = Measured(100.0, limit_s=120.0)
    assert pace.left_s(just_begun, 101.0) == pytest.approx(3 + 20)  # prefill, then 40 tokens


def test_nothing_is_told_before_a_speed_is_known() -> None:
    pace = Pace()
    assert pace.left_s(at_two_a_second(1), 5.0) is None
    assert pace.wait_s([at_two_a_second(1)], 1, 5.0) is None
    assert pace.wait_s([], 1, 5.0) is None


def test_who_stands_further_back_waits_for_those_before() -> None:
    pace = Pace()
    pace.add(at_two_a_second(41))  # took 24 s
    running = [at_two_a_second(21)]
    first = pace.wait_s(running, 1, 14.0)
    assert first == pytest.approx(10.0)
    assert pace.wait_s(running, 3, 14.0) == pytest.approx(10 + 2 * 24)


def test_several_at_once_free_their_slots_one_after_another() -> None:
    pace = Pace()
    pace.add(at_two_a_second(41))
    running = [at_two_a_second(21), at_two_a_second(31)]
    waits = [pace.wait_s(running, ahead, 19.0) for ahead in (1, 2, 3)]
    assert waits == pytest.approx([5.0, 5.0, 5.0 + 24])


def test_scores_and_another_models_requests_do_not_count() -> None:
    pace = Pace()
    pace.add(Measured(0.0, 120.0, score=True, tokens=9, first_s=1.0, last_s=1.1))
    assert pace.speed() is None
    pace.add(at_two_a_second(9))
    assert pace.speed() == pytest.approx(2.0)
    pace.forget()
    assert pace.speed() is None


def test_the_longest_that_is_left_is_the_rooms_or_the_limits() -> None:
    assert most_left_s(100, 2.0) == pytest.approx(50.0)
    assert most_left_s(100, 2.0, 40.0) == pytest.approx(40.0)
    assert most_left_s(100, None, 40.0) is None
