"""Status polling: updates the status line and the choices of model and backend on every open page."""

from __future__ import annotations

from typing import Any

import gradio as gr

from codegemma_ui.client.client import EngineClient
from codegemma_ui.presets import DTYPES
from codegemma_ui.settings import Settings
from codegemma_ui.ui import permission
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.events import AT_ONCE, SKIP
from codegemma_ui.ui.status_line import Shown, shown
from codegemma_ui.ui.strings import Language


class Follower:
    """Polls the engine's status for a page, and updates what differs from the last poll.

    Attributes:
        outputs: the controls that a poll updates, in order.
    """

    def __init__(self, page: Page, client: EngineClient, settings: Settings) -> None:
        self._client, self._settings = client, settings
        self.outputs = [
            page.status,
            page.model,
            page.backend,
            page.precision,
            page.max_length,
            page.cancel_switch,
            page.notices,
            page.summary,
            page.footer,
            page.counts_by,
            page.shown,
        ]
        page.timer.tick(
            self.look,
            inputs=[page.shown, page.max_length, page.language_choice],
            outputs=self.outputs,
            trigger_mode="once",
            **AT_ONCE,
        )

    def look(
        self, last: Shown | None, max_length: float, language: Language, request: gr.Request
    ) -> list[Any]:
        """Return updates for what differs; everything else is left alone."""
        locked = permission.why_locked(self._settings, request.username, language)
        status, limit_s = self._client.status(), self._settings.time_limit_s
        now = shown(status, self._client.presets(), language, locked, limit_s)
        if now == last:
            return [SKIP] * len(self.outputs)

        def differs(name: str) -> bool:
            return last is None or getattr(last, name) != getattr(now, name)

        slider: Any = SKIP
        if differs("context_length"):
            most = now.context_length
            # A value that fits is left alone: another event may be setting it at this moment.
            fits = max_length and max_length <= most
            slider = gr.update(maximum=most) if fits else gr.update(maximum=most, value=most)
        cancellable = now.cancellable and not now.locked
        return [
            now.line if differs("line") else SKIP,
            *self._choices(now, differs("choice"), differs("precisions") or differs("locked")),
            slider,
            gr.update(visible=True if cancellable else "hidden")
            if differs("cancellable") or differs("locked")
            else SKIP,
            now.notices if differs("notices") else SKIP,
            now.summary if differs("summary") else SKIP,
            now.footer if differs("footer") else SKIP,
            now.counts_by if differs("counts_by") else SKIP,
            now,
        ]

    def look_anew(self, max_length: float, language: Language, request: gr.Request) -> list[Any]:
        """Return updates for everything, after the page was opened or its language changed."""
        return self.look(None, max_length, language, request)

    def _choices(self, now: Shown, values: bool, infos: bool) -> list[Any]:
        """Return updates of the three dropdowns: values and descriptions."""
        updates: list[dict[str, Any]] = [{}, {}, {}]
        if values:
            for update, value in zip(updates, now.choice, strict=True):
                update["value"] = value
        if infos:
            for update, info in zip(
                updates, (now.locked or None, now.locked or None, now.precisions), strict=True
            ):
                update |= {"info": info, "interactive": not now.locked}
            updates[2]["value"] = now.choice[2]
        if now.choice[2] not in DTYPES:
            updates[2].pop("value", None)
        return [gr.update(**update) if update else SKIP for update in updates]
