"""Turn one request into one stream of events, combining prompt, decode loop, text and stop rule.

The decode loop deals in ids and never stops by itself before `max_length`. This module decides when a middle
has ended and turns ids into whole characters.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import CompletionRequest, Event, Loaded, PrefillEvent, StopReason
from codegemma_ui.workers.events import Output, last_event
from codegemma_ui.workers.keras.decode import Decoder, PrefillProgress
from codegemma_ui.workers.keras.sampling import Sampling
from codegemma_ui.workers.prompting import forced_ids, prompt_event
from codegemma_ui.workers.repetition import Repetition

PREFILL_INTERVAL_S = 0.25
"""Seconds between two `prefill` events."""


def generate(
    request: CompletionRequest,
    vocabulary: Vocabulary,
    decoder: Decoder,
    loaded: Loaded,
    cancelled: Callable[[], bool],
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Event]:
    """Run a request.

    Args:
        request: parsed request.
        vocabulary: vocabulary of the loaded preset.
        decoder: decoder of the loaded model.
        loaded: preset, backend and precision for the last event.
        cancelled: called between dispatches, and during prefill from two threads.
        clock: seconds; only differences count.

    Yields:
        One `prompt`, then `prefill` and `token` events, then one `done` or `cancelled`. Failures are raised,
        including `BadInput` if the forced tokens do not fit.
    """
    prompt = vocabulary.prompt_of(request)
    prompt_ids, forced = prompt.token_ids, forced_ids(request, vocabulary)
    room = request.max_length - len(prompt_ids)
    yield prompt_event(request, prompt, forced)
    room = len(forced) if request.score else room
    output = Output(vocabulary, len(forced))
    repetition = Repetition(samples=request.temperature > 0)
    reason: StopReason | None = "scored" if request.score and not forced else None
    started = first = last = clock()
    shown_s = -math.inf

    def late() -> bool:
        return clock() - started >= request.time_limit_s

    if reason is None and not cancelled():
        events = decoder.stream(
            prompt_ids,
            len(prompt_ids) + room,
            Sampling(request.temperature, request.top_k, request.top_p, request.seed),
            vocabulary.stop_ids,
            cursor=vocabulary.cursor(prompt_ids),
            should_stop=lambda: cancelled() or late(),
            forced=forced,
        )
        for choice in events:
            if isinstance(choice, PrefillProgress):
                if clock() - shown_s >= PREFILL_INTERVAL_S:
                    shown_s = clock()
                    yield PrefillEvent(prefilled_tokens=choice.tokens, total_tokens=choice.total)
                continue
            last = clock()
            first = last if output.new == 0 else first
            free = output.count >= len(forced)
            if free and choice.id in vocabulary.stop_ids:
                reason = "stop_token"
            elif output.count + 1 == room:
                reason = "scored" if request.score else "max_length"
            token = output.add(
                choice.id,
                choice.logprob,
                choice.alternatives,
                math.exp(choice.stop_logprob),
                ends=reason is not None,
            )
            yield token
            repeats = free and request.stop_on_repetition and repetition.add(token.text)
            if reason is None and repeats:
                reason = "repetition"
            if reason is None and last - started >= request.time_limit_s:
                reason = "time_limit"
            if reason is not None or cancelled():
                break
        if reason is None and not cancelled() and late():
            reason = "time_limit"  # during the prefill
    yield last_event(request, prompt, output, reason, loaded, (started, first, last))
