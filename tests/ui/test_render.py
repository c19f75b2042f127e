"""Rendering as HTML: text from a person or a model is never markup."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import get_args

import pytest

from codegemma_ui import fim
from codegemma_ui.client.progress import Progress
from codegemma_ui.errors import EngineError
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import DoneEvent, ErrorEvent, StopReason, TokenEvent
from codegemma_ui.ui import render
from codegemma_ui.ui.strings import LANGUAGES, Language, text
from codegemma_ui.ui.views import race, tokens
from tests.support.hostile import HOSTILE


class Text(HTMLParser):
    """Collects the text inside `pre`, and every tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self._inside = "", 0
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        self._inside += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        self._inside -= tag == "pre"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.text += data


def run_of(prefix: str, suffix: str, *tokens: str, ending: str = "LF") -> render.Run:
    run = render.Run({"prefix": prefix, "suffix": suffix}, ending)
    run.progress = Progress(prefix, suffix)
    for index, token in enumerate(tokens):
        run.progress.add(TokenEvent(index=index, id=9, text=token, logprob=0.0, alternatives=()))
    run.progress.refresh()
    return run


def test_escape_leaves_no_character_of_any_language() -> None:
    escaped = render.escape(HOSTILE)
    assert not set("<>\"'`${}\\") & set(escaped)


def test_an_ending_is_no_markup() -> None:
    shown = render.program(run_of("a", "b", "c", ending=f'LF"><img src=x>{HOSTILE}'), "en")
    assert "img" not in Text(shown).tags
    assert "${" not in shown


def test_the_program_reads_back_byte_for_byte() -> None:
    shown = Text(render.program(run_of(HOSTILE, HOSTILE, "a", HOSTILE), "en"))
    assert shown.text == HOSTILE + "a" + HOSTILE + HOSTILE
    assert not {"script", "img"} & set(shown.tags)


def test_the_prompt_marks_control_tokens_only(vocabulary: Vocabulary) -> None:
    run = run_of("<|fim_middle|>x", "")
    run.prompt = vocabulary.prompt("<|fim_middle|>x", "", 128)
    html = render.raw_prompt(run, "en")
    assert html.count('class="role control"') == 3
    assert Text(html).text == run.prompt.text


def test_crlf_is_written_into_the_program() -> None:
    run = run_of("a\nb\n", "c\n", ending="CRLF")
    assert run.prefix == "a\r\nb\r\n"
    assert 'data-ending="CRLF"' in render.program(run, "en")
    assert render.with_ending("a\r\nb\n", "CRLF") == "a\r\nb\r\n"
    assert render.with_ending("a\r\nb\n", "LF") == "a\r\nb\n"


def test_the_caption_says_why_it_stopped() -> None:
    run = run_of("", "", "a", "b")
    assert run.progress is not None
    assert "Writing" in render.caption(run, "en")
    run.progress.add(
        DoneEvent(
            middle="ab",
            raw_output="ab<eos>",
            stop_reason="stop_token",
            stop_token="<eos>",
            ttft_s=0.123,
            tokens_per_s=181.4,
        )
    )
    caption = render.caption(run, "en")
    for said in ("stopped at", "&lt;eos&gt;", "2 tokens", "181 tok/s", "first token after 0.12 s"):
        assert said in caption
    assert "role control" in render.raw_output(run, "en")


@pytest.mark.parametrize("reason", get_args(StopReason))
def test_every_reason_has_words_in_all_views(reason: StopReason) -> None:
    for language in LANGUAGES:
        run = run_of("", "", "a")
        assert run.progress is not None
        run.progress.add(DoneEvent(middle="a", stop_reason=reason))
        name = "stop_unnamed" if reason == "stop_token" else f"stop_{reason}"
        assert text(name, language) in render.caption(run, language)
        # A scored middle has its own lanes in a race.
        assert reason == "scored" or {name} <= {*race.WORDS} & {*tokens.WORDS}


def test_an_error_keeps_what_came() -> None:
    run = run_of("p", "s", "a")
    assert run.progress is not None
    run.progress.add(TokenEvent(index=1, id=9, text="b", logprob=0.0, alternatives=()))
    run.progress.add(ErrorEvent(code="worker_died", message="gone"))
    assert run.middle == "ab"
    assert Text(render.program(run, "en")).text == "pabs"
    assert "stopped by an error" in render.caption(run, "en")


def test_the_sum_adds_up(vocabulary: Vocabulary) -> None:
    prompt = vocabulary.prompt("x = 1\n" * 100, "y = 2\n" * 50, 64)
    html = render.token_sum(prompt, 64, "en")
    room = 64 - len(prompt.tokens)
    assert fim.MIN_ROOM <= room < fim.MIN_ROOM + 1.5 * fim.cut_step(44)
    assert f"up to <b>{room}</b> new tokens (limit <b>64</b>)" in html
    assert f"{prompt.trimmed_prefix_tokens} tokens were cut" in html


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("side", "keep"),
    [
        ("prefix", ("end", "끝")),
        ("suffix", ("start", "첫")),
        ("files", ("this file uses", "쓰는 부분")),
    ],
)
def test_a_side_that_is_too_long_to_complete_is_said_to_be_in_place_of_a_cut(
    side: str, keep: tuple[str, str], language: Language, vocabulary: Vocabulary
) -> None:
    prompt = vocabulary.prompt("x = 1\n" * 100, "y = 2\n" * 100, 64)
    counts = {"prefix": 600, "suffix": 600, "files": 600}
    cut = render.token_sum(prompt, 64, language, characters=counts)
    longest = counts | {side: fim.MAX_SIDE_CHARACTERS}
    assert render.token_sum(prompt, 64, language, characters=longest) == cut
    said = render.token_sum(prompt, 64, language, characters=counts | {side: 600_001})
    assert said.count('class="trimmed"') == 1
    for part in ("600,001", "200,000", keep[LANGUAGES.index(language)]):
        assert part in said
    assert said != cut


def test_a_korean_reader_is_told_what_to_do_in_korean() -> None:
    shown = render.error_notice(
        EngineError("no key was found", "Make a token", "no_credentials"), "ko"
    )
    assert "키가 필요합니다" in shown
    assert "시크릿" in shown
    assert "Make a token" in shown  # the details stay
