"""The language of the page: at its first load, and by the switch in the header."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.events import Dependency

from codegemma_ui.settings import Settings
from codegemma_ui.ui import render, restoring
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.events import AT_ONCE, blocks_under_construction
from codegemma_ui.ui.status_polling import Follower
from codegemma_ui.ui.strings import Language, choose_language
from codegemma_ui.ui.views import lessons, quiz, race, suffix, tokens


def wire(page: Page, settings: Settings, follower: Follower) -> Dependency:
    """Connect the switch in the header and the page's first load; return the last event of the load."""
    results = [
        page.caption,
        page.program,
        page.raw_prompt,
        page.raw_output,
        page.tokens,
        page.lesson,
        page.quiz,
        page.race,
        page.suffix,
    ]
    outputs = [*page.labelled(), *results]

    def translate(
        language: Language, result: render.Run | None, opened: dict[str, str | None] | None
    ) -> list[Any]:
        return [
            *page.relabel(language),
            render.caption(result, language),
            render.program(result, language),
            render.raw_prompt(result, language),
            render.raw_output(result, language),
            tokens.again(language)
            if result and result.recording
            else tokens.view(None, None, language),
            lessons.card(opened, language),
            quiz.view(None, language),
            race.again(language),
            suffix.again(language),
        ]

    def first(kept: str, request: gr.Request) -> list[Any]:
        language = choose_language(
            request.query_params.get("lang") or restoring.spoken(kept),
            settings.language,
            request.headers.get("accept-language"),
        )
        return [language, *translate(language, None, None)]

    chosen = page.language_choice.input(
        translate,
        inputs=[page.language_choice, page.result, page.lesson_open],
        outputs=outputs,
        **AT_ONCE,
    )
    opened = blocks_under_construction().load(
        first,
        inputs=[page.kept],
        outputs=[page.language_choice, *outputs],
        js='() => [window.playground?.keptLanguage?.() ?? ""]',
        **AT_ONCE,
    )
    looks = [
        event.then(
            follower.look_anew,
            inputs=[page.max_length, page.language_choice],
            outputs=follower.outputs,
            **AT_ONCE,
        )
        for event in (chosen, opened)
    ]
    last: Dependency = looks[-1]
    return last
