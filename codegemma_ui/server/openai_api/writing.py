"""The state of a response while it is generated: text to show, its tokens, and the reason it ended."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from dataclasses import dataclass
from typing import Literal

from codegemma_ui.fim.stop_strings import StopStrings
from codegemma_ui.ipc.messages import (
    CancelledEvent,
    DoneEvent,
    ErrorEvent,
    Event,
    PrefillEvent,
    PromptEvent,
    TokenEvent,
)
from codegemma_ui.server.openai_api.ask import Ask
from codegemma_ui.server.openai_api.problems import Problem

Ended = Literal["eos", "word", "limit"]

_LIMITS = ("max_length", "time_limit")
"""`stop_reason` of what a limit ended; any other ended by itself."""


@dataclass(frozen=True)
class PromptProgress:
    """Progress of the prefill, as llama.cpp reports it.

    Attributes:
        total: tokens of the prompt.
        cache: tokens found in the prefix cache.
        processed: tokens prefilled so far, cached ones included.
        time_ms: since the engine began.
    """

    total: int
    cache: int
    processed: int
    time_ms: int


@dataclass(frozen=True)
class Piece:
    """A piece of the response's text, or the progress of the prefill before it.

    Attributes:
        tokens: those whose text is shown with it, each with its character offset in the response.
        progress: of the prefill.
    """

    text: str = ""
    tokens: tuple[tuple[TokenEvent, int], ...] = ()
    progress: PromptProgress | None = None

    def __add__(self, other: Piece) -> Piece:
        return Piece(self.text + other.text, self.tokens + other.tokens)


class Writing:
    """One response.

    Args:
        ask: the requested completion.
        stop_ids: tokens that end a middle.
        cut: whether its prompt was cut before it was sent to the engine.

    Attributes:
        prompt: the prompt event, once the engine has begun.
        count: generated tokens, including one that ended it.
        has_line_break: whether one was written.
        ended: by the model ("eos"), by a stop string ("word"), or by a limit.
        began_s, first_s, latest_s: when the engine began, and when the first and the latest token arrived.
    """

    def __init__(self, ask: Ask, stop_ids: Collection[int], *, cut: bool = False) -> None:
        self._ask, self._stop_ids, self._cut = ask, stop_ids, cut
        self._stops = StopStrings(ask.stops)
        self._waiting: deque[tuple[TokenEvent, int, int]] = deque()
        self._came = self._shown = 0  # characters
        self.has_line_break = False
        self.prompt: PromptEvent | None = None
        self.count = 0
        self.ended: Ended | None = None
        self.began_s = self.first_s = self.latest_s = 0.0

    @property
    def stopping_word(self) -> str:
        """The stop string that ended it, if one did."""
        return self._stops.found or ""

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt, forced ones included."""
        return self.prompt.prompt_tokens + self.prompt.forced_tokens if self.prompt else 0

    @property
    def was_cut(self) -> bool:
        """Return whether the prompt was cut."""
        prompt = self.prompt
        return self._cut or bool(
            prompt
            and prompt.trimmed_prefix_tokens
            + prompt.trimmed_suffix_tokens
            + prompt.trimmed_context_tokens
        )

    async def pieces(self, events: AsyncIterator[Event]) -> AsyncGenerator[Piece]:
        """Yield an empty piece when the engine begins, then prefill progress, then the text that may be
        shown. This can end before the events do, when the response is complete.

        Raises:
            Problem: the completion failed.
        """
        async for event in events:
            match event:
                case PromptEvent():
                    self.prompt, self.began_s = event, time.monotonic()
                    yield Piece()
                case PrefillEvent():
                    yield Piece(progress=self._progress(event))
                case TokenEvent() if self.ended:
                    return
                case TokenEvent() if not event.forced:
                    piece = self._take(event)
                    if piece.text or piece.tokens:
                        yield piece
                    if self.ended and not self._is_full():
                        return
                case DoneEvent() | CancelledEvent() if not self.ended:
                    cut_off = event.stop_reason is None or event.stop_reason in _LIMITS
                    self.ended = "limit" if cut_off else "eos"
                    yield self._rest()
                case ErrorEvent():
                    raise Problem.of(event)

    def _progress(self, event: PrefillEvent) -> PromptProgress:
        cache = self.prompt_tokens - event.total_tokens
        spent = time.monotonic() - self.began_s
        return PromptProgress(
            total=self.prompt_tokens,
            cache=cache,
            processed=cache + event.prefilled_tokens,
            time_ms=round(1000 * spent),
        )

    def _take(self, token: TokenEvent) -> Piece:
        now = time.monotonic()
        self.first_s, self.latest_s = self.first_s or now, now
        self.count += 1
        if token.id in self._stop_ids:
            return Piece()  # the last event comes next
        start, self._came = self._came, self._came + len(token.text)
        self._waiting.append((token, start, self._came))
        self.has_line_break |= "\n" in token.text
        text = self._stops.feed(token.text)
        self._shown += len(text)
        if self._stops.found is not None:
            self.ended = "word"
            return Piece(text, self._released(cut=True))
        piece = Piece(text, self._released())
        if self.count >= self._ask.max_tokens or self._is_late(now):
            self.ended = "limit"
            piece += self._rest()
        return piece

    def _is_late(self, now: float) -> bool:
        limit_s = self._ask.line_time_s
        return limit_s is not None and self.has_line_break and now - self.first_s > limit_s

    def _is_full(self) -> bool:
        """Return whether the context is full, so that the engine's last event comes next."""
        prompt = self.prompt
        return prompt is not None and self.prompt_tokens + self.count >= prompt.max_length

    def _rest(self) -> Piece:
        text = self._stops.flush()
        self._shown += len(text)
        return Piece(text, self._released())

    def _released(self, *, cut: bool = False) -> tuple[tuple[TokenEvent, int], ...]:
        """Return the tokens whose whole text is shown; if it is cut, those that begin before the cut."""
        released = []
        while self._waiting:
            token, start, end = self._waiting[0]
            if not (start < self._shown if cut else end <= self._shown):
                break
            self._waiting.popleft()
            released.append((token, start))
        return tuple(released)
