"""The views of the two comparisons, as data that their scripts draw."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest

from codegemma_ui import fim
from codegemma_ui.client.progress import Progress
from codegemma_ui.completions.likelihood import Pair
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import (
    DoneEvent,
    ErrorEvent,
    Event,
    PrefillEvent,
    PromptEvent,
    TokenEvent,
)
from codegemma_ui.ui import render
from codegemma_ui.ui.render import Run
from codegemma_ui.ui.strings import LANGUAGES, Language, text
from codegemma_ui.ui.views import race, suffix
from codegemma_ui.ui.views.race import Lane

PREFIX, SUFFIX = "import ", "\nsys.exit(0)"


def run_of(vocabulary: Vocabulary, layout: fim.Layout, *events: Event, **raw: Any) -> Run:
    """Return a run with these engine events."""
    given = {"prefix": PREFIX, "suffix": SUFFIX, "layout": layout, "seed": 3, **raw}
    run = Run(given)
    run.progress = Progress(PREFIX, SUFFIX)
    for event in events:
        if isinstance(event, PromptEvent):
            run.prompt = vocabulary.prompt(PREFIX, given["suffix"], 128, layout)
        run.progress.add(event)
    run.progress.refresh()
    return run


PROMPT = PromptEvent(
    prompt="", prompt_tokens=9, max_length=128, trimmed_prefix_tokens=0, trimmed_suffix_tokens=0
)
END = "<|file_separator|>"


def tokens(*logprobs: float, text: str = "sys") -> tuple[TokenEvent, ...]:
    return tuple(
        TokenEvent(
            index=at,
            id=at + 5,
            text=text if at == 0 else "",
            piece=text if at == 0 else END,
            logprob=logprob,
            alternatives=(),
            stop_probability=0.25,
        )
        for at, logprob in enumerate(logprobs)
    )


def done(middle: str = "sys", **more: Any) -> DoneEvent:
    given = {"stop_reason": "stop_token", "stop_token": END, "ttft_s": 0.5, "preset": "bundled"}
    return DoneEvent(middle=middle, raw_output=middle, **{**given, **more})


def told(shown: str) -> dict[str, Any]:
    """Return the data within a view."""
    found = re.search(r'<div class="facts" hidden>(.*?)</div>', shown, re.DOTALL)
    assert found
    facts: dict[str, Any] = json.loads(html.unescape(found[1]))
    return facts


def test_a_lane_tells_its_order_its_figures_and_its_end(vocabulary: Vocabulary) -> None:
    run = run_of(vocabulary, "spm", PROMPT, *tokens(-0.2, -0.6), done())
    lane = race.facts([Lane("spm", run, trained=True)], "", "en", running=False)["lanes"][0]
    assert lane["state"] == "done"
    assert lane["trained"] is True
    assert [role for role, _ in lane["order"]] == ["suffix", "prefix"]
    count = {
        role: len(vocabulary.encode(side))
        for role, side in (("prefix", PREFIX), ("suffix", SUFFIX))
    }
    assert dict(lane["order"]) == count
    assert lane["written"] == 1  # without its end, as the true middle is counted
    assert lane["figures"] == {"tokens": 1, "logprob": -0.2, "per_token": -0.2}
    assert (lane["middle"], lane["stop_token"], lane["ttft_s"]) == ("sys", END, 0.5)
    assert lane["recording"]["request"]["layout"] == "spm"
    assert not lane["exact"]


def test_left_to_right_has_no_suffix_in_its_prompt(vocabulary: Vocabulary) -> None:
    run = run_of(vocabulary, "ltr", PROMPT)
    lane = race.facts([Lane("ltr", run)], "", "en", running=True)["lanes"][0]
    assert [role for role, _ in lane["order"]] == ["prefix"]


def test_a_lane_says_where_it_is(vocabulary: Vocabulary) -> None:
    stopped = run_of(vocabulary, "psm", PROMPT, *tokens(-0.2))
    stopped.stopped = True
    refused = run_of(vocabulary, "psm", ErrorEvent(code="queue_full", message="many", hint="later"))
    lanes = [
        Lane("psm", Run({"prefix": "a", "seed": 3})),
        Lane("psm", run_of(vocabulary, "psm", PROMPT)),
        Lane("psm", run_of(vocabulary, "psm", PROMPT, *tokens(-0.2))),
        Lane("psm", stopped),
        Lane("psm", refused),
    ]
    facts = race.facts(lanes, "", "ko", running=True)
    states = [lane["state"] for lane in facts["lanes"]]
    assert states == ["idle", "waiting", "writing", "stopped", "failed"]
    assert facts["lanes"][3]["middle"] == "sys"  # received text stays
    assert facts["lanes"][4]["error"] == {
        "title": text("error_queue_full", "ko"),
        "advice": text("hint_queue_full", "ko"),
        "message": "many",
        "hint": "later",
    }
    assert not any(lane["recording"] for lane in facts["lanes"])


def test_the_true_middle_is_told_once_it_is_scored(vocabulary: Vocabulary) -> None:
    run = run_of(vocabulary, "psm", PROMPT, *tokens(-0.2, -0.6), done())
    lane = Lane("psm", run)
    assert race.facts([lane], "sys", "en", running=True)["lanes"][0]["truth"] is None
    assert race.facts([lane], "sys", "en", running=True)["lanes"][0]["exact"]
    lane.scored = run_of(vocabulary, "psm", PROMPT, *tokens(-0.2, -0.9), done(stop_reason="scored"))
    facts = race.facts([lane], "sys", "en", running=False)
    assert facts["known"]
    expected = {"tokens": 1, "logprob": -0.2, "per_token": -0.2, "ends": 0.25}
    assert facts["lanes"][0]["truth"] == expected
    lane.scored = run_of(vocabulary, "psm", ErrorEvent(code="bad_input", message="too long"))
    assert "too long" in str(race.facts([lane], "sys", "en", running=False)["lanes"][0]["truth"])


def test_a_race_of_two_models_is_no_race(vocabulary: Vocabulary) -> None:
    one = Lane("psm", run_of(vocabulary, "psm", PROMPT, *tokens(-0.2), done()))
    other = Lane("spm", run_of(vocabulary, "spm", PROMPT, *tokens(-0.2), done(preset="other")))
    assert not race.facts([one, one], "", "en", running=False)["mixed"]
    assert race.facts([one, other], "", "en", running=False)["mixed"]


def test_the_seed_is_told_and_whether_it_matters(vocabulary: Vocabulary) -> None:
    for temperature, top_k, greedy in ((0, 0, True), (0.8, 0, False), (0.8, 1, True)):
        run = run_of(vocabulary, "psm", temperature=temperature, top_k=top_k)
        facts = race.facts([Lane("psm", run)], "", "en", running=False)
        assert (facts["seed"], facts["greedy"]) == (3, greedy)


READING = PrefillEvent(prefilled_tokens=512, total_tokens=2000)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_run_under_way_is_told_in_the_words_of_the_line_under_the_middle(
    vocabulary: Vocabulary, language: Language
) -> None:
    waiting = Run({"prefix": "a", "seed": 3}, ahead=2, wait_s=40.0)
    waiting.progress = Progress("a", "")
    reading = run_of(vocabulary, "psm", PROMPT, READING)
    writing = run_of(vocabulary, "psm", PROMPT, READING, *tokens(-0.2))
    for run in (waiting, reading, writing):
        caption = html.unescape(re.sub("<[^>]+>", "", render.caption(run, language)))
        [lane] = race.facts([Lane("psm", run)], "", language, running=True)["lanes"]
        assert lane["doing"] == caption
    scored = race.facts(
        [Lane("psm", run_of(vocabulary, "psm", PROMPT, done()), scored=reading)],
        *("sys", language),
        running=True,
    )["lanes"][0]["truth"]
    assert scored == {"doing": text("caption_prefilling", language, done="512", total="2,000")}
    told = [
        suffix.facts(PAIR, (run, Run({})), "psm", language)["doing"] for run in (waiting, reading)
    ]
    assert (
        told[0]
        == race.facts([Lane("psm", waiting)], "", language, running=True)["lanes"][0]["doing"]
    )
    assert told[1] == f"{text('suffix_scoring_with', language)} · {scored['doing']}"


def test_a_run_that_has_ended_does_nothing(vocabulary: Vocabulary) -> None:
    ended = run_of(vocabulary, "psm", PROMPT, *tokens(-0.1), done(stop_reason="scored"))
    assert race.facts([Lane("psm", ended)], "", "en", running=True)["lanes"][0]["doing"] == ""
    assert suffix.facts(PAIR, (ended, ended), "psm", "en")["doing"] == ""


PAIR = Pair("psm", {"suffix": SUFFIX}, {"suffix": ""})


def test_a_comparison_tells_both_scores_of_each_token(vocabulary: Vocabulary) -> None:
    scored = tuple(
        run_of(vocabulary, "psm", PROMPT, *tokens(*logprobs), done(stop_reason="scored"))
        for logprobs in ((-0.1, -0.5), (-3.1, -0.25))
    )
    facts = suffix.facts(PAIR, scored, "ltr", "en")  # type: ignore[arg-type]
    assert facts["state"] == "done"
    assert facts["was_ltr"]
    assert facts["tokens"] == [[5, "sys", -0.1, -3.1], [6, END, -0.5, -0.25]]
    assert [clause["key"] for clause in facts["reading"]] == [
        "suffix_likelier",
        "suffix_gained_most",
    ]


def test_a_comparison_says_where_it_is(vocabulary: Vocabulary) -> None:
    ended = run_of(vocabulary, "psm", PROMPT, *tokens(-0.1), done(stop_reason="scored"))
    late = run_of(vocabulary, "psm", PROMPT, *tokens(-0.1), done(stop_reason="time_limit"))
    stopped = run_of(vocabulary, "psm", PROMPT)
    stopped.stopped = True
    refused = run_of(vocabulary, "psm", ErrorEvent(code="queue_full", message="many"))
    for scored, state in (
        ((Run({}), Run({})), "with"),
        ((ended, Run({})), "without"),
        ((ended, late), "late"),
        ((ended, stopped), "stopped"),
        ((refused, Run({})), "failed"),
    ):
        assert suffix.facts(PAIR, scored, "psm", "en")["state"] == state


def test_the_scripts_ask_for_no_other_words() -> None:
    from codegemma_ui.server.assets import STATIC

    shared = (STATIC / "comparing.js").read_text()
    for view in (race, suffix):
        script = (STATIC / f"{view.NAME}.js").read_text()
        asked = set(re.findall(r"words\.(\w+)", script + shared))
        assert asked <= set(view.WORDS), view.NAME
