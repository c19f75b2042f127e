"""What follows the engine: the status line, the choices of model and backend, every open page alike."""

from __future__ import annotations

import functools
from typing import Any

import gradio as gr

from codegemma_ui.client import EngineClient
from codegemma_ui.errors import BackendMissing, PlaygroundError
from codegemma_ui.settings import DTYPES
from codegemma_ui.ui import render
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.events import AT_ONCE, SKIP
from codegemma_ui.ui.status_line import Shown, shown
from codegemma_ui.ui.strings import Language


def wire(page: Page, client: EngineClient) -> list[Any]:
    """Connect status and choices; returns the controls that a look at the engine updates."""
    outputs = [
        page.status,
        page.model,
        page.backend,
        page.precision,
        page.max_length,
        page.cancel_switch,
        page.notices,
        page.summary,
        page.footer,
        page.serving,
        page.shown,
    ]

    def look(last: Shown | None, max_length: float, language: Language) -> list[Any]:
        return look_at(client, last, max_length, language)

    page.timer.tick(
        look,
        inputs=[page.shown, page.max_length, page.language_choice],
        outputs=outputs,
        trigger_mode="once",
        **AT_ONCE,
    )

    def switch(
        kind: str, value: str, last: Shown | None, max_length: float, language: Language
    ) -> list[Any]:
        said = ""
        try:
            client.switch(**{kind: value})
        except BackendMissing as error:
            # The dropdown goes back below, because what is loaded has not changed.
            said = render.install_notice(value, error.hint, language)
            last = None
        except PlaygroundError as error:
            said = render.error_notice(error.code, error.message, error.hint, language)
            last = None
        return [said, *look_at(client, last, max_length, language)]

    for kind, control in (
        ("preset", page.model),
        ("backend", page.backend),
        ("dtype", page.precision),
    ):
        # `input` of a dropdown fires twice for one choice (6.31); `select` once.
        control.select(
            functools.partial(switch, kind),
            inputs=[control, page.shown, page.max_length, page.language_choice],
            outputs=[page.answer, *outputs],
            **AT_ONCE,
        )

    page.cancel_switch.click(client.cancel_switch, **AT_ONCE)
    return outputs


def look_at(
    client: EngineClient, last: Shown | None, max_length: float, language: Language
) -> list[Any]:
    """Updates for what differs between the last look and this one; everything else is left alone."""
    now = shown(client.status(), client.presets(), language)
    if now == last:
        return [SKIP] * 11

    def differs(name: str) -> bool:
        return last is None or getattr(last, name) != getattr(now, name)

    choice: list[Any] = [SKIP] * 3
    if differs("choice"):
        choice = list(now.choice)
    if differs("choice") or differs("precisions"):
        choice[2] = gr.update(info=now.precisions)
        if now.choice[2] in DTYPES:
            choice[2]["value"] = now.choice[2]
    slider: Any = SKIP
    if differs("context_length"):
        most = now.context_length
        slider = gr.update(maximum=most, value=min(int(max_length or most), most))
    return [
        now.line if differs("line") else SKIP,
        *choice,
        slider,
        gr.update(visible=True if now.switching else "hidden") if differs("switching") else SKIP,
        now.notices if differs("notices") else SKIP,
        now.summary if differs("summary") else SKIP,
        now.footer if differs("footer") else SKIP,
        now.serving if differs("serving") else SKIP,
        now,
    ]
