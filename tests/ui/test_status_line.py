"""The status line of the page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codegemma_ui import presets
from codegemma_ui.ipc.messages import STATES
from codegemma_ui.presets import quality
from codegemma_ui.presets.memory import Narrowed
from codegemma_ui.ui.status_line import shown, waits_for
from codegemma_ui.ui.strings import LANGUAGES, Language, text
from tests.support.statuses import OFFERED, READY

SWITCHING = {"preset": "code_gemma_2b_en", "backend": "torch", "dtype": "auto"}


def test_ready_names_model_backend_precision_device_size_and_memory() -> None:
    line = shown(READY, OFFERED, "en").line
    facts = ("ready", "Bundled FIM model", "jax", "float32", "CPU", "7.8M", "734 MB")
    assert [fact for fact in facts if fact not in line] == []
    assert "CodeGemma" not in line


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_state_has_a_line(state, language) -> None:
    assert shown(replace(READY, state=state), OFFERED, language).line


def test_a_download_tells_its_percentage_and_who_still_serves() -> None:
    status = replace(
        READY, state="downloading", phase="downloading", progress=0.37, switching_to=SWITCHING
    )
    now = shown(status, OFFERED, "en")
    assert "downloading CodeGemma 2B · torch 37%" in now.line
    assert "Bundled FIM model · jax keeps answering" in now.line
    assert now.choice == ("code_gemma_2b_en", "torch", "auto")
    assert not now.cancellable  # there is nothing to go back to
    assert shown(replace(status, returns_to=SWITCHING), OFFERED, "en").cancellable


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        (None, "loading CodeGemma 2B"),
        ("waiting", "waiting for the running completion"),
        ("stopping", "stopping the old model"),
        ("loading", "loading CodeGemma 2B"),
        ("warming", "compiling CodeGemma 2B"),
    ],
)
def test_each_phase_of_a_switch_has_words(phase: str | None, said: str) -> None:
    assert said in shown(replace(READY, phase=phase, switching_to=SWITCHING), OFFERED, "en").line


def test_a_first_load_names_the_model_once() -> None:
    status = replace(READY, state="loading", phase="loading", progress=0.4, summary=None)
    line = shown(replace(status, switching_to=SWITCHING), OFFERED, "en").line
    assert "loading CodeGemma 2B · torch 40%" in line
    assert 'value="0.40"' in line
    assert line.count("torch") == 1
    assert "Bundled" not in line


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        (None, "writing"),
        ("prefill", "prefilling the prompt"),
        ("scoring", "scoring"),
        ("ending", "ending the stopped completion"),
    ],
)
def test_a_busy_model_says_what_it_does(phase: str | None, said: str) -> None:
    line = shown(replace(READY, state="busy", phase=phase), OFFERED, "en").line
    assert f"<strong>{said}</strong>" in line


def test_compiling_in_the_background_is_never_what_a_request_waits_for() -> None:
    assert waits_for(replace(READY, warm=0.3), OFFERED, "en") == ""
    assert waits_for(replace(READY, switching_to=SWITCHING), OFFERED, "en") != ""


def test_a_model_that_sleeps_says_how_it_comes_back() -> None:
    asleep = replace(READY, state="asleep", memory_bytes=None, summary=None)
    assert "asleep: wakes with the next request" in shown(asleep, OFFERED, "en").line
    assert "다음 요청이 오면" in shown(asleep, OFFERED, "ko").line


def test_the_sum_is_drawn_anew_for_a_speed_that_may_meet_the_limit() -> None:
    slow, fast = replace(READY, tokens_per_s=2.13), replace(READY, tokens_per_s=300.0)
    assert shown(slow, OFFERED, "en").counts_by == "bundled 2.1"
    assert shown(fast, OFFERED, "en").counts_by == "bundled None"


def test_an_error_is_shown_once_the_switch_is_over() -> None:
    error = {"code": "load_failed", "message": "<b>corrupt</b>", "hint": "Again."}
    now = shown(replace(READY, error=error), OFFERED, "en", requested=SWITCHING)
    assert "&lt;b&gt;corrupt" in now.notices
    assert "Again." in now.notices
    during = shown(
        replace(READY, error=error, switching_to=SWITCHING), OFFERED, "en", requested=SWITCHING
    )
    assert "corrupt" not in during.notices


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_failed_switch_is_shown_to_whoever_made_it_as_long_as_a_model_serves(
    language: Language,
) -> None:
    hint = "Open https://www.kaggle.com/models/keras/codegemma, accept the terms."
    error = {"code": "terms_not_accepted", "message": "Not accepted.", "hint": hint}
    failed = replace(READY, error=error)
    assert shown(failed, OFFERED, language).notices == ""
    mine = shown(failed, OFFERED, language, requested=SWITCHING).notices
    assert "CodeGemma 2B" in mine
    assert "Bundled FIM model" in mine
    assert "data-dismiss" in mine
    assert 'href="https://www.kaggle.com/models/keras/codegemma"' in mine
    nothing = replace(failed, state="failed", summary=None, device=None)
    for requested in (None, SWITCHING):
        everybodys = shown(nothing, OFFERED, language, requested=requested).notices
        assert "Not accepted." in everybodys
        assert "data-dismiss" not in everybodys


def test_codegemma_brings_its_terms_and_instruct_a_warning() -> None:
    assert shown(READY, OFFERED, "en").footer == ""
    status = replace(READY, preset="code_gemma_instruct_7b_en")
    now = shown(status, OFFERED, "en")
    assert presets.GEMMA_TERMS in now.footer
    assert presets.GEMMA_POLICY in now.footer
    assert "made for chat" in now.notices


def test_a_note_is_visible() -> None:
    assert "uncompiled" in shown(replace(READY, note="runs uncompiled"), OFFERED, "en").notices


@pytest.mark.parametrize("language", ["en", "ko"])
def test_what_a_precision_costs_is_said_in_the_measured_figures(language: Language) -> None:
    said = shown(READY, OFFERED, language).precisions
    for dtype in ("float32", "int8"):
        one = quality.of(dtype, READY.backend)
        assert one is not None
        assert f"{dtype} {one.exact_match:.1%}, {one.perplexity:.2f}" in said
        assert str(one.tasks) in said
    assert {"en": "The bundled model's", "ko": "내장 모델"}[language] in said


LARGE = replace(READY, preset="code_gemma_2b_en", dtype="int8")
NARROWED = Narrowed(
    dtype="int8", wider="bfloat16", needed_bytes=6_640_000_000, free_bytes=5_020_000_000
)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            "Here auto means int8: bfloat16 needs about 6.6 GB, and 5.0 GB of memory were free.",
        ),
        (
            "ko",
            "여기서 auto는 int8입니다. bfloat16에는 약 6.6GB가 필요한데 남은 메모리가 5.0GB였습니다.",
        ),
    ],
)
def test_a_precision_that_memory_decided_is_explained(language: Language, said: str) -> None:
    now = shown(replace(LARGE, narrowed=NARROWED), OFFERED, language)
    assert said in now.notices
    assert text("chosen_by_auto", language, dtype="int8") in now.line
    told = shown(LARGE, OFFERED, language)
    assert "auto" not in told.notices + told.line
    switching = shown(replace(LARGE, narrowed=NARROWED, switching_to=SWITCHING), OFFERED, language)
    assert said not in switching.notices


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_faster_backend_is_named(language: Language) -> None:
    status = replace(LARGE, backend="tensorflow", dtype="bfloat16", faster_backend="torch")
    notices = shown(status, OFFERED, language).notices
    for said in ("torch", "tensorflow", "6.5", "4.7"):
        assert said in notices
    assert "torch" not in shown(replace(status, faster_backend=None), OFFERED, language).notices
