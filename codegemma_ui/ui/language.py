"""The language of the page: at its first load, and by the switch in the header."""

from __future__ import annotations

import gradio as gr
from gradio.events import Dependency

from codegemma_ui.settings import Settings
from codegemma_ui.ui import render, restoring
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.events import AT_ONCE, Updates, blocks_under_construction
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
    ) -> Updates:
        completed = result and result.recording
        return page.relabel(language) | {
            page.caption: render.caption(result, language),
            page.program: render.program(result, language),
            page.raw_prompt: render.raw_prompt(result, language),
            page.raw_output: render.raw_output(result, language),
            page.tokens: tokens.again(language) if completed else tokens.view(None, None, language),
            page.lesson: lessons.card(opened, language),
            page.quiz: quiz.view(None, language),
            page.race: race.again(language),
            page.suffix: suffix.again(language),
        }

    def first(kept: str, request: gr.Request) -> Updates:
        language = choose_language(
            request.query_params.get("lang") or restoring.spoken(kept),
            settings.language,
            request.headers.get("accept-language"),
        )
        updates = translate(language, None, None)
        updates[page.language_choice] = {**updates[page.language_choice], "value": language}
        return updates

    chosen = page.language_choice.input(
        translate,
        inputs=[page.language_choice, page.result, page.lesson_open],
        outputs=outputs,
        **AT_ONCE,
    )
    opened = blocks_under_construction().load(
        first,
        inputs=[page.kept],
        outputs=outputs,
        js='() => [window.playground?.keptLanguage?.() ?? ""]',
        **AT_ONCE,
    )
    looks = [
        event.then(
            follower.look_anew,
            inputs=[page.requested, page.max_length, page.language_choice, page.code_language],
            outputs=follower.outputs,
            **AT_ONCE,
        )
        for event in (chosen, opened)
    ]
    last: Dependency = looks[-1]
    return last
