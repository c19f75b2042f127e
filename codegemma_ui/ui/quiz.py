"""Handlers of the hole quiz: a normal completion fills the hole, then each text for it is scored."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, cast

import gradio as gr

from codegemma_ui import fim
from codegemma_ui.client.client import EngineClient
from codegemma_ui.client.progress import Progress
from codegemma_ui.errors import BadInput
from codegemma_ui.fim.scoring import exact_match, parses
from codegemma_ui.ipc.messages import DoneEvent, TokenEvent, logprob_of
from codegemma_ui.ui import received, render
from codegemma_ui.ui.calls import Calls
from codegemma_ui.ui.completing import Complete, results
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.events import PRIVATE, SKIP, Updates
from codegemma_ui.ui.requests import asked_by, request_of
from codegemma_ui.ui.strings import Language
from codegemma_ui.ui.views import quiz as quiz_view
from codegemma_ui.ui.views.quiz import Attempt, Comparison

MOST_PARSED = 50_000
"""Maximum characters of a program that is parsed: Python's parser holds the GIL."""

LEAST_LIKELY = 1e-30
"""Replaces a probability that underflowed to 0."""


def wire(page: Page, client: EngineClient, calls: Calls, complete: Complete) -> None:
    """Connect the quiz.

    Args:
        complete: runs a completion, and yields the updates of the page.
    """

    async def show_quiz(
        request: gr.Request,
        sent: str,
        ending: str,
        code_language: str,
        language: Language,
        *given: Any,
    ) -> AsyncGenerator[Updates]:
        """Fill in and compare: `{"prefix": …, "suffix": …, "truth": …, "guess": …}`."""
        try:
            payload = received.mapping(sent)
            prefix, suffix, truth, guess = (
                str(payload[name]) for name in ("prefix", "suffix", "truth", "guess")
            )
            truth, guess = truth[: fim.MAX_SIDE_CHARACTERS], guess[: fim.MAX_SIDE_CHARACTERS]
            raw = request_of(page, client, given, prefix=prefix, suffix=suffix)
        except (ValueError, KeyError, TypeError):
            yield SKIP
            return
        except BadInput as error:
            failed = quiz_view.view(None, language, state="failed")
            yield {page.quiz: failed, page.outcome: render.error_notice(error, language)}
            return
        run = render.Run(raw, ending)
        yield {page.quiz: quiz_view.view(None, language, state="busy")}
        async with aclosing(complete(run, language, request.session_hash)) as steps:
            async for updates in steps:
                yield updates
        if run.recording is None or run.stopped:
            yield {page.quiz: quiz_view.view(None, language, state="failed")}
            return
        yield {page.quiz: quiz_view.view(None, language, state="scoring")}
        rows = [
            await attempt("you", guess, truth, run, request.session_hash),
            written(run, truth),
            await attempt("truth", truth, truth, run, request.session_hash),
        ]
        python = code_language == "python"
        if python:
            rows = [await parsed(row, prefix, suffix) for row in rows]
        yield {page.quiz: quiz_view.view(Comparison(tuple(rows), python), language)}

    async def attempt(
        who: Any, text: str, truth: str, run: render.Run, session: str | None
    ) -> Attempt:
        """Return a text for the hole, with the likelihood of it and an end after it."""
        vocabulary = client.vocabulary()
        forced = [*vocabulary.encode(text), vocabulary.control_id(fim.FILE_SEPARATOR)]
        raw = {**run.request, "forced": forced, "score": True, "max_length": _room(run, forced)}
        progress: Progress | None = None
        with calls.call(session) as call:
            async with aclosing(call.updates(call.submit(raw))) as progresses:
                async for each in progresses:
                    progress = each
        scored = progress is not None and isinstance(progress.last, DoneEvent)
        return Attempt(
            who=who,
            text=text,
            exact=exact_match(text, truth),
            parses=None,
            logprob=_logprob(progress.tokens) if progress and scored else None,
            tokens=len(forced) - 1,
        )

    def _room(run: render.Run, forced: Sequence[int]) -> int:
        """Return a `max_length` that fits the prompt and the forced tokens, if that does not change the
        prompt."""
        max_length, prompt = int(run.request["max_length"]), run.prompt
        if prompt is None or prompt.trimmed:
            return max_length
        needed = max(max_length, len(prompt.tokens) + len(forced))
        return min(needed, client.status().context_length)

    page.quiz_ask.change(
        show_quiz,
        inputs=[
            page.quiz_ask,
            page.ending,
            page.code_language,
            page.language_choice,
            *asked_by(page).values(),
        ],
        outputs=[*results(page), page.quiz],
        concurrency_limit=None,
        trigger_mode="once",
        **PRIVATE,
    )


def written(run: render.Run, truth: str) -> Attempt:
    """Return the model's middle, with its likelihood."""
    assert run.recording is not None
    tokens, last = run.recording.tokens, run.recording.last
    ended = last.stop_reason == "stop_token" and last.stop_token is not None
    return Attempt(
        who="model",
        text=run.middle,
        exact=exact_match(run.middle, truth),
        parses=None,
        logprob=_logprob(tokens) if ended else None,
        tokens=len(tokens) - ended,
    )


def _logprob(tokens: Sequence[TokenEvent]) -> float | None:
    """Return the logprob of tokens and any stop token after them; None if a server did not report it."""
    *before, end = tokens
    logprob = logprob_of(before)
    if logprob is None or end.stop_probability is None:
        return None
    return logprob + math.log(max(end.stop_probability, LEAST_LIKELY))


async def parsed(row: Attempt, prefix: str, suffix: str) -> Attempt:
    """Return the attempt with `parses` set: whether the program is valid Python."""
    program = fim.splice(prefix, row.text, suffix)
    if len(program) > MOST_PARSED:
        return row
    values = {**vars(row), "parses": await asyncio.to_thread(parses, program)}
    return Attempt(**cast(Any, values))
