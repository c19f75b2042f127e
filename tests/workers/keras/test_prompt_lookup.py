"""Prompt lookup: repeated text is drafted, and drafting pauses if drafts are rejected."""

from __future__ import annotations

from codegemma_ui.workers.keras.prompt_lookup import CREDIT, Draft, DraftBudget


def test_the_longest_run_that_stood_before_is_taken() -> None:
    draft = Draft([0, 1, 2, 3, 4, 10, 11, 9, 1, 2, 3, 4, 20, 21, 0, 1, 2, 3, 4], width=3)
    assert draft.guess() == [10, 11, 9]


def test_of_equal_runs_the_last_counts() -> None:
    draft = Draft([1, 2, 3, 4, 10, 1, 2, 3, 4, 20, 30, 1, 2, 3, 4], width=2)
    assert draft.guess() == [20, 30]


def test_nothing_is_guessed_where_nothing_like_it_stood() -> None:
    assert Draft([1, 2, 3, 4, 5], width=4).guess() == []
    assert Draft([2, 3, 4, 9, 2, 3, 4], width=4).guess() == []  # three equal ones are too few
    assert Draft([], width=4).guess() == []
    assert Draft([5], width=4).guess() == []


def test_what_comes_is_looked_for_too() -> None:
    draft = Draft([1, 2, 3, 4], width=4)
    draft.extend([5, 1, 2, 3, 4])
    assert draft.guess() == [5, 1, 2, 3]


def test_a_draft_that_loses_waits_ever_longer() -> None:
    budget, waits = DraftBudget(cost=3.0), []
    for _ in range(3):
        while budget.worth_it(7):
            budget.verified(gained=1, cost=3.0)
        count = 0
        while not budget.worth_it(7):
            budget.wrote(1)
            count += 1
        waits.append(count)
    assert waits == sorted(set(waits))


def test_a_draft_that_pays_goes_on_and_loses_little_later() -> None:
    budget = DraftBudget(cost=2.0)
    for _ in range(50):
        budget.verified(gained=8, cost=2.0)
        assert budget.worth_it(7)
    lost = 0.0
    while budget.worth_it(7):
        budget.verified(gained=1, cost=2.0)
        lost += 1
    assert lost <= 4 * CREDIT + 1


def test_a_draft_too_short_for_what_its_check_takes_is_left() -> None:
    assert [guessed for guessed in range(8) if DraftBudget(cost=4.0).worth_it(guessed)] == [5, 6, 7]
    assert not DraftBudget(cost=6.0).worth_it(7)


def test_looks_are_rare_until_a_draft_has_paid() -> None:
    budget = DraftBudget(cost=2.0)
    rare = budget.burst
    budget.verified(gained=8, cost=2.0)
    assert budget.burst < rare
    budget.verified(gained=1, cost=2.0)
    assert budget.burst == rare


def test_what_repeats_itself_is_guessed_to_go_on() -> None:
    assert Draft([7, 7, 7, 7, 7], width=4).guess() == [7, 7, 7, 7]
    assert Draft([1, 2, 1, 2, 1, 2], width=5).guess() == [1, 2, 1, 2, 1]
