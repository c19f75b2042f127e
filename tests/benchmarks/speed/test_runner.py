"""Runs of scripted subjects: requests, their order, and failures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.speed import runner
from benchmarks.speed.figures import Figures
from benchmarks.speed.plan import FULL, Case
from benchmarks.speed.prompts import Prompts
from benchmarks.speed.visit import Visit, fill
from tests.benchmarks.speed.scripted_runs import PLAN, Measure, scripted


def test_a_visit_asks_every_case_a_first_time_and_then_with_other_prompts(measure: Measure) -> None:
    (visits,) = measure([scripted("steady")]).visits
    asked = [(sample.case, sample.time) for sample in visits[0].samples]
    assert asked == [(case, time) for case in PLAN.cases for time in range(3)]
    assert visits[0].error is None
    assert visits[0].peak_bytes == 123_000_000
    assert visits[0].start_s is not None
    assert visits[0].start_s > 0


def test_no_prompt_is_asked_twice_in_a_visit(prompts: Prompts) -> None:
    times = 1 + FULL.warm
    asked = [
        prompts.window(case.prompt_tokens, number * times + time)
        for number, case in enumerate(FULL.cases)
        for time in range(times)
    ]
    assert len(set(asked)) == len(asked)


def test_every_other_round_goes_backwards(measure: Measure) -> None:
    both = [scripted("steady", "engine-one"), scripted("steady", "engine-two")]
    run = measure(both, rounds=3)
    names = [[visit.subject.name for visit in visits] for visits in run.visits]
    assert names == [
        ["engine-one", "engine-two"],
        ["engine-two", "engine-one"],
        ["engine-one", "engine-two"],
    ]


def test_what_a_subject_compiled_at_first_is_there_later(measure: Measure) -> None:
    both = [scripted("keeps", "engine-one"), scripted("keeps", "engine-two")]
    run = measure(both, rounds=3)
    warm_ups = [[made.facts["warm_up_s"] for made in visits] for visits in run.visits]
    assert warm_ups == [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]
    assert [[made.compiles for made in visits] for visits in run.visits] == [
        [True, True],
        [False, False],
        [False, False],
    ]
    for row in Figures(run, frozenset()).rows(both):
        assert row["compile_s"]["median"] >= 1.0
        assert row["start_s"]["median"] > 0
        assert row["start_again_s"]["median"] > 0


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("crash-early", "RuntimeError: the weights are torn"),
        ("refuse", "RuntimeError: there is no card"),
        ("crash", "MemoryError: no more of it"),
        ("short", "There must be 16 new tokens. Received: 15"),
    ],
)
def test_a_failure_is_its_last_line_and_not_the_end_of_the_run(
    measure: Measure, script: str, said: str
) -> None:
    run = measure([scripted(script, "engine-bad"), scripted("steady", "engine-good")], rounds=2)
    bad, good = run.visits[0]
    assert bad.error == said
    assert good.error is None
    assert [visit.subject.name for visit in run.visits[1]] == ["engine-good"]  # not tried again


def test_what_was_measured_before_a_crash_is_kept(measure: Measure) -> None:
    ((visit,),) = measure([scripted("crash")]).visits
    assert [sample.time for sample in visit.samples] == [0, 1]


def test_a_subject_that_does_not_answer_is_stopped(measure: Measure) -> None:
    ((visit,),) = measure([scripted("slow")], time_limit_s=1.5).visits
    assert visit.error == "stopped after 1.5 s, its time limit"
    assert visit.facts["parameters"] == 1_000_000  # it was ready


def test_chatter_on_stdout_does_no_harm(measure: Measure) -> None:
    ((visit,),) = measure([scripted("chatter")]).visits
    assert visit.error is None


def test_a_slow_case_is_asked_less_often(measure: Measure) -> None:
    plan = replace(PLAN, cases=(Case(40, 64),), warm=5, case_s=0.9)
    ((visit,),) = measure([scripted("steady")], plan=plan).visits
    # 1.23 s the first time, which is past the limit: one warm sample, then no more.
    assert [sample.time for sample in visit.samples] == [0, 1]


def test_a_round_in_which_the_control_drifted_is_made_again(
    measure: Measure, tmp_path: Path
) -> None:
    drifting = scripted(f"drift {tmp_path / 'starts'}", "llama.cpp-f16", family="llama.cpp")
    run = measure([scripted("steady"), drifting], rounds=1, again=1)
    # Each round starts it three times. It is twice as fast from the third start on: the first round's control
    # is at 100 and 200 tokens a second, and the second round's at 200.
    assert run.control == "llama.cpp-f16"
    assert (len(run.dropped), len(run.visits)) == (1, 1)
    assert [round(speed) for speed in run.controls[0]] == [200, 200]
    assert run.drift < runner.MOST_DRIFT


def test_a_run_that_goes_on_drifting_ends_and_says_so(measure: Measure, tmp_path: Path) -> None:
    drifting = scripted(f"drift {tmp_path / 'starts'}", "llama.cpp-f16", family="llama.cpp")
    run = measure([drifting], rounds=1)
    assert len(run.visits) == 1
    assert run.drift == pytest.approx(2 / 3, rel=0.1)  # 100 and 200, whose median is 150


def test_the_control_is_a_peer_whose_speed_is_compared() -> None:
    exact = scripted("", "llama.cpp-f32-exact", family="llama.cpp", speed=False)
    peer = scripted("", "llama.cpp-f16", family="llama.cpp")
    engine, page = scripted(""), scripted("", "http-jax", family="http")
    assert runner.choose_control([page, engine, exact, peer]) == peer
    assert runner.choose_control([page, engine]) == engine
    assert runner.choose_control([page]) is None


def test_ctrl_c_keeps_what_was_measured(measure: Measure, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(visit: Visit, *others: object) -> None:
        if visit.subject.name == "engine-two":
            raise KeyboardInterrupt
        fill(visit, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(runner, "fill", interrupted)
    run = measure([scripted("steady", "engine-one"), scripted("steady", "engine-two")], rounds=3)
    assert run.interrupted
    assert len(run.visits) == 1
    assert len(run.visits[0][0].samples) == 9


def test_features_are_compared_where_they_are_offered(measure: Measure) -> None:
    extras = ("streaming", "logprobs", "drafting", "appending")
    ((visit,),) = measure([scripted("steady", extras=extras)]).visits
    assert visit.error is None
    found: dict[str, list] = {}
    for pair in visit.pairs:
        found.setdefault(pair.name, []).append(pair)
    assert {name: len(pairs) for name, pairs in found.items()} == {
        "text, events and the pipe": 2,
        "drafting where there is much to copy": 2,
        "drafting in other code": 2,
        "what one more character leaves to read (SPM)": 2,
    }  # no logprobs: it does not offer to leave them out
    copying = found["drafting where there is much to copy"][0]
    assert (round(copying.without), round(copying.with_), copying.same_tokens) == (100, 200, True)
    appended = found["what one more character leaves to read (SPM)"][1]
    assert appended.without == pytest.approx(0.1, rel=0.01)
    assert appended.with_ == pytest.approx(0.01, rel=0.01)
    streamed = found["text, events and the pipe"][0]
    assert not streamed.same_tokens  # the script's events have their own ids
    assert 100 < streamed.with_ < 1000  # timed here: a millisecond and a little each


def test_a_trace_is_typed_in_both_orders(measure: Measure) -> None:
    ((visit,),) = measure([scripted("steady", extras=("typing",))]).visits
    assert [typed.layout for typed in visit.typed] == ["psm"] * 3 + ["spm"] * 3
    assert all(typed.tokens <= PLAN.typing_tokens for typed in visit.typed)
    assert all(0 < typed.seconds < 1 for typed in visit.typed)
    assert [typed.rest_s for typed in visit.typed[:3]] == [0.14] * 3
