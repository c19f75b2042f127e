"""A sweep over settings whose effect is known."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.speed.prompts import Prompts
from benchmarks.speed.sweep import Try, best, sweep
from tests.benchmarks.speed.scripted_runs import PLAN, scripted, setting

SWEPT = {"pace": ("slow", "fast", "broken"), "reading": ("late", "early")}


def test_the_fastest_decode_is_chosen_then_the_earliest_token(prompts: Prompts) -> None:
    said: list[str] = []
    subject = scripted("steady", swept=SWEPT)
    found = sweep(subject, setting(), replace(PLAN, sweep_tokens=16), prompts, said.append)
    assert found.chosen == {"pace": "fast", "reading": "early"}
    assert [one.settings["pace"] for one in found.tried] == [
        "slow",
        "fast",
        "broken",
        "fast",
        "fast",
    ]
    assert [round(one.tokens_per_s or 0) for one in found.tried] == [50, 100, 0, 100, 100]
    assert found.tried[2].error == "RuntimeError: this pace is broken"
    assert [line.split()[-2:] for line in said] == [["pace:", "fast"], ["reading:", "early"]]


def test_a_little_slower_counts_as_alike() -> None:
    faster, sooner = Try({"n": "1"}, 100.0, 0.03), Try({"n": "2"}, 98.0, 0.02)
    assert best([faster, sooner, Try({"n": "3"}, 90.0, 0.01)]) == sooner


def test_where_all_fail_the_default_stays() -> None:
    failed = [Try({"n": name}, None, None, "no") for name in ("1", "2")]
    assert best(failed) == failed[0]
