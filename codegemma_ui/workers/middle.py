"""One middle as a worker writes it: its prompt, its tokens, and the one rule by which it ends. Pure.

Both workers generate through it, so that a request ends by the same rule wherever its tokens come from. A
remote server may also end it for reasons of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from codegemma_ui import fim
from codegemma_ui.errors import BadInput
from codegemma_ui.fim.stop_strings import StopStrings
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import (
    CancelledEvent,
    CompletionRequest,
    DoneEvent,
    Loaded,
    PromptEvent,
    StopReason,
    TokenEvent,
)
from codegemma_ui.workers.events import Output
from codegemma_ui.workers.repetition import Repetition


class Middle:
    """The middle of one request.

    Args:
        request: parsed request.
        vocabulary: vocabulary of the loaded preset.
        clock: seconds; only differences count.

    Attributes:
        prompt: as the model receives it.
        forced: token ids that the middle must begin with.
        room: most tokens that it may have, forced ones included.
        reason: why it has ended; None as long as it has not, and if it was cancelled.

    Raises:
        BadInput: the forced tokens are outside the vocabulary, or do not fit beside the prompt.
    """

    def __init__(
        self, request: CompletionRequest, vocabulary: Vocabulary, clock: Callable[[], float]
    ) -> None:
        self._request, self._clock = request, clock
        self._stop_ids = vocabulary.stop_ids
        self.prompt = vocabulary.prompt_of(request)
        self.forced = forced_ids(request, vocabulary)
        self.room = request.max_length - len(self.prompt.tokens)
        if len(self.forced) > self.room:
            raise BadInput(
                f"forced must fit in max_length beside the prompt: {self.room} tokens. "
                f"Received: {len(self.forced)}",
                "Raise max_length.",
            )
        if request.score:
            self.room = len(self.forced)
        self._stops = StopStrings(request.stop, one_line=request.one_line)
        self._output = Output(vocabulary, len(self.forced), self._stops)
        self._repetition = Repetition(samples=request.temperature > 0)
        self.reason: StopReason | None = "scored" if self.room == 0 and request.score else None
        self._started = self._first = self._last = clock()

    def prompt_event(self) -> PromptEvent:
        """Return the event that describes the prompt; the time limit counts from here."""
        self._started = self._first = self._last = self._clock()
        prompt = self.prompt
        return PromptEvent(
            prompt=prompt.text,
            prompt_tokens=len(prompt.tokens),
            max_length=self._request.max_length,
            trimmed_prefix_tokens=prompt.trimmed_prefix_tokens,
            trimmed_suffix_tokens=prompt.trimmed_suffix_tokens,
            trimmed_context_tokens=prompt.trimmed_context_tokens,
            token_ids=prompt.token_ids,
            roles=tuple(token.role for token in prompt.tokens),
            forced_tokens=len(self.forced),
        )

    @property
    def late(self) -> bool:
        """Whether the time limit has passed."""
        return self._clock() - self._started >= self._request.time_limit_s

    def add(
        self,
        token_id: int,
        logprob: float | None,
        alternatives: Sequence[tuple[int, float]] = (),
        stop_probability: float | None = None,
    ) -> TokenEvent:
        """Take the next token, and set `reason` if the middle ends with it.

        It ends at a stop token, before a stop string, at `max_length`, where it repeats itself, and at the
        time limit.

        Args:
            logprob, stop_probability: as in `TokenEvent`.
            alternatives: ids and their log probabilities.
        """
        request, output = self._request, self._output
        self._last = self._clock()
        if output.new == 0:
            self._first = self._last
        free = output.count >= len(self.forced)
        if free and token_id in self._stop_ids:
            self.reason = "stop_token"
        elif output.count + 1 == self.room:
            self.reason = "scored" if request.score else "max_length"
        token = output.add(
            token_id, logprob, alternatives, stop_probability, ends=self.reason is not None
        )
        repeats = free and request.stop_on_repetition and self._repetition.add(token.text)
        if self._stops.found is not None:
            self.reason = "end_of_line" if self._stops.ends_line else "stop_string"
        elif self.reason is None and repeats:
            self.reason = "repetition"
        if self.reason is None and self._last - self._started >= request.time_limit_s:
            self.reason = "time_limit"
        return token

    def last_event(self, loaded: Loaded) -> DoneEvent | CancelledEvent:
        """Return the event that ends the stream: `cancelled` if there is no `reason`.

        Args:
            loaded: source of the preset, backend and precision.
        """
        output, writing_s = self._output, self._last - self._first
        kind = CancelledEvent if self.reason is None else DoneEvent
        return kind(
            prompt=self.prompt.text,
            raw_output=output.raw,
            middle=output.middle,
            program=fim.splice(self._request.prefix, output.middle, self._request.suffix),
            stop_reason=self.reason,
            stop_token=output.stop_token,
            token_ids=tuple(output.token_ids),
            prompt_tokens=len(self.prompt.tokens),
            completion_tokens=output.count,
            logprob=output.logprob,
            ttft_s=self._first - self._started if output.count else None,
            tokens_per_s=(output.new - 1) / writing_s if writing_s > 0 and output.new > 1 else None,
            preset=loaded.preset,
            backend=loaded.backend,
            dtype=loaded.dtype,
        )


def forced_ids(request: CompletionRequest, vocabulary: Vocabulary) -> tuple[int, ...]:
    """Return the tokens that the middle must begin with.

    Raises:
        BadInput: an id is outside the vocabulary.
    """
    if isinstance(request.forced, str):
        return tuple(vocabulary.encode(request.forced))
    if any(token_id >= vocabulary.size for token_id in request.forced):
        raise BadInput(
            f"forced must be ids below {vocabulary.size}, the size of the vocabulary. "
            f"Received: {max(request.forced)}"
        )
    return request.forced
