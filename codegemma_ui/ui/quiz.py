"""Hole quiz: the page's own completion fills the hole, then each text for it is scored like any request."""

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
from codegemma_ui.fim.scoring import exact_match, parses
from codegemma_ui.ipc.messages import DoneEvent, TokenEvent, logprob_of
from codegemma_ui.ui import received, render
from codegemma_ui.ui.calls import Calls
from codegemma_ui.ui.completing import Complete, asked_by, results
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.events import PRIVATE, SKIP, Updates
from codegemma_ui.ui.strings import Language
from codegemma_ui.ui.views import quiz as quiz_view
from codegemma_ui.ui.views.quiz import Attempt, Comparison

MOST_PARSED = 50_000
"""Characters of a program that is parsed: Python's parser holds everybody up while it reads."""

LEAST_LIKELY = 1e-30
"""Stands for a probability that a float took for 0."""


def wire(page: Page, client: EngineClient, calls: Calls, complete: Complete) -> None:
    """Connect the quiz.

    Args:
        complete: runs a completion, and yields what the page is to show of it.
    """

    async def show_quiz(
        request: gr.Request,
        asked: str,
        ending: str,
        code_language: str,
        language: Language,
        *given: Any,
    ) -> AsyncGenerator[Updates]:
        """Fill in and compare: `{"prefix": …, "suffix": …, "truth": …, "guess": …}`."""
        try:
            question = received.mapping(asked)
            prefix, suffix, truth, guess = (
                str(question[name]) for name in ("prefix", "suffix", "truth", "guess")
            )
            truth, guess = truth[: fim.MAX_SIDE_CHARACTERS], guess[: fim.MAX_SIDE_CHARACTERS]
        except (ValueError, KeyError, TypeError):
            yield SKIP
            return
        asked_for = dict(zip(asked_by(page), given, strict=True))
        run = render.Run({**asked_for, "prefix": prefix, "suffix": suffix}, ending)
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
        """A text that somebody thought of, and how likely the model held it and an end after it."""
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
        """`max_length` that holds the prompt and what is forced, where that leaves the prompt as it is."""
        asked, prompt = int(run.request["max_length"]), run.prompt
        if prompt is None or prompt.trimmed:
            return asked
        needed = max(asked, len(prompt.tokens) + len(forced))
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
    """What the model wrote, and how likely it held that."""
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
    """Of tokens and an end after them, whichever stop token that is; None where a server did not tell it."""
    *before, end = tokens
    said = logprob_of(before)
    if said is None or end.stop_probability is None:
        return None
    return said + math.log(max(end.stop_probability, LEAST_LIKELY))


async def parsed(row: Attempt, prefix: str, suffix: str) -> Attempt:
    """The same, with whether Python takes the program."""
    program = fim.splice(prefix, row.text, suffix)
    if len(program) > MOST_PARSED:
        return row
    values = {**vars(row), "parses": await asyncio.to_thread(parses, program)}
    return Attempt(**cast(Any, values))
