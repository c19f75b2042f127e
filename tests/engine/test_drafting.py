"""What stood before is guessed again; drafts that do not pay wait."""

from __future__ import annotations

from codegemma_ui.workers.keras.drafting import CREDIT, Account, Draft


def test_the_longest_run_that_stood_before_is_taken() -> None:
    draft = Draft([0, 1, 2, 3, 4, 10, 11, 9, 1, 2, 3, 4, 20, 21, 0, 1, 2, 3, 4], width=3)
    assert draft.guess() == [10, 11, 9]


def test_of_equal_runs_the_last_counts() -> None:
    draft = Draft([1, 2, 3, 4, 10, 1, 2, 3, 4, 20, 30, 1, 2, 3, 4], width=2)
    assert draft.guess() == [20, 30]


def test_nothing_is_guessed_where_nothing_like_it_stood() -> None:
    assert Draft([1, 2, 3, 4, 5], width=4).guess() == []
    assert Draft([2, 3, 4, 9, 2, 3, 4], width=4).guess() == []  # three alike are too few
    assert Draft([], width=4).guess() == []
    assert Draft([5], width=4).guess() == []


def test_what_comes_is_looked_for_too() -> None:
    draft = Draft([1, 2, 3, 4], width=4)
    draft.extend([5, 1, 2, 3, 4])
    assert draft.guess() == [5, 1, 2, 3]


def test_a_draft_that_loses_waits_ever_longer() -> None:
    account, waits = Account(cost=3.0), []
    for _ in range(3):
        while account.pays(7):
            account.checked(gained=1, cost=3.0)
        count = 0
        while not account.pays(7):
            account.wrote(1)
            count += 1
        waits.append(count)
    assert waits == sorted(set(waits))


def test_a_draft_that_pays_goes_on_and_loses_little_later() -> None:
    account = Account(cost=2.0)
    for _ in range(50):
        account.checked(gained=8, cost=2.0)
        assert account.pays(7)
    lost = 0.0
    while account.pays(7):
        account.checked(gained=1, cost=2.0)
        lost += 1
    assert lost <= 4 * CREDIT + 1


def test_a_draft_too_short_for_what_its_check_takes_is_left() -> None:
    assert [guessed for guessed in range(8) if Account(cost=4.0).pays(guessed)] == [5, 6, 7]
    assert not Account(cost=6.0).pays(7)


def test_looks_are_rare_until_a_draft_has_paid() -> None:
    account = Account(cost=2.0)
    rare = account.burst
    account.checked(gained=8, cost=2.0)
    assert account.burst < rare
    account.checked(gained=1, cost=2.0)
    assert account.burst == rare


def test_what_repeats_itself_is_guessed_to_go_on() -> None:
    assert Draft([7, 7, 7, 7, 7], width=4).guess() == [7, 7, 7, 7]
    assert Draft([1, 2, 1, 2, 1, 2], width=5).guess() == [1, 2, 1, 2, 1]
