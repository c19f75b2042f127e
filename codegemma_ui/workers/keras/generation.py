"""Turn one request into one stream of events, combining prompt, decode loop, text and stop rule.

The decode loop deals in ids, and ends by itself only at a stop token and at `max_length`. What else ends a
middle is decided by `Middle`; this module asks it, and checks for cancellation.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import CompletionRequest, Event, Loaded, PrefillEvent
from codegemma_ui.workers.keras.decode import Decoder, PrefillProgress
from codegemma_ui.workers.keras.sampling import Sampling
from codegemma_ui.workers.middle import Middle

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
    middle = Middle(request, vocabulary, clock)
    yield middle.prompt_event()
    prompt_ids = middle.prompt.token_ids
    shown_s = -math.inf
    if middle.reason is None and not cancelled():
        events = decoder.stream(
            prompt_ids,
            len(prompt_ids) + middle.room,
            Sampling(request.temperature, request.top_k, request.top_p, request.seed),
            vocabulary.stop_ids,
            cursor=vocabulary.cursor(prompt_ids),
            should_stop=lambda: cancelled() or middle.late,
            forced=middle.forced,
        )
        for choice in events:
            if isinstance(choice, PrefillProgress):
                if clock() - shown_s >= PREFILL_INTERVAL_S:
                    shown_s = clock()
                    yield PrefillEvent(prefilled_tokens=choice.tokens, total_tokens=choice.total)
                continue
            yield middle.add(
                choice.id, choice.logprob, choice.alternatives, math.exp(choice.stop_logprob)
            )
            if middle.reason is not None or cancelled():
                break
        if middle.reason is None and not cancelled() and middle.late:
            middle.reason = "time_limit"  # during the prefill
    yield middle.last_event(loaded)
