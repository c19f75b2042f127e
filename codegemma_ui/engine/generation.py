"""One request to one stream of events: where prompt, decode loop, text and stop rule meet.

The decode loop deals in ids and never stops by itself before `max_length`; this file decides when a
middle has ended, and turns ids into whole characters.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence

from codegemma_ui import fim
from codegemma_ui.engine.decode import Decoder
from codegemma_ui.engine.sampling import Choice, Sampling
from codegemma_ui.errors import BadInput
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
        One `prompt`, the `token` events, then one `done` or `cancelled`. Failures are raised,
        `BadInput` among them: what is forced does not fit.
    """
    prompt = vocabulary.prompt_of(request)
    prompt_ids, forced = prompt.token_ids, _forced(request, vocabulary)
    room = request.max_length - len(prompt_ids)
    if len(forced) > room:
        raise BadInput(
            f"forced must fit in max_length beside the prompt: {room} tokens. Received: {len(forced)}",
            "Raise max_length.",
        )
    yield PromptEvent(
        prompt=prompt.text,
        prompt_tokens=len(prompt_ids),
        max_length=request.max_length,
        trimmed_prefix_tokens=prompt.trimmed_prefix_tokens,
        trimmed_suffix_tokens=prompt.trimmed_suffix_tokens,
        trimmed_context_tokens=prompt.trimmed_context_tokens,
        token_ids=prompt_ids,
        roles=tuple(token.role for token in prompt.tokens),
        forced_tokens=len(forced),
    )
    room = len(forced) if request.score else room
    output = Output(vocabulary, len(forced))
    reason: StopReason | None = "scored" if request.score and not forced else None
    started = first = last = clock()

    def late() -> bool:
        return clock() - started >= request.time_limit_s

    if reason is None and not cancelled():
        choices = decoder.decode(
            prompt_ids,
            len(prompt_ids) + room,
            Sampling(request.temperature, request.top_k, request.top_p, request.seed),
            vocabulary.stop_ids,
            cursor=vocabulary.cursor(prompt_ids),
            over=lambda: cancelled() or late(),
            forced=forced,
        )
        for choice in choices:
            last = clock()
            first = last if output.count == 0 else first
            free = output.count >= len(forced)
            if free and choice.id in vocabulary.stop_ids:
                reason = "stop_token"
            elif output.count + 1 == room:
                reason = "scored" if request.score else "max_length"
            yield output.add(choice, ends=reason is not None)
            if reason is None and last - started >= request.time_limit_s:
                reason = "time_limit"
            if reason is not None or cancelled():
                break
        if reason is None and not cancelled() and late():
            reason = "time_limit"  # while the prompt was being read
    kind = CancelledEvent if reason is None else DoneEvent
    yield kind(
        prompt=prompt.text,
        raw_output=output.raw,
        middle=output.middle,
        program=fim.splice(request.prefix, output.middle, request.suffix),
        stop_reason=reason,
        stop_token=output.stop_token,
        token_ids=tuple(output.token_ids),
        prompt_tokens=len(prompt_ids),
        completion_tokens=output.count,
        logprob=output.logprob,
        ttft_s=first - started if output.count else None,
        tokens_per_s=(output.count - 1) / (last - first) if last > first else None,
        preset=loaded.preset,
        backend=loaded.backend,
        dtype=loaded.dtype,
    )


class Output:
    """What has been written so far, as ids and as text.

    Args:
        vocabulary: the loaded preset's.
        forced: how many tokens come first because they were asked for.
    """

    def __init__(self, vocabulary: Vocabulary, forced: int) -> None:
        self._vocabulary, self._forced = vocabulary, forced
        self._text = vocabulary.text_decoder()
        self.token_ids: list[int] = []
        self.logprob = 0.0
        self._ended = False
        self._middle: list[str] = []
        self._raw: list[str] = []

    @property
    def count(self) -> int:
        return len(self.token_ids)

    @property
    def middle(self) -> str:
        """Up to the first stop token."""
        return "".join(self._middle)

    @property
    def stop_token(self) -> str | None:
        """The first one, if any came."""
        _, stop_id = fim.extract(self.token_ids, self._vocabulary.stop_ids)
        return None if stop_id is None else self._vocabulary.token_text(stop_id)

    @property
    def raw(self) -> str:
        """All of it, stop tokens by their names."""
        return "".join(self._raw)

    def add(self, choice: Choice, *, ends: bool) -> TokenEvent:
        """Take a token; `ends` where it is the last."""
        past_end, stops = self._ended, choice.id in self._vocabulary.stop_ids
        text = "" if stops else self._text.feed(choice.id)
        if stops or ends:
            text += self._text.flush()
        self._raw += [text, self._vocabulary.token_text(choice.id) if stops else ""]
        if not past_end:
            self._middle.append(text)
        self._ended |= stops
        self.token_ids.append(choice.id)
        self.logprob += choice.logprob
        return TokenEvent(
            index=self.count - 1,
            id=choice.id,
            text=text,
            logprob=choice.logprob,
            alternatives=tuple(
                Alternative(
                    id=token_id, text=self._vocabulary.token_text(token_id), logprob=logprob
                )
                for token_id, logprob in choice.alternatives
            ),
            piece=self._vocabulary.token_text(choice.id),
            stop_probability=math.exp(choice.stop_logprob),
            forced=self.count <= self._forced,
            past_end=past_end,
        )


def _forced(request: CompletionRequest, vocabulary: Vocabulary) -> Sequence[int]:
    if isinstance(request.forced, str):
        return vocabulary.encode(request.forced)
    if any(token_id >= vocabulary.size for token_id in request.forced):
        raise BadInput(
            f"forced must be ids below {vocabulary.size}, the size of the vocabulary. "
            f"Received: {max(request.forced)}"
        )
    return request.forced
