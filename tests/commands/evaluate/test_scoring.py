"""Scoring of a generated middle."""

from __future__ import annotations

import pytest

from codegemma_ui.commands.evaluate.summary import summary
from codegemma_ui.fim import scoring
from tests.commands.evaluate.own_tasks import result


def test_whitespace_counts_at_the_start_and_not_at_the_end() -> None:
    assert scoring.exact_match("    return a\n", "    return a  \n\n")
    assert not scoring.exact_match("return a", "    return a")
    assert scoring.edit_similarity("    return a\n", "    return a") == 1.0
    assert scoring.edit_similarity(" a", "a") == 0.5


def test_edit_similarity_is_levenshtein_over_the_longer_text() -> None:
    assert scoring.edit_similarity("kitten", "sitting") == pytest.approx(1 - 3 / 7)
    assert scoring.edit_similarity("", "abc") == 0.0
    assert scoring.edit_similarity("", "\n") == 1.0


def test_a_program_parses_or_not_and_is_never_run() -> None:
    assert scoring.parses("raise SystemExit('this line must not run')")
    assert scoring.parses(r"print('\d')")  # a warning at most
    for broken in ("def f(:", "a\0b", "(" * 10_000, "  x = 1\n y = 2"):
        assert not scoring.parses(broken)


def test_a_summary_is_the_mean_over_all_tasks() -> None:
    figures = summary(
        [
            result(exact_match=True, edit_similarity=1.0, stopped=True, seconds=1.0),
            result(stopped=True, trimmed_tokens=3),
            result(parses=False),
            result(),
        ],
        executed=False,
    )
    assert figures == {
        "tasks": 4,
        "exact_match": 0.25,
        "edit_similarity": 0.625,
        "stopped": 0.5,
        "parses": 0.75,
        "trimmed": 1,
        "seconds": 1.75,
    }


def test_pass_at_1_counts_only_tasks_with_a_test() -> None:
    figures = summary([result(passed=True), result(passed=False), result()], executed=True)
    assert (figures["pass_at_1"], figures["executed"]) == (0.5, 2)
    none = summary([result()], executed=True)
    assert (none["pass_at_1"], none["executed"]) == (None, 0)
