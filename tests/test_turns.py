"""One at a time, or so many, first come first served."""

from __future__ import annotations

from codegemma_ui.client.turns import Turns


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


def test_so_many_as_are_admitted_go_on_at_once() -> None:
    turns = Turns()
    waiting = [turns.join() for _ in range(4)]
    turns.admit(3)
    assert [turn.done() for turn in waiting] == [True, True, True, False]
    assert turns.waiting == 1
    turns.give_back(waiting[1])
    assert waiting[3].done()
    turns.admit(1)  # who goes on keeps the floor
    late = turns.join()
    for turn in (waiting[0], waiting[2]):
        turns.give_back(turn)
        assert not late.done()
    turns.give_back(waiting[3])
    assert late.done()


def test_one_that_is_to_be_alone_waits_for_all_and_all_wait_for_it() -> None:
    turns = Turns()
    turns.admit(3)
    first, second, switch, late = turns.join(), turns.join(), turns.join(alone=True), turns.join()
    assert [first.done(), second.done(), switch.done(), late.done()] == [True, True, False, False]
    turns.give_back(first)
    assert not switch.done()
    turns.give_back(second)
    assert switch.done()
    assert not late.done()
    turns.give_back(switch)
    assert late.done()
