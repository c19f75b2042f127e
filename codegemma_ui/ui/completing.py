"""Complete and Stop: one completion, from the click to its last word on the page."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import gradio as gr

from codegemma_ui import fim
from codegemma_ui.client import EngineClient
from codegemma_ui.progress import Progress
from codegemma_ui.ui import render
from codegemma_ui.ui.completions import Call, Completions
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.events import AT_ONCE, PRIVATE, SKIP, blocks_under_construction
from codegemma_ui.ui.listening import listening
from codegemma_ui.ui.status_line import waits_for
from codegemma_ui.ui.strings import Language

LIVE_PROGRAM_CHARACTERS = 20_000
"""A longer program is shown when the stream ends: each update sends the whole of it."""


def wire(page: Page, client: EngineClient, completions: Completions) -> None:
    """Connect both buttons."""
    blocks = blocks_under_construction()
    outputs = [
        page.middle,
        page.caption,
        page.program,
        page.raw_prompt,
        page.raw_output,
        page.outcome,
        page.complete,
        page.stop,
        page.result,
    ]

    async def show_completion(
        prefix: str,
        suffix: str,
        max_length: float,
        temperature: float,
        top_k: float | None,
        top_p: float,
        seed: float | None,
        layout: fim.Layout,
        ending: str,
        language: Language,
        request: gr.Request,
    ) -> AsyncGenerator[list[Any]]:
        raw = {
            "prefix": prefix,
            "suffix": suffix,
            "max_length": max_length,
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "seed": seed,
            "layout": layout,
        }
        run = render.Run(
            prefix=render.with_ending(prefix or "", ending),
            suffix=render.with_ending(suffix or "", ending),
            ending=ending,
        )
        refusal = completions.arrival()
        if refusal is not None:  # at once: no updates before it
            run.progress = Progress(run.prefix, run.suffix)
            run.progress.add(refusal)
            yield _ended(run, language)
            return
        session = request.session_hash
        with listening(blocks, session) as heard, completions.call(session, heard) as call:
            yield _started(run, language)
            async for update in show(run, call, raw, language):
                yield update
        run.stopped = run.progress is None or run.progress.last is None
        run.slim()
        yield _ended(run, language)

    async def show(
        run: render.Run, call: Call, raw: dict[str, Any], language: Language
    ) -> AsyncGenerator[list[Any]]:
        live = len(run.prefix) + len(run.suffix) <= LIVE_PROGRAM_CHARACTERS
        middle: str | None = ""
        async with aclosing(call.stream(raw)) as progresses:
            async for run.progress in progresses:
                run.seen_s = time.monotonic()
                run.ahead = call.ahead
                if run.prompt is None:
                    run.waits_for = waits_for(client.status(), client.presets(), language)
                if run.progress.tokens and run.first_token_s is None:
                    run.first_token_s = run.seen_s
                new_prompt = run.prompt is None and run.progress.prompt is not None
                if new_prompt:
                    run.prompt = client.vocabulary().prompt(
                        raw["prefix"], raw["suffix"], int(raw["max_length"]), raw["layout"]
                    )
                grown = run.middle != middle
                middle = run.middle
                if run.progress.last is None:
                    yield [
                        middle if grown else SKIP,
                        render.caption(run, language),
                        render.program(run, language) if grown and live else SKIP,
                        render.raw_prompt(run, language) if new_prompt else SKIP,
                        render.raw_output(run, language) if grown else SKIP,
                        *[SKIP] * 4,
                    ]

    def stop(request: gr.Request) -> None:
        completions.stop(request.session_hash)

    page.complete.click(
        show_completion,
        inputs=[
            page.before,
            page.after,
            page.max_length,
            page.temperature,
            page.top_k,
            page.top_p,
            page.seed,
            page.layout,
            page.ending,
            page.language_choice,
        ],
        outputs=outputs,
        concurrency_limit=None,
        trigger_mode="once",
        **PRIVATE,
    )
    page.stop.click(stop, **AT_ONCE)


def _started(run: render.Run, language: Language) -> list[Any]:
    return [
        "",
        render.caption(run, language),
        render.program(run, language),
        render.raw_prompt(None, language),
        render.raw_output(None, language),
        "",
        gr.update(interactive=False),
        gr.update(interactive=True),
        None,
    ]


def _ended(run: render.Run, language: Language) -> list[Any]:
    error = run.error
    return [
        run.middle,
        render.caption(run, language),
        render.program(run, language),
        render.raw_prompt(run, language),
        render.raw_output(run, language),
        render.error_notice(error.code, error.message, error.hint, language) if error else "",
        gr.update(interactive=True),
        gr.update(interactive=False),
        run,
    ]
