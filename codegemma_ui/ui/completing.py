"""Complete and Stop: one completion, from the click to its last update on the page."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import gradio as gr

from codegemma_ui.client.client import EngineClient
from codegemma_ui.client.generation import Generation
from codegemma_ui.completions import recording
from codegemma_ui.completions.recording import ENDINGS, LONGEST
from codegemma_ui.errors import BadInput
from codegemma_ui.ipc.messages import parse_request
from codegemma_ui.ui import received, render, unfinished
from codegemma_ui.ui.calls import Call, Calls
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.events import AT_ONCE, PRIVATE, SKIP, Updates
from codegemma_ui.ui.requests import asked_by, follow_again, for_typing, request_of
from codegemma_ui.ui.status_line import waits_for
from codegemma_ui.ui.strings import Language
from codegemma_ui.ui.views import suffix, take, tokens
from codegemma_ui.ui.views.take import Unfinished

Complete = Callable[[render.Run, Language, str | None], AsyncGenerator[Updates]]
"""Runs a completion for a session, and yields the updates of the page."""


def results(page: Page) -> list[Any]:
    """Return the controls that show a completion."""
    return [
        page.middle,
        page.caption,
        page.program,
        page.raw_prompt,
        page.raw_output,
        page.tokens,
        page.outcome,
        page.complete,
        page.stop,
        page.result,
        page.recorded,
        page.suffix,
    ]


def wire(page: Page, client: EngineClient, calls: Calls) -> Complete:
    """Connect both buttons, and the requests of the views.

    Returns:
        The function that completes, for other handlers; it updates the controls of `results`.
    """
    outputs = results(page)
    # Sessions whose completion runs: another press of the button does nothing.
    pressed: set[str | None] = set()

    async def complete(
        run: render.Run, language: Language, session: str | None, *, typed: bool = False
    ) -> AsyncGenerator[Updates]:
        with calls.call(session, typed=typed) as call:
            generation = call.submit(run.request)
            if generation.refusal is None:
                yield started(page, run, client.status().preset, language)
            async with aclosing(follow(run, call, generation, client, language)) as updates:
                async for news in updates:
                    yield _written(run, news, language)
            run.gave_way = call.gave_way
        run.context_length = client.status().context_length
        yield ended(page, run, language)

    def _written(run: render.Run, news: News, language: Language) -> Updates:
        updates: Updates = {page.caption: render.caption(run, language)}
        if news.prompt:
            updates[page.raw_prompt] = render.raw_prompt(run, language)
        if news.middle:
            updates[page.middle] = run.middle  # of which Gradio sends what is new
        if news.begins:  # `static/streaming.js` shows the rest in these
            updates[page.raw_output] = render.raw_output(run, language)
            updates[page.program] = render.program(run, language)
        return updates

    async def show_completion(
        request: gr.Request, typed: bool, ending: str, language: Language, *given: Any
    ) -> AsyncGenerator[Updates]:
        # Not Gradio's trigger_mode "once": that also drops a press between a run's last update,
        # which enables the button, and the end of the event.
        if request.session_hash in pressed:
            yield SKIP
            return
        try:
            raw = request_of(page, client, given)
            raw = for_typing(raw, client) if typed else raw
        except BadInput as error:
            yield refused(error, language)
            return
        pressed.add(request.session_hash)
        run = render.Run(raw, ending)
        try:
            session = request.session_hash
            async with aclosing(complete(run, language, session, typed=typed)) as steps:
                async for updates in steps:
                    if run.over:
                        pressed.discard(request.session_hash)
                    yield updates
        finally:
            pressed.discard(request.session_hash)

    async def show_branch(
        sent: str, language: Language, request: gr.Request
    ) -> AsyncGenerator[Updates]:
        """Continue from forced tokens: `{"request": …, "ending": …, "forced": […], "parent": …}`.

        `otherwise` may hold the `preset` of these tokens, and their `text` for every other preset.
        """
        try:
            payload = received.mapping(sent)
            raw = {**payload["request"], "forced": _forced(payload, client)}
            parse_request(raw, LONGEST)
            run = render.Run(raw, _ending(payload), _parent(payload))
        except (ValueError, KeyError, TypeError, RecursionError):
            yield SKIP
            return
        except BadInput as error:
            yield refused(error, language)
            return
        async with aclosing(complete(run, language, request.session_hash)) as steps:
            async for updates in steps:
                yield updates

    def show_recording(sent: str, language: Language) -> Updates:
        """Show an ended completion: `{"recording": …, "parent": …}`."""
        try:
            payload = received.mapping(sent)
            run = render.Run.of(recording.from_dict(payload["recording"]), _parent(payload))
            run.time_limit_s = client.settings.time_limit_s
            run.context_length = client.status().context_length
        except (ValueError, KeyError, TypeError, RecursionError):
            return SKIP
        except BadInput as error:
            return refused(error, language)
        return ended(page, run, language)

    def refused(error: BadInput, language: Language) -> Updates:
        notice = render.error_notice(error, language)
        return {page.outcome: notice}

    def stop(request: gr.Request) -> None:
        calls.stop(request.session_hash)

    page.complete.click(
        show_completion,
        inputs=[page.typed, page.ending, page.language_choice, *asked_by(page).values()],
        outputs=outputs,
        js="(typed, ...given) => [window.playground?.typed === true, ...given]",
        concurrency_limit=None,
        trigger_mode="multiple",
        **PRIVATE,
    )
    page.branch_ask.change(
        show_branch,
        inputs=[page.branch_ask, page.language_choice],
        outputs=outputs,
        concurrency_limit=None,
        trigger_mode="once",
        **PRIVATE,
    )
    page.show_ask.change(
        show_recording,
        inputs=[page.show_ask, page.language_choice],
        outputs=outputs,
        **AT_ONCE,
    )
    page.stop.click(stop, **AT_ONCE)
    page.clear.click(
        lambda language: (
            nothing(page, language)
            | {page.before: "", page.after: "", page.example: ""}
            | follow_again(page, client.settings)
        ),
        inputs=[page.language_choice],
        outputs=[page.before, page.after, page.example, page.auto_length, *outputs],
        **AT_ONCE,
    )
    return complete


@dataclass(frozen=True)
class News:
    """The content of an update: the prompt, or more of the middle, or the beginning of it."""

    prompt: bool
    middle: bool
    begins: bool


def _ending(payload: Mapping[str, Any]) -> str:
    """Return the line ending of the program.

    Raises:
        ValueError: the payload is malformed; `_parent` raises it too.
    """
    ending = payload["ending"]
    if ending not in ENDINGS:
        raise ValueError("ending")
    return str(ending)


def _parent(payload: Mapping[str, Any]) -> dict[str, int] | None:
    """Return the completion of the page it branched off, and the token."""
    parent = payload["parent"]
    if parent is None:
        return None
    branch, at = parent["branch"], parent["at"]
    if type(branch) is not int or type(at) is not int:
        raise ValueError("parent")
    return {"branch": branch, "at": at}


def _forced(payload: Mapping[str, Any], client: EngineClient) -> Any:
    """Return the start of a branch: token ids, or their text if the running model has other ids."""
    otherwise, status = payload.get("otherwise"), client.status()
    if otherwise is None or (
        otherwise["preset"] == status.preset and "token_ids" not in status.lacks
    ):
        return payload["forced"]
    return otherwise["text"]


async def follow(
    run: render.Run, call: Call, generation: Generation, client: EngineClient, language: Language
) -> AsyncGenerator[News]:
    """Keep a run up to date with its generation, and yield each update but the last.

    If it ends without a last event, a person stopped it or there is no listener any more.
    """
    middle = ""
    run.time_limit_s = client.settings.time_limit_s
    async with aclosing(call.updates(generation)) as progresses:
        async for run.progress in progresses:
            run.seen_s = time.monotonic()
            new_prompt = run.prompt is None and run.progress.prompt is not None
            if new_prompt:
                assert generation.request is not None  # a refused one has no prompt
                run.prompt = client.vocabulary().prompt_of(generation.request)
                run.begun_s = run.seen_s
            if run.prompt is None:
                run.ahead = generation.ahead
                run.wait_s = client.wait_s(run.ahead) if run.ahead else None
                run.waits_for = waits_for(client.status(), client.presets(), language)
            else:
                run.ahead, run.waits_for = 0, ""
                run.warm = client.status().warm
            if run.first_token_s is None and run.written:
                run.first_token_s = run.seen_s
            grown, begins = run.middle != middle, not middle and bool(run.middle)
            middle = run.middle
            if run.progress.last is None:
                yield News(prompt=new_prompt, middle=grown, begins=begins)
    run.stopped = run.progress is None or run.progress.last is None


def started(page: Page, run: render.Run, preset: str | None, language: Language) -> Updates:
    """Return the page's updates for a completion that begins with the model `preset`."""
    unfinished = Unfinished(run.request, run.ending, preset)
    return {
        page.middle: "",
        page.caption: render.caption(run, language),
        page.program: render.program(run, language),
        page.raw_prompt: render.raw_prompt(None, language),
        page.raw_output: render.raw_output(None, language),
        page.outcome: "",
        page.complete: gr.update(interactive=False),
        page.stop: gr.update(interactive=True),
        page.result: None,
        page.recorded: take.recorded(None, unfinished=unfinished),
        page.suffix: suffix.fresh(language),
    }


