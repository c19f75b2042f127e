"""Restoring after a reload: the settings, the lesson and the last run that a tab kept.

The tab keeps them itself, and restores its texts by itself (`static/restore.js`). The server stores nothing,
and since the payload is untrusted, all of it is checked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

import gradio as gr
from gradio.events import Dependency

from codegemma_ui.client.client import EngineClient
from codegemma_ui.client.progress import Progress
from codegemma_ui.completions import recording
from codegemma_ui.completions.recording import ENDINGS, LONGEST
from codegemma_ui.errors import BadInput
from codegemma_ui.ipc.messages import ErrorEvent, parse_request
from codegemma_ui.ui import (
    completing,
    examples,
    lessons,
    opening,
    received,
    render,
    seed_field,
    share,
    stop_field,
)
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.events import AT_ONCE, SKIP, Updates
from codegemma_ui.ui.strings import Language
from codegemma_ui.ui.views import lessons as lessons_view
from codegemma_ui.ui.views import take

SETTINGS = (
    *("max_length", "temperature", "top_k", "top_p", "seed", "stop_on_repetition"),
    *("one_line", "layout", "path"),
)
"""Kept controls that hold one field of a request, of the same name."""

CONTROLS = (
    *SETTINGS,
    *("auto_length", "stop_strings"),
    *("ending", "code_language", "example", "files", "truth"),
)
"""Controls restored by the server. The model, its backend and its precision are shared by all tabs."""

MAX_CHARACTERS = 1_000_000
"""Of a restored text; a tab sends no more (`MOST_CONTROLS` in `static/restore.js`)."""


def wire(page: Page, client: EngineClient, settled: Dependency) -> None:
    """Connect what a tab keeps, and its restoration when the page opens.

    Args:
        settled: the last event of a page's first load, which would overwrite an earlier restoration.
    """
    restorer = Restorer(page, client)
    names = ("language_choice", *CONTROLS)
    kept = [page.controls[name] for name in names]
    keep = f"(...values) => {{ window.playground?.keep?.({json.dumps(names)}, values); }}"
    restored = settled.then(
        restorer.restore,
        inputs=[page.kept, page.language_choice],
        outputs=restorer.outputs,
        js='(_, language) => [window.playground?.keptPage?.() ?? "", language]',
        **AT_ONCE,
    )
    restored.then(None, inputs=kept, js=keep, **AT_ONCE)
    changes = [control.change for control in (page.before, page.after, *kept)]
    gr.on(changes, None, inputs=kept, js=keep, **AT_ONCE)


def spoken(kept: object) -> str | None:
    """Return the language of a tab before it was reloaded, if it sent one."""
    return kept if isinstance(kept, str) and kept else None


class Restorer:
    """Shows what a tab kept.

    Attributes:
        outputs: the controls that `restore` updates.
    """

    def __init__(self, page: Page, client: EngineClient) -> None:
        self._page, self._client = page, client
        self.outputs = [
            *(page.before, page.after),
            *(page.controls[name] for name in CONTROLS),
            page.advanced,
            page.lesson,
            page.lesson_open,
            *completing.results(page),
        ]

    def restore(self, kept: str, language: Language) -> Updates:
        """Show `{"controls": {name: value}, "advanced": bool, "lesson": {"lesson", "try"}, "run": …}`;
        where the tab kept nothing, what `{"address": {name: value}}` opens. Invalid parts are ignored."""
        payload = received.mapping(kept)
        if "address" in payload:
            return self._opened(_mapping(payload["address"]), language)
        controls = _mapping(payload.get("controls"))
        updates = self._run(_mapping(payload.get("run")), language)
        for name in CONTROLS:
            if name in controls:
                updates[self._page.controls[name]] = self._value(name, controls[name])
        if payload.get("advanced") is True:
            updates[self._page.advanced] = gr.update(open=True)
        opened = _lesson(_mapping(payload.get("lesson")))
        if opened is not None:
            updates[self._page.lesson] = lessons_view.card(opened, language)
            updates[self._page.lesson_open] = opened
        return updates

    def _opened(self, query: Mapping[str, Any], language: Language) -> Updates:
        named = {name: value for name, value in query.items() if _is_text(value)}
        updates = opening.updates(self._page, self._client, named, language)
        run = updates.get(self._page.result)
        recorded = run.recording if isinstance(run, render.Run) else None
        ready = take.recorded(recorded, opened=recorded is not None, ready=True)
        return updates | {self._page.recorded: ready}

    def _value(self, name: str, value: Any) -> Any:
        if name in SETTINGS:
            if name == "seed" and isinstance(value, str):
                value = seed_field.read(value)
            try:
                request = parse_request({name: value}, LONGEST)
            except BadInput:
                return SKIP
            if name == "max_length":
                return min(request.max_length, self._client.status().context_length)
            return getattr(request, name)
        if name == "auto_length":
            return value if isinstance(value, bool) else SKIP
        known: Callable[[], Any] = {
            "ending": lambda: value in ENDINGS,
            "code_language": lambda: value in [one for _, one in self._page.code_language.choices],
            "example": lambda: value in ["", *(one.key for one in examples.EXAMPLES)],
        }.get(name, lambda: len(value) <= MAX_CHARACTERS)
        if not _is_text(value) or not known():
            return SKIP
        return stop_field.read(value) if name == "stop_strings" else value

    def _run(self, kept: Mapping[str, Any], language: Language) -> Updates:
        """Show `{"recording": …, "opened": bool}`, or, of a run that was cut off or failed,
        `{"request", "ending", "preset", "error", "middle"}`."""
        page, updates = self._page, Updates()
        recorded_view = take.recorded(None, ready=True)
        if kept.get("recording"):
            try:
                recorded = recording.from_dict(kept["recording"])
            except BadInput:
                pass
            else:
                opened = kept.get("opened") is True
                note = share.opened(recorded, self._client, language) if opened else ""
                run = render.Run.of(recorded, None)
                run.time_limit_s = self._client.settings.time_limit_s
                run.context_length = self._client.status().context_length
                updates = completing.ended(page, run, language, opened=note)
                recorded_view = take.recorded(recorded, opened=opened, ready=True)
        elif kept:
            cut = self._cut(kept)
            if cut is not None:
                note = render.cut_notice(bool(cut.middle), language)
                updates = completing.ended(page, cut, language, opened=note)
                unfinished = take.Unfinished(cut.request, cut.ending, None)
                recorded_view = take.recorded(None, unfinished=unfinished, ready=True)
        updates[page.recorded] = recorded_view
        updates.pop(page.suffix, None)  # the tab draws its own
        return updates

    def _cut(self, kept: Mapping[str, Any]) -> render.Run | None:
        request, ending, middle = (kept.get(name) for name in ("request", "ending", "middle"))
        if not isinstance(request, dict) or ending not in ENDINGS or not _is_text(middle):
            return None
        if not all(_is_text(request.get(side) or "") for side in ("prefix", "suffix")):
            return None
        run = render.Run(request, ending, cut=middle)
        if middle and kept.get("preset") == self._client.status().preset:
            try:
                run.prompt = self._client.vocabulary().prompt_of(parse_request(request, LONGEST))
            except BadInput:
                return None
        error = _mapping(kept.get("error"))
        if error:
            fields = {name: str(error.get(name) or "") for name in ("code", "message", "hint")}
            if not all(map(_is_text, fields.values())):
                return None
            run.progress = Progress(run.prefix, run.suffix)
            run.progress.add(ErrorEvent(**fields))
        return run


def _lesson(kept: Mapping[str, Any]) -> dict[str, Any] | None:
    opened = {"lesson": kept.get("lesson"), "try": kept.get("try")}
    try:
        lesson = lessons.by_key(str(opened["lesson"]))
    except (KeyError, ValueError):
        return None
    known = opened["try"] is None or opened["try"] in lesson.tries
    return opened if known else None


def _is_text(value: object) -> TypeGuard[str]:
    """Return whether it is text that can be sent to a page: JSON can hold lone surrogates, encodings
    cannot."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
