"""The queue: one request at a time, or up to a limit, first come, first served."""

from __future__ import annotations

import pytest

from codegemma_ui.client.queue import QueueFull, RequestQueue


def test_first_come_first_served() -> None:
    queue = RequestQueue()
    first, second, third = queue.join(), queue.join(), queue.join()
    assert (first.done(), second.done(), third.done()) == (True, False, False)
    assert queue.waiting == 2
    queue.release(first)
    assert (second.done(), third.done()) == (True, False)
    queue.release(first)  # twice does nothing
    assert not third.done()


def test_one_may_leave_the_line() -> None:
    queue = RequestQueue()
    first, second, third = queue.join(), queue.join(), queue.join()
    queue.release(second)
    queue.release(first)
    assert third.done()
    assert not second.done()


def test_one_that_left_is_passed_over() -> None:
    queue = RequestQueue()
    first, second, third = queue.join(), queue.join(), queue.join()
    queue.release(second)
    queue.release(first)
    assert third.done()


def test_a_place_counts_the_requests_that_must_end_before_it() -> None:
    queue = RequestQueue()
    queue.admit(2)
    tickets = [queue.join() for _ in range(4)]
    assert [queue.ahead_of(one) for one in tickets] == [0, 0, 1, 2]
    queue.release(tickets[2])
    assert queue.ahead_of(tickets[3]) == 1
    queue.join(alone=True)
    assert queue.ahead_of(queue.join()) == 2  # a switch is not a request
    queue.release(tickets[0])
    assert queue.ahead_of(tickets[3]) == 0


def test_no_more_may_wait_than_were_named() -> None:
    queue = RequestQueue(most_waiting=1)
    queue.join()
    queue.check_room()
    with pytest.raises(QueueFull, match="At most 1 requests may wait"):
        queue.check_room(expected=1)
    waiting = queue.join()
    with pytest.raises(QueueFull):
        queue.check_room()
    queue.release(waiting)
    queue.check_room()


def test_a_restart_goes_to_the_head_of_the_line() -> None:
    queue = RequestQueue()
    first, second, restart = queue.join(), queue.join(), queue.join(first=True)
    queue.release(first)
    assert restart.done()
    assert not second.done()


def test_so_many_as_are_admitted_go_on_at_once() -> None:
    queue = RequestQueue()
    waiting = [queue.join() for _ in range(4)]
    queue.admit(3)
    assert [ticket.done() for ticket in waiting] == [True, True, True, False]
    assert queue.waiting == 1
    queue.release(waiting[1])
    assert waiting[3].done()
    queue.admit(1)  # a continued request keeps its slot
    late = queue.join()
    for ticket in (waiting[0], waiting[2]):
        queue.release(ticket)
        assert not late.done()
    queue.release(waiting[3])
    assert late.done()


def test_one_that_is_to_be_alone_waits_for_all_and_all_wait_for_it() -> None:
    queue = RequestQueue()
    queue.admit(3)
    first, second, switch, late = queue.join(), queue.join(), queue.join(alone=True), queue.join()
    assert [first.done(), second.done(), switch.done(), late.done()] == [True, True, False, False]
    queue.release(first)
    assert not switch.done()
    queue.release(second)
    assert switch.done()
    assert not late.done()
    queue.release(switch)
    assert late.done()


def test_one_that_is_ending_keeps_its_slot_and_is_nobodys_wait() -> None:
    queue = RequestQueue(most_waiting=1)
    running, waiting = queue.join(), queue.join()
    running.ending = True
    assert queue.ahead_of(waiting) == 0
    assert not waiting.done()
    queue.check_room()
    queue.release(running)
    assert waiting.done()
