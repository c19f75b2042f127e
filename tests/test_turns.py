"""One at a time, first come first served."""

from __future__ import annotations

from codegemma_ui.turns import Turns


def test_first_come_first_served() -> None:
    turns = Turns()
    first, second, third = turns.join(), turns.join(), turns.join()
    assert (first.done(), second.done(), third.done()) == (True, False, False)
    assert turns.waiting == 2
    turns.give_back(first)
    assert (second.done(), third.done()) == (True, False)
    turns.give_back(first)  # twice does nothing
    assert not third.done()


def test_one_may_leave_the_line() -> None:
    turns = Turns()
    first, second, third = turns.join(), turns.join(), turns.join()
    turns.give_back(second)
    turns.give_back(first)
    assert third.done()
    assert not second.done()


def test_one_that_was_cancelled_is_passed_over() -> None:
    turns = Turns()
    first, second, third = turns.join(), turns.join(), turns.join()
    second.cancel()
    turns.give_back(first)
    assert third.done()


def test_a_restart_goes_to_the_head_of_the_line() -> None:
    turns = Turns()
    first, second, restart = turns.join(), turns.join(), turns.join(first=True)
    turns.give_back(first)
    assert restart.done()
    assert not second.done()
