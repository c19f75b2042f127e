"""The quiz: the model's middle as an attempt at a hole."""

from __future__ import annotations

import asyncio
import math

import pytest

from codegemma_ui.completions.recording import Recording
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import (
    CancelledEvent,
    CompletionRequest,
    DoneEvent,
    StopReason,
    TokenEvent,
)
from codegemma_ui.ui import quiz, render
from codegemma_ui.ui.views.quiz import Attempt


def ended(
    vocabulary: Vocabulary, texts: list[str], reason: StopReason | None, stop: float
) -> render.Run:
    """Return a run whose tokens each have a probability of one half."""
    tokens = tuple(
        TokenEvent(
            index=index,
            id=index,
            text=text,
            logprob=math.log(0.5),
            alternatives=(),
            stop_probability=stop,
        )
        for index, text in enumerate(texts)
    )
    kind = CancelledEvent if reason is None else DoneEvent
    last = kind(
        middle="".join(texts),
        raw_output="".join(texts),
        stop_reason=reason,
        stop_token="<|file_separator|>" if reason == "stop_token" else None,
        token_ids=tuple(range(len(texts))),
    )
    prompt = vocabulary.prompt("a = ", "\n", 128)
    recording = Recording(CompletionRequest(prefix="a = "), "LF", prompt, tokens, last)
    return render.Run.of(recording, None)


def test_the_models_likelihood_counts_its_end(vocabulary: Vocabulary) -> None:
    attempt = quiz.written(ended(vocabulary, ["1", " + 1", ""], "stop_token", 0.25), "1 + 1\n")
    assert attempt.exact
    assert attempt.tokens == 2
    assert attempt.logprob == pytest.approx(math.log(0.5 * 0.5 * 0.25))


@pytest.mark.parametrize("reason", ["max_length", "time_limit", None])
def test_what_was_cut_off_has_no_likelihood(
    vocabulary: Vocabulary, reason: StopReason | None
) -> None:
    attempt = quiz.written(ended(vocabulary, ["1", " +"], reason, 0.25), "1 + 1")
    assert attempt.logprob is None
    assert attempt.tokens == 2
    assert not attempt.exact


def test_no_end_at_all_is_unlikely_and_no_error(vocabulary: Vocabulary) -> None:
    attempt = quiz.written(ended(vocabulary, ["1", ""], "stop_token", 0.0), "1")
    assert attempt.logprob == pytest.approx(math.log(0.5) + math.log(quiz.LEAST_LIKELY))


@pytest.mark.parametrize(
    ("prefix", "text", "parses"),
    [("a = ", "1", True), ("a = ", "(", False), ("#" * quiz.MOST_PARSED, "1", None)],
)
def test_a_program_is_parsed_whole_and_a_very_long_one_is_not(
    prefix: str, text: str, parses: bool | None
) -> None:
    row = Attempt(who="you", text=text, exact=False, parses=None, logprob=None, tokens=1)
    assert asyncio.run(quiz.parsed(row, prefix, "\n")).parses is parses
