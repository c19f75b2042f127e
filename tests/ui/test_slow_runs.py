"""The page during a completion at two tokens a second: queue, prefill, decode, time limit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codegemma_ui.client.progress import Progress
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import DoneEvent, PrefillEvent, PromptEvent, TokenEvent
from codegemma_ui.ui import render, unfinished
from codegemma_ui.ui.strings import Language


def slow_run(
    vocabulary: Vocabulary, written: int, forced: int = 0, **request: object
) -> render.Run:
    """Return a run of two tokens a second: 14 s in the queue, 4 s of prefill, then that many tokens."""
    asked = {"prefix": "def f(", "suffix": "", "max_length": 300, **request}
    run = render.Run(asked, arrived_s=0.0, begun_s=14.0, time_limit_s=120.0, context_length=512)
    run.progress = Progress("def f(", "")
    run.prompt = vocabulary.prompt("def f(", "", int(str(asked["max_length"])))
    run.progress.add(
        PromptEvent(
            prompt=run.prompt.text,
            prompt_tokens=len(run.prompt.tokens),
            max_length=int(str(asked["max_length"])),
            trimmed_prefix_tokens=0,
            trimmed_suffix_tokens=0,
            forced_tokens=forced,
        )
    )
    for index in range(forced + written):
        token = TokenEvent(index=index, id=9, text="x", logprob=-0.1, alternatives=())
        run.progress.add(replace(token, forced=index < forced))
    run.seen_s = 18.0
    if written:
        run.first_token_s, run.seen_s = 18.0, 18.0 + (written - 1) / 2
    run.progress.refresh()
    return run


def end(run: render.Run, reason: str) -> render.Run:
    assert run.progress is not None
    run.progress.add(
        DoneEvent(
            **{
                **vars(run.progress.completion),
                "stop_reason": reason,
                "ttft_s": 1.2,
                "tokens_per_s": 2.1,
            }
        )
    )
    return run


def test_who_waits_is_told_about_how_long() -> None:
    run = render.Run({"prefix": "a"}, ahead=1, wait_s=41.0)
    assert "Waiting: 1 ahead of you" in render.caption(run, "en")
    assert "about 40 s" in render.caption(run, "en")
    assert "약 40초" in render.caption(run, "ko")
    run.wait_s = None
    assert "about" not in render.caption(run, "en")


def test_a_prompt_that_is_prefilled_is_told_apart_from_a_wait(vocabulary: Vocabulary) -> None:
    run = slow_run(vocabulary, 0)
    run.waits_for = ""
    assert run.prompt is not None
    assert f"Reading the prompt: {len(run.prompt.tokens)} tokens" in render.caption(run, "en")
    assert run.progress is not None
    run.progress.add(PrefillEvent(prefilled_tokens=512, total_tokens=2000))
    assert "Reading the prompt: 512 of 2,000 tokens" in render.caption(run, "en")
    assert "2,000토큰 중 512토큰" in render.caption(run, "ko")


def test_a_run_tells_its_speed_and_what_is_left_at_most(vocabulary: Vocabulary) -> None:
    run = slow_run(vocabulary, 41, max_length=100)
    caption = render.caption(run, "en")
    for said in ("Writing", "41 tokens", "2.0 tok/s", "first token 4.0 s after 14 s in the queue"):
        assert said in caption
    assert run.room_left() == 100 - len(run.prompt.tokens) - 41  # type: ignore[union-attr]
    assert f"at most {5 * round(run.room_left() / 10)} s left" in caption


def test_where_the_limit_comes_first_it_is_named(vocabulary: Vocabulary) -> None:
    run = slow_run(vocabulary, 161)
    assert "the time limit comes in 35 s, after about 72 more tokens" in render.caption(run, "en")


def test_forced_tokens_count_for_no_speed(vocabulary: Vocabulary) -> None:
    run = slow_run(vocabulary, 21, forced=100)
    assert run.speed() == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("reason", "language", "said"),
    [
        ("time_limit", "en", "Not finished: the 120 s time limit was reached after 149 tokens."),
        ("max_length", "en", "Not finished: max_length (300) was reached after 149 tokens."),
        ("time_limit", "ko", "시간 제한(120초)"),
        ("max_length", "ko", "max_length(300)"),
    ],
)
def test_an_end_at_a_limit_is_marked(
    vocabulary: Vocabulary, reason: str, language: Language, said: str
) -> None:
    run = end(slow_run(vocabulary, 149), reason)
    assert said in unfinished.notice(run, language)
    assert 'class="caption done unfinished"' in render.caption(run, language)
    assert "2.1" in render.caption(run, language)


def test_a_finished_middle_is_not(vocabulary: Vocabulary) -> None:
    run = end(slow_run(vocabulary, 149), "stop_token")
    assert unfinished.notice(run, "en") == ""
    assert "unfinished" not in render.caption(run, "en")


def test_going_on_keeps_the_length_where_it_leaves_room(vocabulary: Vocabulary) -> None:
    assert 'data-go-on="300"' in unfinished.notice(
        end(slow_run(vocabulary, 149), "time_limit"), "en"
    )


def test_going_on_past_max_length_makes_room_up_to_the_context(vocabulary: Vocabulary) -> None:
    run = slow_run(vocabulary, 1, max_length=300)
    assert run.prompt is not None
    room = 300 - len(run.prompt.tokens)
    full = end(slow_run(vocabulary, room), "max_length")
    assert 'data-go-on="512"' in unfinished.notice(full, "en")
    full.context_length = 300
    assert "data-go-on" not in unfinished.notice(full, "en")
    full.context_length = 512
    full.prompt = replace(run.prompt, trimmed_prefix_tokens=4)
    assert "data-go-on" not in unfinished.notice(full, "en")


def test_what_the_limit_allows_is_said_where_the_room_is_larger(vocabulary: Vocabulary) -> None:
    prompt = vocabulary.prompt("def f(", "", 400)
    said = render.token_sum(prompt, 400, "en", tokens_per_s=2.13, time_limit_s=120.0)
    assert "At 2.1 tok/s, the 120 s limit allows about 260 tokens" in said
    assert "초당 2.1토큰" in render.token_sum(prompt, 400, "ko", tokens_per_s=2.13)
    for fits in ({"tokens_per_s": 58.0}, {"tokens_per_s": None}):
        assert "limit allows" not in render.token_sum(prompt, 400, "en", **fits)  # type: ignore[arg-type]
