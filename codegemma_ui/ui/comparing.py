"""Handlers of the comparisons: the layout race, and the gain from the suffix."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import gradio as gr

from codegemma_ui import fim
from codegemma_ui.client.client import EngineClient
from codegemma_ui.client.progress import Progress
from codegemma_ui.completions import likelihood
from codegemma_ui.completions.recording import LONGEST, Recording
from codegemma_ui.errors import BadInput
from codegemma_ui.ipc.messages import MAX_SEED, ErrorEvent, parse_request
from codegemma_ui.ui import received
from codegemma_ui.ui.calls import Call, Calls
from codegemma_ui.ui.completing import follow
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.events import AT_ONCE, PRIVATE, SKIP, Updates
from codegemma_ui.ui.render import Run
from codegemma_ui.ui.requests import asked_by, request_of, trained
from codegemma_ui.ui.strings import Language
from codegemma_ui.ui.views import race, suffix
from codegemma_ui.ui.views.race import Lane


def wire(page: Page, client: EngineClient, calls: Calls) -> None:
    """Connect both views. While one of them runs, the Complete button is disabled."""
    _wire_race(page, client, calls)
    _wire_gain(page, client, calls)


def _wire_race(page: Page, client: EngineClient, calls: Calls) -> None:
    async def show_race(
        request: gr.Request, ending: str, language: Language, true_middle: str | None, *given: Any
    ) -> AsyncGenerator[Updates]:
        """Run the same request in each layout, one after the other, then score the true middle in each."""
        refusal = None
        try:
            raw = request_of(page, client, given)
        except BadInput as error:
            refusal = ErrorEvent.of(error)
            raw = request_of(page, client, given, prefix="", suffix="")
        requests = likelihood.race(raw, random.randint(0, MAX_SEED))
        lanes = [Lane(each["layout"], Run(each, ending)) for each in requests]
        truth = (true_middle or "")[: fim.MAX_SIDE_CHARACTERS]  # far longer than any model reads

        def seen(*, running: bool = True) -> Updates:
            return {page.race: race.view(lanes, truth, language, running=running)}

        refusal = refusal or client.refusal()
        if refusal is not None:
            first = lanes[0].run
            first.progress = Progress(first.prefix, first.suffix)
            first.progress.add(refusal)
            yield seen(running=False) | _free(page)
            return
        with calls.call(request.session_hash) as call:
            yield seen() | _held(page)
            async with aclosing(_race(lanes, truth, client, call, language)) as steps:
                async for _ in steps:
                    yield seen()
        yield seen(running=False) | _free(page)

    def select_truth(sent: str) -> Updates:
        """Take the text of a selection that became the hole: `{"text": …}`."""
        text = received.mapping(sent).get("text")
        return {page.truth: text[: fim.MAX_SIDE_CHARACTERS]} if isinstance(text, str) else SKIP

    page.truth_ask.change(select_truth, inputs=[page.truth_ask], outputs=[page.truth], **AT_ONCE)
    page.race_ask.change(
        show_race,
        inputs=[page.ending, page.language_choice, page.truth, *asked_by(page).values()],
        outputs=[page.race, page.complete, page.stop],
        concurrency_limit=None,
        trigger_mode="once",
        **PRIVATE,
    )


async def _race(
    lanes: Sequence[Lane], truth: str, client: EngineClient, call: Call, language: Language
) -> AsyncGenerator[None]:
    """Run every lane in turn, until one is stopped or fails; yields at each update."""
    for lane in lanes:
        lane.trained = trained(client, client.status().preset, lane.layout)
        generation = call.submit(lane.run.request)
        async with aclosing(follow(lane.run, call, generation, client, language)) as updates:
            async for _ in updates:
                yield
        if lane.run.stopped or lane.run.error:
            return
        if lane.run.progress is not None:  # it may have waited for another model
            lane.trained = trained(client, lane.run.progress.completion.preset, lane.layout)
    for lane in lanes if truth else ():
        lane.scored = Run(_score_of(truth, lane, client))
        generation = call.submit(lane.scored.request)
        async with aclosing(follow(lane.scored, call, generation, client, language)) as updates:
            async for _ in updates:
                yield
        if lane.scored.stopped:
            return


def _score_of(truth: str, lane: Lane, client: EngineClient) -> dict[str, Any]:
    """Return the request that scores a true middle, and an end after it, under a finished lane's prompt."""
    assert lane.run.prompt is not None
    vocabulary = client.vocabulary()
    token_ids = [*vocabulary.encode(truth), vocabulary.control_id(fim.FILE_SEPARATOR)]
    request = parse_request(lane.run.request, LONGEST)
    most = client.status().context_length
    return likelihood.scoring(lane.run.prompt, lane.layout, token_ids, request.max_length, most)


def _wire_gain(page: Page, client: EngineClient, calls: Calls) -> None:
    async def show_gain(
        request: gr.Request, result: Run | None, language: Language
    ) -> AsyncGenerator[Updates]:
        """Score the tokens of the completion in view with its suffix, then without it."""
        found = _to_score(result.recording if result else None, client)
        if isinstance(found, str):
            yield {page.suffix: suffix.missing(found, language)}
            return
        recording, pair = found
        scored = Run(pair.with_suffix), Run(pair.without)

        def seen() -> Updates:
            return {page.suffix: suffix.view(pair, scored, recording.request.layout, language)}

        refusal = client.refusal()
        if refusal is not None:
            scored[0].progress = Progress("", "")
            scored[0].progress.add(refusal)
            yield seen() | _free(page)
            return
        with calls.call(request.session_hash) as call:
            yield seen() | _held(page)
            for run in scored:
                generation = call.submit(run.request)
                async with aclosing(follow(run, call, generation, client, language)) as updates:
                    async for _ in updates:
                        yield seen()
                if run.stopped or run.error:
                    break
        yield seen() | _free(page)

    page.suffix_ask.change(
        show_gain,
        inputs=[page.result, page.language_choice],
        outputs=[page.suffix, page.complete, page.stop],
        concurrency_limit=None,
        trigger_mode="once",
        **PRIVATE,
    )


def _to_score(
    recording: Recording | None, client: EngineClient
) -> tuple[Recording, likelihood.Pair] | suffix.Missing:
    """Return what is to be scored, or the reason why nothing is."""
    if recording is None:
        return "nothing"
    vocabulary, status = client.vocabulary(), client.status()
    if recording.last.preset != status.preset and not likelihood.understands(vocabulary, recording):
        return "other_model"
    pair = likelihood.pair(recording, vocabulary, status.context_length)
    if pair is None:
        return "nothing"
    return (recording, pair) if pair.differ else "none"


def _held(page: Page) -> Updates:
    """Return the page's buttons while a comparison runs: nothing to complete, something to stop."""
    return {page.complete: gr.update(interactive=False), page.stop: gr.update(interactive=True)}


def _free(page: Page) -> Updates:
    return {page.complete: gr.update(interactive=True), page.stop: gr.update(interactive=False)}
