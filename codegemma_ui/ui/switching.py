"""Handlers of the choices of model, backend and precision, which all visitors share."""

from __future__ import annotations

from typing import Any

import gradio as gr

from codegemma_ui.client.client import EngineClient
from codegemma_ui.errors import BackendMissing, PlaygroundError
from codegemma_ui.settings import Settings
from codegemma_ui.ui import permission, render
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.events import AT_ONCE, SKIP, Updates
from codegemma_ui.ui.status_line import Shown
from codegemma_ui.ui.status_polling import Follower
from codegemma_ui.ui.strings import Language


def wire(page: Page, client: EngineClient, settings: Settings, follower: Follower) -> None:
    """Connect the three dropdowns and the button that cancels a switch."""

    def chosen(kind: str) -> Any:
        # Not `functools.partial`: Gradio does not find the request among its parameters (6.31).
        def switch(
            value: str,
            last: Shown | None,
            max_length: float,
            language: Language,
            request: gr.Request,
        ) -> Updates:
            notice, requested = "", None
            try:
                permission.check(settings, request.username, language)
                client.switch(**{kind: value})
                requested = client.status().switching_to
            except BackendMissing as error:
                # The dropdown is reset below, because the loaded model has not changed.
                notice = render.install_notice(value, error.hint, language)
                last = None
            except PlaygroundError as error:
                notice = render.error_notice(error, language)
                last = None
            updates = follower.look(last, requested, max_length, language, request)
            return {page.answer: notice, page.requested: requested} | (
                {} if updates is SKIP else updates
            )

        return switch

    for kind, control in (
        ("preset", page.model),
        ("backend", page.backend),
        ("dtype", page.precision),
    ):
        # `input` of a dropdown fires twice for one choice (6.31); `select` once.
        control.select(
            chosen(kind),
            inputs=[control, page.shown, page.max_length, page.language_choice],
            outputs=[page.answer, page.requested, *follower.outputs],
            **AT_ONCE,
        )

    def dismiss(
        last: Shown | None, max_length: float, language: Language, request: gr.Request
    ) -> Updates:
        """Show the failure of this page's switch no longer."""
        updates = follower.look(last, None, max_length, language, request)
        return {page.answer: "", page.requested: None} | ({} if updates is SKIP else updates)

    page.dismiss_ask.change(
        dismiss,
        inputs=[page.shown, page.max_length, page.language_choice],
        outputs=[page.answer, page.requested, *follower.outputs],
        **AT_ONCE,
    )

    def cancel(language: Language, request: gr.Request) -> str:
        try:
            permission.check(settings, request.username, language)
        except PlaygroundError as error:
            return render.error_notice(error, language)
        client.cancel_switch()
        return ""

    page.cancel_switch.click(
        cancel, inputs=[page.language_choice], outputs=[page.answer], **AT_ONCE
    )
