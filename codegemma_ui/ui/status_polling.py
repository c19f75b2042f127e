"""Status polling: updates the status line and the choices of model and backend on every open page."""

from __future__ import annotations

from typing import Any

import gradio as gr

from codegemma_ui.client.client import EngineClient
from codegemma_ui.presets import DTYPES
from codegemma_ui.settings import Settings
from codegemma_ui.ui import model_note, permission
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.events import AT_ONCE, SKIP, Updates
from codegemma_ui.ui.status_line import Shown, shown
from codegemma_ui.ui.strings import Language


class Follower:
    """Polls the engine's status for a page, and updates what differs from the last poll.

    Attributes:
        outputs: the controls that a poll updates.
    """

    def __init__(self, page: Page, client: EngineClient, settings: Settings) -> None:
        self._client, self._settings = client, settings
        self._page = page
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
            inputs=[
                page.shown,
                page.requested,
                page.max_length,
                page.language_choice,
                page.code_language,
            ],
            outputs=self.outputs,
            trigger_mode="once",
            **AT_ONCE,
        )

    def look(
        self,
        last: Shown | None,
        requested: dict[str, str] | None,
        max_length: float,
        language: Language,
        request: gr.Request,
        highlighted: str = model_note.KNOWN,
    ) -> Updates:
        """Return updates for what differs; everything else is left alone.

        Args:
            last: what the page shows; None updates everything.
            requested: the switch that this page requested last, whose failure it is shown.
            highlighted: the language that this page highlights.
        """
        page = self._page
        locked = permission.why_locked(self._settings, request.username, language)
        now = shown(
            self._client.status(),
            self._client.presets(),
            language,
            locked,
            self._settings.time_limit_s,
            requested,
            highlighted,
        )
        if now == last:
            return SKIP

        def differs(*names: str) -> bool:
            return last is None or any(getattr(last, one) != getattr(now, one) for one in names)

        updates: Updates = {page.shown: now}
        for name, control in (
            ("line", page.status),
            ("notices", page.notices),
            ("summary", page.summary),
            ("footer", page.footer),
            ("counts_by", page.counts_by),
        ):
            if differs(name):
                updates[control] = getattr(now, name)
        if differs("context_length"):
            most = now.context_length
            # A value that fits is left alone: another event may be setting it at this moment.
            fits = max_length and max_length <= most
            updates[page.max_length] = (
                gr.update(maximum=most) if fits else gr.update(maximum=most, value=most)
            )
        if differs("cancellable", "locked"):
            cancellable = now.cancellable and not now.locked
            updates[page.cancel_switch] = gr.update(visible=True if cancellable else "hidden")
        return updates | self._choices(
            now, differs("choice"), differs("precisions", "locked", "ability")
        )

    def look_anew(
        self,
        requested: dict[str, str] | None,
        max_length: float,
        language: Language,
        request: gr.Request,
        highlighted: str = model_note.KNOWN,
    ) -> Updates:
        """Return updates for everything, after the page was opened or its language changed."""
        return self.look(None, requested, max_length, language, request, highlighted)

    def _choices(self, now: Shown, values: bool, infos: bool) -> Updates:
        """Return updates of the three dropdowns: values and descriptions."""
        page = self._page
        updates: Updates = {}
        beside_the_model = " ".join(filter(None, (now.ability, now.locked)))
        infos_of = (beside_the_model or None, now.locked or None, now.precisions)
        for control, value, info in zip(
            (page.model, page.backend, page.precision), now.choice, infos_of, strict=True
        ):
            update: dict[str, Any] = {}
            if infos:
                update = {"info": info, "interactive": not now.locked}
            if values or (infos and control is page.precision):
                update["value"] = value
            if control is page.precision and value not in DTYPES:
                update.pop("value", None)
            if update:
                updates[control] = gr.update(**update)
        return updates
