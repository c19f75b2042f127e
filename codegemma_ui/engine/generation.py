"""One request to one stream of events: where prompt, decode loop, text and stop rule meet.

The decode loop deals in ids and never stops by itself before `max_length`; this file decides when a
middle has ended, and turns ids into whole characters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from codegemma_ui import fim
from codegemma_ui.engine.decode import Decoder
from codegemma_ui.engine.sampling import Choice, Sampling
from codegemma_ui.messages import (
    Alternative,
    CancelledEvent,
    CompletionRequest,
    DoneEvent,
    Event,
    Loaded,
    PromptEvent,
    StopReason,
    TokenEvent,
)
from codegemma_ui.vocabulary import Vocabulary


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
        request: a parsed request.
        vocabulary: the loaded preset's.
        decoder: the loaded model's.
        loaded: says preset, backend and precision in the last event.
        cancelled: asked between dispatches.
        clock: seconds; only differences count.

    Yields:
        One `prompt`, the `token` events, then one `done` or `cancelled`. Failures are raised.
    """
    prompt = vocabulary.prompt(request.prefix, request.suffix, request.max_length, request.layout)
    yield PromptEvent(
        prompt=prompt.text,
        prompt_tokens=len(prompt.token_ids),
        max_length=request.max_length,
        trimmed_prefix_tokens=prompt.trimmed_prefix_tokens,
        trimmed_suffix_tokens=prompt.trimmed_suffix_tokens,
    )
    sampling = Sampling(request.temperature, request.top_k, request.top_p, request.seed)
    text = vocabulary.text_decoder()
    room = request.max_length - len(prompt.token_ids)
    token_ids: list[int] = []
    pieces: list[str] = []
    reason: StopReason | None = None
    started = first = last = clock()

    def late() -> bool:
        return clock() - started >= request.time_limit_s

    if not cancelled():
        choices = decoder.decode(
            prompt.token_ids,
            request.max_length,
            sampling,
            vocabulary.stop_ids,
            cursor=vocabulary.cursor(prompt.token_ids),
            over=lambda: cancelled() or late(),
        )
        for choice in choices:
            last = clock()
            first = first if token_ids else last
            token_ids.append(choice.id)
            if choice.id in vocabulary.stop_ids:
                reason = "stop_token"
            elif len(token_ids) == room:
                reason = "max_length"
            piece = "" if reason == "stop_token" else text.feed(choice.id)
            if reason is not None:
                piece += text.flush()
            pieces.append(piece)
            yield _token_event(len(token_ids) - 1, choice, piece, vocabulary)
            if reason is None and last - started >= request.time_limit_s:
                reason = "time_limit"
            if reason is not None or cancelled():
                break
        if reason is None and not cancelled() and late():
            reason = "time_limit"  # while the prompt was being read
    middle = "".join(pieces)
    _, stop_id = fim.extract(token_ids, vocabulary.stop_ids)
    stop_token = None if stop_id is None else vocabulary.token_text(stop_id)
    kind = CancelledEvent if reason is None else DoneEvent
    yield kind(
        prompt=prompt.text,
        raw_output=middle + (stop_token or ""),
        middle=middle,
        program=fim.splice(request.prefix, middle, request.suffix),
        stop_reason=reason,
        stop_token=stop_token,
        token_ids=tuple(token_ids),
        prompt_tokens=len(prompt.token_ids),
        completion_tokens=len(token_ids),
        ttft_s=first - started if token_ids else None,
        tokens_per_s=(len(token_ids) - 1) / (last - first) if last > first else None,
        preset=loaded.preset,
        backend=loaded.backend,
        dtype=loaded.dtype,
    )


def _token_event(index: int, choice: Choice, text: str, vocabulary: Vocabulary) -> TokenEvent:
    return TokenEvent(
        index=index,
        id=choice.id,
        text=text,
        logprob=choice.logprob,
        alternatives=tuple(
            Alternative(id=token_id, text=vocabulary.token_text(token_id), logprob=logprob)
            for token_id, logprob in choice.alternatives
        ),
    )