def nothing(page: Page, language: Language) -> Updates:
    """Return the page's updates that show no completion; a running one continues."""
    return {
        page.middle: "",
        page.caption: render.caption(None, language),
        page.program: render.empty_pane("program", language),
        page.raw_prompt: render.empty_pane("raw_prompt", language),
        page.raw_output: render.empty_pane("raw_output", language),
        page.tokens: tokens.view(None, None, language),
        page.outcome: "",
        page.result: None,
        page.recorded: take.recorded(None),
        page.suffix: suffix.fresh(language),
    }


def ended(page: Page, run: render.Run, language: Language, opened: str = "") -> Updates:
    """Return the page's updates for a completion that has ended.

    Args:
        opened: a note on a completion that ran elsewhere, as HTML.
    """
    error, recorded = run.error, run.recording
    failed = None
    outcome = opened or unfinished.notice(run, language)
    if error:
        failed = Unfinished(run.request, run.ending, None, error.to_dict())
        outcome = render.error_notice(error, language)
    run.slim()
    updates = {
        page.middle: run.middle,
        page.caption: render.caption(run, language),
        page.program: render.program(run, language),
        page.raw_prompt: render.raw_prompt(run, language),
        page.raw_output: render.raw_output(run, language),
        page.outcome: outcome,
        page.complete: gr.update(interactive=True),
        page.stop: gr.update(interactive=False),
        page.result: run,
        page.recorded: take.recorded(recorded, unfinished=failed, opened=bool(opened)),
        page.suffix: suffix.fresh(language),
    }
    if recorded:
        updates[page.tokens] = tokens.view(recorded, run.parent, language)
    return updates
