"""Handlers of the editors: token sum, highlighting, examples, line endings."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import asdict
from typing import Any

import gradio as gr

from codegemma_ui import fim
from codegemma_ui.client.client import EngineClient
from codegemma_ui.fim import boundaries
from codegemma_ui.ipc.messages import MAX_FILES, MAX_FILES_CHARACTERS, MAX_PATH_CHARACTERS
from codegemma_ui.ui import completing, examples, model_note, received, render
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.events import AT_ONCE, SKIP, Updates, blocks_under_construction
from codegemma_ui.ui.requests import followed, trained
from codegemma_ui.ui.strings import Language, text
from codegemma_ui.ui.views import boundaries as boundaries_view
from codegemma_ui.ui.views import xray

LONG_CHARACTERS = 20_000
"""In both editors: from here on a count takes seconds and much memory."""


def wire(page: Page, client: EngineClient) -> None:
    """Connect the editors and the controls around them."""
    _wire_counting(page, client)
    _wire_following(page)
    _wire_editing(page)


def _wire_counting(page: Page, client: EngineClient) -> None:
    long_ones = threading.Lock()

    def count(*given: Any) -> Updates:
        """Count; long texts one after the other, since each takes up to 120 MB meanwhile."""
        _, before, after, *_ = given
        long = len(before or "") + len(after or "") > LONG_CHARACTERS
        with long_ones if long else contextlib.nullcontext():
            return counted(*given)

    def counted(
        auto_length: bool,
        prefix: str,
        suffix: str,
        max_length: float,
        layout: fim.Layout,
        path: str,
        files: list[dict[str, str]],
        ending: str,
        language: Language,
    ) -> Updates:
        before = (prefix or "")[-fim.MAX_SIDE_CHARACTERS :]
        after = (suffix or "")[: fim.MAX_SIDE_CHARACTERS]
        in_files = sum(len(one["text"]) for one in files)
        others = tuple(
            fim.File(one["path"][:MAX_PATH_CHARACTERS], one["text"])
            for one in files[:MAX_FILES]
            if in_files <= MAX_FILES_CHARACTERS
        )
        path = (path or "")[:MAX_PATH_CHARACTERS]
        vocabulary, status = client.vocabulary(), client.status()
        if auto_length:
            texts = {"prefix": before, "suffix": after, "layout": layout, "path": path}
            max_length = followed(texts | {"files": [asdict(one) for one in others]}, client)
        room = max(fim.MIN_MAX_LENGTH, int(max_length or 0))
        prompt = vocabulary.prompt(before, after, room, layout, path, others)
        known = trained(client, status.preset, layout)
        findings = [
            *boundaries.check_room(
                prompt,
                before,
                after,
                vocabulary,
                max_length=room,
                context_length=status.context_length,
                layout=layout,
                path=path,
                files=others,
            ),
            *boundaries.check(
                before, after, vocabulary, layout=layout, trained=known, ending=ending
            ),
        ]
        sides = {"prefix": len(prefix or ""), "suffix": len(suffix or "")}
        if max(sides.values()) > fim.MAX_SIDE_CHARACTERS:  # it is refused, and nothing is cut
            findings = [one for one in findings if one.kind != "trimmed"]
        return {
            page.fitting: max_length if auto_length else 0,
            page.token_sum: render.token_sum(
                prompt,
                int(max_length or 0),
                language,
                characters={**sides, "files": in_files},
                trained=known,
                tokens_per_s=status.tokens_per_s,
                time_limit_s=client.settings.time_limit_s,
            ),
            page.xray: xray.view(prompt, before, after, room, language),
            page.boundaries: boundaries_view.view(findings, before, after, language),
            page.contrast: model_note.contrast(before, after, language),
        }

    gr.on(
        [
            page.auto_length.change,
            page.before.change,
            page.after.change,
            page.max_length.change,
            page.layout.change,
            page.path.change,
            page.files.change,
            page.ending.change,
            page.language_choice.change,
            page.counts_by.change,
            blocks_under_construction().load,
        ],
        count,
        inputs=[
            page.auto_length,
            page.before,
            page.after,
            page.max_length,
            page.layout,
            page.path,
            page.files,
            page.ending,
            page.language_choice,
        ],
        outputs=[page.fitting, page.token_sum, page.xray, page.boundaries, page.contrast],
        trigger_mode="always_last",
        **AT_ONCE,
    )


def _wire_following(page: Page) -> None:
    """Let max_length follow the text until a person moves it. What is current decides, not what was when the
    text was counted: a lesson may have set a length since."""
    page.fitting.change(
        None,
        inputs=[page.auto_length, page.fitting, page.max_length],
        outputs=[page.max_length],
        js="(auto, fitting, now) => [auto && fitting ? fitting : now]",
        **AT_ONCE,
    )
    page.max_length.input(None, outputs=[page.auto_length], js="() => [false]", **AT_ONCE)


def _wire_editing(page: Page) -> None:
    editors = [page.before, page.after, page.middle]

    def highlight(language: str) -> Updates:
        return {editor: gr.update(language=language or None) for editor in editors}

    page.code_language.change(highlight, inputs=page.code_language, outputs=editors, **AT_ONCE)

    def show_example(key: str, language: Language) -> Updates:
        return example_updates(page, key) | completing.nothing(page, language) if key else SKIP

    page.example.select(
        show_example,
        inputs=[page.example, page.language_choice],
        outputs=[
            *(page.before, page.after, page.code_language, page.ending),
            *completing.results(page),
        ],
        **AT_ONCE,
    )

    page.paste_report.change(
        pasted,
        inputs=[page.paste_report, page.ending, page.language_choice],
        outputs=[page.ending, page.outcome],
        **AT_ONCE,
    )


def example_updates(page: Page, key: str) -> Updates:
    """Return the page's updates for an example; none if there is no such example."""
    try:
        example = examples.by_key(key)
    except KeyError:
        return {}
    return {
        page.before: example.prefix,
        page.after: example.suffix,
        page.code_language: example.language,
        page.ending: example.ending,
    }


def pasted(report: str, ending: str, language: Language) -> list[Any]:
    """Adopt the line ending of a pasted text, or report that it was converted.

    Args:
        report: `{"crlf": 3, "lf": 0, "cr": 0, "fresh": true}` from `static/line_endings.js`: the line endings
            of the pasted text, and whether the editors held no line break before.
        ending: the program's, "LF" or "CRLF".
        language: of the page.
    """
    try:
        found = received.mapping(report)
        counts = {kind: int(found[kind]) for kind in ("crlf", "lf", "cr")}
        fresh = bool(found["fresh"])
    except (ValueError, KeyError, TypeError):
        return [SKIP, SKIP]
    most = "CRLF" if counts["crlf"] > counts["lf"] + counts["cr"] else "LF"
    new = most if fresh else ending
    kinds = sum(count > 0 for count in counts.values())
    if kinds > 1 or counts["cr"]:
        message = text("ending_mixed", language, ending=new, **counts)
    elif most != new:
        message = text("ending_joined", language, pasted=most, ending=new)
    else:
        message = ""
    return [new if new != ending else SKIP, render.notice(message)]
