"""Turn one request into one stream of events from a server's answer, like `workers/keras/generation.py`.

Cancellation and the time limit close the connection, which is how this protocol stops a server.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import openai

from codegemma_ui import fim
from codegemma_ui.errors import PlaygroundError
from codegemma_ui.fim.tokenizers import split_differently
from codegemma_ui.fim.vocabulary import Prompt, Vocabulary
from codegemma_ui.ipc.messages import CompletionRequest, Event, Loaded, StopReason
from codegemma_ui.workers.middle import Middle
from codegemma_ui.workers.openai.abilities import Abilities, echoed, extras
from codegemma_ui.workers.openai.answers import ALTERNATIVES, Reader, ServedToken, streamed_choice
from codegemma_ui.workers.openai.failures import NotSupported, broke_off, protocol_error
from codegemma_ui.workers.openai.finish import reason_of
from codegemma_ui.workers.openai.server import Server

POLL_S = 0.05
"""Seconds between two checks for cancellation."""

PAUSE_S = 0.5
"""Pause before retrying an answer that broke off before its first token; doubled each time."""

MIN_TEMPERATURE = 1e-30
"""Temperatures up to this are treated as 0."""

LINGER_S = 1.0
"""Time to wait for more of an answer after its finish reason. Usually `[DONE]` follows at once."""

Result = TypeVar("Result")


class Stopped(Exception):
    """The request was cancelled, or its time is up."""


async def until(waited: Awaitable[Result], should_stop: Callable[[], bool]) -> Result:
    """Await something, unless `should_stop` becomes true first.

    Raises:
        Stopped: it did.
    """
    task = asyncio.ensure_future(waited)
    try:
        while not task.done():
            if should_stop():
                raise Stopped
            await asyncio.wait({task}, timeout=POLL_S)
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


async def _next(
    chunks: AsyncIterator[dict[str, Any]], should_stop: Callable[[], bool], *, ended: bool
) -> dict[str, Any] | None:
    """Return the next chunk of an answer, or None after the last one.

    Args:
        ended: whether a finish reason has arrived. Failures and silence after it do no harm.

    Raises:
        Stopped: `should_stop` became true.
    """
    if not ended:
        return await until(anext(chunks, None), should_stop)
    until_s = time.monotonic() + LINGER_S
    try:
        return await until(anext(chunks, None), lambda: should_stop() or time.monotonic() > until_s)
    except (Stopped, PlaygroundError, openai.OpenAIError):
        return None


@dataclass(frozen=True)
class RemoteGenerator:
    """Generate from a server with known abilities.

    Attributes:
        server, abilities: the server and what it supports.
        vocabulary: vocabulary of the preset.
        loaded: preset, backend and precision for the last event.
    """

    server: Server
    abilities: Abilities
    vocabulary: Vocabulary
    loaded: Loaded

    async def generate(
        self,
        request: CompletionRequest,
        cancelled: Callable[[], bool],
        clock: Callable[[], float] = time.perf_counter,
    ) -> AsyncGenerator[Event]:
        """Run a request.

        Args:
            request: parsed request.
            cancelled: called many times a second.
            clock: seconds; only differences count.

        Yields:
            One `prompt`, the `token` events, then one `done` or `cancelled`. Forced tokens come first, with
            their probabilities if the server scores.

        Raises:
            BadInput: the forced tokens do not fit.
            NotSupported: the server does not support the request.
            ServerError, openai.OpenAIError: see `failures`.
        """
        middle = Middle(request, self.vocabulary, clock)
        yield middle.prompt_event()

        def should_stop() -> bool:
            return cancelled() or middle.late

        prompt, forced = middle.prompt, middle.forced
        answer = (
            self._score(prompt, forced, should_stop)
            if request.score
            else self._write(request, prompt, forced, should_stop)
        )
        try:
            async with contextlib.aclosing(answer) as tokens:
                async for item in tokens:
                    if not isinstance(item, ServedToken):
                        middle.reason = item
                        break
                    yield middle.add(item.id, item.logprob, item.alternatives)
                    if middle.reason is not None:
                        break
        except Stopped:
            middle.reason = None if cancelled() else "time_limit"
        yield middle.last_event(self.loaded)

    # Completion

    async def _write(
        self,
        request: CompletionRequest,
        prompt: Prompt,
        forced: Sequence[int],
        should_stop: Callable[[], bool],
    ) -> AsyncGenerator[ServedToken | StopReason]:
        """Yield forced tokens, generated tokens, and the stop reason. An answer that breaks off before its
        first token is requested again.

        Raises:
            Stopped: `should_stop` became true.
        """
        body, extra = self._body_of(request, prompt, forced)
        if self.abilities.score:
            async for scored in self._score(prompt, forced, should_stop):
                yield scored
        else:
            for token_id in forced:
                yield ServedToken(token_id)
        came = 0
        for attempt in range(self.server.retries + 1):
            if attempt:
                await until(asyncio.sleep(PAUSE_S * 2 ** (attempt - 1)), should_stop)
            stream = await until(self.server.stream(body, extra), should_stop)
            reader = Reader(self.vocabulary, same_ids=self.abilities.token_ids)
            chunks = aiter(stream)
            reason: StopReason | None = None
            finish: object = None  # the server's `finish_reason`
            completes = False
            try:
                # Any chunk may have a reason, and text may follow it: the answer ends when the stream does.
                while (
                    chunk := await _next(chunks, should_stop, ended=reason is not None)
                ) is not None:
                    choice = streamed_choice(chunk)
                    if choice is None:  # such as a chunk with usage only
                        continue
                    completes = True
                    for token in self._tokens_of(choice, reader):
                        came += 1
                        yield token
                    if (given_reason := reason_of(choice.get("finish_reason"))) is not None:
                        reason, finish = given_reason, choice["finish_reason"]
            finally:
                await stream.close()
            if stream.done and reason is None:
                if not completes:
                    raise protocol_error("no completion")
                reason = "server"
            if reason is not None:
                if reason == "server":
                    print(f"An answer ended with finish_reason {finish!r:.80}", file=sys.stderr)
                yield reason
                return
            if came:
                break
        raise broke_off(came)

    def _tokens_of(self, choice: Mapping[str, Any], reader: Reader) -> list[ServedToken]:
        """Return the tokens of a chunk's choice.

        Raises:
            ServerError: it is malformed.
        """
        try:
            try:
                tokens = reader.read(choice)
            except (AttributeError, TypeError, ValueError, KeyError):
                tokens = reader.read_text(choice)
        except TypeError as error:
            raise protocol_error(f"{type(error).__name__} {error}"[:100]) from error
        ends = reason_of(choice.get("finish_reason")) is not None
        stop_id = self._stop_id(choice.get("stop_reason")) if ends else None
        return tokens if stop_id is None else [*tokens, ServedToken(stop_id)]

    def _stop_id(self, stopped_at: object) -> int | None:
        """Return the stop token that vLLM names, by its id or by a stop string of ours."""
        if isinstance(stopped_at, int) and stopped_at in self.vocabulary.stop_ids:
            return stopped_at
        if isinstance(stopped_at, str) and stopped_at in fim.FIM_TOKENS:
            return self.vocabulary.control_id(stopped_at)
        return None

    def _body_of(
        self, request: CompletionRequest, prompt: Prompt, forced: Sequence[int]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the body of a request, and its server-specific part.

        Raises:
            NotSupported: the server does not support the request.
        """
        can = self.abilities
        extra = extras(can.model, self.vocabulary, same_ids=can.token_ids) if can.extras else {}
        body: dict[str, Any] = {
            "model": can.model.id,
            "prompt": self._prompt_to_send(request, prompt, forced),
            "max_tokens": request.max_length - len(prompt.tokens) - len(forced),
            "temperature": 0,
        }
        if "stop_token_ids" not in extra:
            body["stop"] = list(fim.FIM_TOKENS)
        if can.logprobs:
            body["logprobs"] = ALTERNATIVES
        if request.temperature > MIN_TEMPERATURE and request.top_k != 1 and request.top_p > 0:
            body |= {"temperature": request.temperature, "top_p": request.top_p}
            if request.seed is not None:
                body["seed"] = request.seed
            if "top_k" not in can.lacks:
                extra["top_k"] = request.top_k
            elif request.top_k:
                raise NotSupported("This server does not take top_k.", "Set top_k to 0.")
        return body, extra

    def _prompt_to_send(
        self, request: CompletionRequest, prompt: Prompt, forced: Sequence[int]
    ) -> str | list[int]:
        """Return prompt and forced tokens: as text if any tokenizer splits it into these tokens, else as ids.

        A server that accepts no ids still gets text if only the token boundaries differ.

        Raises:
            NotSupported: it accepts no ids, and would misread the text.
        """
        chosen = bool(forced) and not isinstance(request.forced, str)
        begins = self.vocabulary.decode(forced) if chosen else str(request.forced or "")
        beginning = [fim.Segment("prefix", begins)] if begins else []
        otherwise = split_differently((*prompt.segments, *beginning))
        if otherwise is None and not chosen:
            return prompt.text + begins
        if self.abilities.token_ids:
            return [*prompt.token_ids, *forced]
        if otherwise == "spelled":
            raise NotSupported(
                "The text contains the name of a control token, which must stay text. This server accepts no "
                "token ids and would read the name as the token.",
                "Remove the name from the text.",
            )
        if chosen and self.vocabulary.encode(begins) != list(forced):
            raise NotSupported(
                "This server accepts no token ids, so a middle cannot begin with exactly these tokens.",
                "Give the beginning as text.",
            )
        return prompt.text + begins

    # Scoring

    async def _score(
        self, prompt: Prompt, forced: Sequence[int], should_stop: Callable[[], bool]
    ) -> AsyncGenerator[ServedToken | StopReason]:
        """Score forced tokens: the server echoes the prompt with the log probability of each token.

        Raises:
            Stopped: `should_stop` became true.
            NotSupported: it does not score prompts.
        """
        if not forced:
            return
        can = self.abilities
        if not can.score:
            raise NotSupported(
                "This server does not return probabilities of given tokens (echo with logprobs).",
                "Scoring needs a server that does, such as vLLM, or a local backend.",
            )
        body = {
            "model": can.model.id,
            "prompt": [*prompt.token_ids, *forced],
            "temperature": 0,
            "max_tokens": 0,
            "echo": True,
            "logprobs": ALTERNATIVES,
        }
        extra = extras(can.model, self.vocabulary, same_ids=True) if can.extras else {}
        answer = await until(self.server.ask(body, extra), should_stop)
        scored = echoed(answer)[len(prompt.tokens) :][: len(forced)]
        if len(scored) < len(forced) or any(logprob is None for _, logprob in scored):
            raise protocol_error("a score of other tokens")
        for token_id, (_, logprob) in zip(forced, scored, strict=True):
            yield ServedToken(token_id, logprob)
