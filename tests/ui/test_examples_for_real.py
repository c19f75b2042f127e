"""The examples that are not marked hard work with the bundled model: it ends by itself, and they parse."""

from __future__ import annotations

from tools import weights


def test_what_is_not_marked_hard_works() -> None:
    judged = weights.judged()
    wrong = {
        one.key: (outcome, middle)
        for one, middle, outcome in judged
        if outcome != "good" and not one.hard
    }
    assert not wrong
    assert judged[0][1].startswith("sys\n")
