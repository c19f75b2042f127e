"""Sharing a completion: its code on request, and opening a link or a file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import gradio as gr

from codegemma_ui.client.client import EngineClient
from codegemma_ui.completions import recording, snippets
from codegemma_ui.completions.recording import Recording
from codegemma_ui.completions.snippets import DEFAULT_ADDRESS, Taken
from codegemma_ui.errors import BadInput
from codegemma_ui.ipc.messages import CompletionRequest
from codegemma_ui.settings import Settings
from codegemma_ui.ui import completing, received, render
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.events import AT_ONCE, SKIP, Updates
from codegemma_ui.ui.strings import Language, text
from codegemma_ui.ui.views import take
from codegemma_ui.ui.views.take import Code

MAX_ADDRESS_CHARACTERS = 500
TROUBLES = ("broken", "foreign", "too_large", "busy")
"""Reasons of the page for not opening a link or a file."""


def wire(page: Page, client: EngineClient, settings: Settings) -> None:
    """Connect the view and what it opens."""
    _wire_code(page, client, settings)
    _wire_opening(page, client)
    page.language_choice.change(
        take.view, inputs=[page.language_choice], outputs=[page.take], **AT_ONCE
    )


def _wire_code(page: Page, client: EngineClient, settings: Settings) -> None:
    def write(sent: str, language: Language) -> Any:
        """Write the code for `{"recording": …, "of": number, "address": of the page}`."""
        payload = received.mapping(sent)
        number = payload.get("of")
        if not isinstance(number, int):
            return SKIP
        try:
            recorded = recording.from_dict(payload["recording"])
            code, further = _code(recorded, number, payload.get("address"), language)
        except BadInput as error:
            return take.view(language, Code(number, refusal=error.message))
        except (KeyError, TypeError):
            return SKIP
        return take.view(language, code, further)

    def _code(
        recorded: Recording, number: int, address: object, language: Language
    ) -> tuple[Code, list[str]]:
        status = client.status()
        if recorded.last.preset is None:  # stopped before the engine reported the model
            last = replace(
                recorded.last, preset=status.preset, backend=status.backend, dtype=status.dtype
            )
            recorded = replace(recorded, last=last)
        name = recorded.last.preset or ""
        offered = {preset.name: preset for preset in client.presets()}
        if name not in offered:  # untrusted: no script that loads an unknown model is shown
            refusal = text("take_unknown_model", language, name=name[:100])
            return Code(number, refusal=refusal), []
        taken = Taken.of(recorded, offered[name])
        written = snippets.write(taken, _address(address), login=settings.auth is not None)
        if not settings.api:
            written = tuple(one for one in written if one.tool != "curl")
        same = (status.preset, status.dtype) == (name, recorded.last.dtype or taken.dtype)
        return Code(number, written), [] if same else ["serving"]

    page.take_ask.change(
        write, inputs=[page.take_ask, page.language_choice], outputs=[page.take], **AT_ONCE
    )


def _wire_opening(page: Page, client: EngineClient) -> None:
    def open_recording(sent: str, language: Language) -> Updates:
        """Show `{"recording": …}` of a link or a file, or `{"trouble": one of TROUBLES}`."""
        payload = received.mapping(sent)
        trouble = payload.get("trouble", "foreign")
        try:
            raw = payload["recording"]
            recorded = recording.from_dict(raw)
        except (BadInput, KeyError, TypeError) as error:
            trouble = trouble if trouble in TROUBLES else "foreign"
            if isinstance(error, recording.Unshowable):
                trouble = error.why
            return {page.outcome: render.notice(text(f"open_{trouble}", language))}
        filled = _filled(recorded, raw.get("code_language"), client.status().context_length)
        note = opened(recorded, client, language)
        run = render.Run.of(recorded, None)
        return filled | completing.ended(page, run, language, opened=note)

    def _filled(recorded: Recording, code_language: object, most: int) -> Updates:
        request, default = recorded.request, CompletionRequest()
        known = [value for _, value in page.code_language.choices]
        names = (
            *("temperature", "top_k", "top_p", "seed", "stop_on_repetition", "stop"),
            *("layout", "path", "files"),
        )
        advanced = any(getattr(request, name) != getattr(default, name) for name in names)
        return {
            page.before: request.prefix,
            page.after: request.suffix,
            page.ending: recorded.ending,
            page.code_language: code_language if code_language in known else SKIP,
            page.max_length: min(request.max_length, most),
            page.auto_length: False,
            page.one_line: request.one_line,
            page.stop_strings: request.stop,
            page.temperature: request.temperature,
            page.top_k: request.top_k,
            page.top_p: request.top_p,
            page.seed: request.seed,
            page.stop_on_repetition: request.stop_on_repetition,
            page.layout: request.layout,
            page.path: request.path,
            page.files: [{"path": one.path, "text": one.text} for one in request.files],
            page.advanced: gr.update(open=True) if advanced else SKIP,
        }

    page.open_ask.change(
        open_recording,
        inputs=[page.open_ask, page.language_choice],
        outputs=[
            page.before,
            page.after,
            page.ending,
            page.code_language,
            page.max_length,
            page.auto_length,
            page.one_line,
            page.stop_strings,
            page.temperature,
            page.top_k,
            page.top_p,
            page.seed,
            page.stop_on_repetition,
            page.layout,
            page.path,
            page.files,
            page.advanced,
            *completing.results(page),
        ],
        **AT_ONCE,
    )


def opened(recorded: Recording, client: EngineClient, language: Language) -> str:
    """Return the notice that this is a recording, and the model it claims."""
    last = recorded.last
    labels = {preset.name: preset.label.split(" · ")[0] for preset in client.presets()}
    name = labels.get(last.preset or "", last.preset or "?")
    parts = [name, *filter(None, (last.backend, last.dtype))]
    return render.notice(text("opened", language, by=" · ".join(part[:100] for part in parts)))


def _address(value: object) -> str:
    """Return the page's address as sent by its browser: on a Space or behind a proxy only that knows it."""
    address = value if isinstance(value, str) and value.isprintable() else ""
    if len(address) > MAX_ADDRESS_CHARACTERS or urlsplit(address).scheme not in ("http", "https"):
        return DEFAULT_ADDRESS
    return address
