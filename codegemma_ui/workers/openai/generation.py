"""One request to one stream of events, as `workers/keras/generation.py` makes them, of a server's answer.

A cancel and the time limit close the connection, which is how a server of this protocol is told to stop.
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
from codegemma_ui.fim.tokenizers import read_otherwise
from codegemma_ui.fim.vocabulary import Prompt, Vocabulary
from codegemma_ui.ipc.messages import CompletionRequest, Event, Loaded, StopReason
from codegemma_ui.workers.events import Output, last_event
from codegemma_ui.workers.openai.abilities import Abilities, echoed, extras
from codegemma_ui.workers.openai.answers import ALTERNATIVES, Reader, Told, streamed_choice
from codegemma_ui.workers.openai.failures import NotSupported, broke_off, nonsense
from codegemma_ui.workers.openai.finish import reason_of
from codegemma_ui.workers.openai.server import Server
from codegemma_ui.workers.prompting import forced_ids, prompt_event
from codegemma_ui.workers.repetition import Repetition

LOOK_S = 0.05
"""Seconds between two looks at whether somebody has cancelled."""

PAUSE_S = 0.5
"""Before an answer that broke off before its first token is asked for again; doubled each time."""

COLDEST = 1e-30
"""A temperature up to this is as good as 0."""

LINGER_S = 1.0
"""After a reason to end, until which more of the answer is waited for. Usually `[DONE]` comes at once."""

Result = TypeVar("Result")


class Over(Exception):
    """It was cancelled, or its time is up."""


async def until(waited: Awaitable[Result], over: Callable[[], bool]) -> Result:
    """Wait for something, unless it is over before.

    Raises:
        Over: it is.
    """
    task = asyncio.ensure_future(waited)
    try:
        while not task.done():
            if over():
                raise Over
            await asyncio.wait({task}, timeout=LOOK_S)
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


async def _next(
    chunks: AsyncIterator[dict[str, Any]], over: Callable[[], bool], *, ended: bool
) -> dict[str, Any] | None:
    """The next piece of an answer, None after the last one.

    Args:
        ended: a reason to end has come. What fails or keeps quiet after it takes nothing from the answer.

    Raises:
        Over: it is.
    """
    if not ended:
        return await until(anext(chunks, None), over)
    until_s = time.monotonic() + LINGER_S
    try:
        return await until(anext(chunks, None), lambda: over() or time.monotonic() > until_s)
    except (Over, PlaygroundError, openai.OpenAIError):
        return None


@dataclass(frozen=True)
class Asker:
    """Who asks, and what is known of whom.

    Attributes:
        server, abilities: of the server.
        vocabulary: the preset's.
        loaded: says preset, backend and precision in the last event.
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
            request: a parsed request.
            cancelled: asked many times a second.
            clock: seconds; only differences count.

        Yields:
            One `prompt`, the `token` events, then one `done` or `cancelled`. Tokens that were asked for come
            first; how likely they are is told where the server scores.

        Raises:
            BadInput: what is forced does not fit.
            NotSupported: the server cannot do this.
            ServerError, openai.OpenAIError: see `failures`.
        """
        prompt = self.vocabulary.prompt_of(request)
        forced = forced_ids(request, self.vocabulary)
        yield prompt_event(request, prompt, forced)
        room = len(forced) if request.score else request.max_length - len(prompt.tokens)
        output = Output(self.vocabulary, len(forced))
        repetition = Repetition(samples=request.temperature > 0)
        started = first = last = clock()

        def over() -> bool:
            return cancelled() or clock() - started >= request.time_limit_s

        answer = (
            self._score(prompt, forced, over)
            if request.score
            else self._write(request, prompt, forced, over)
        )
        reason: StopReason | None = "scored" if request.score and not forced else None
        try:
            async with contextlib.aclosing(answer) as tokens:
                async for told in tokens:
                    if not isinstance(told, Told):
                        reason = told
                        break
                    last = clock()
                    first = last if output.new == 0 else first
                    free = output.count >= len(forced)
                    if free and told.id in self.vocabulary.stop_ids:
                        reason = "stop_token"
                    elif output.count + 1 == room:
                        reason = "scored" if request.score else "max_length"
                    token = output.add(
                        told.id, told.logprob, told.alternatives, ends=reason is not None
                    )
                    yield token
                    repeats = free and request.stop_on_repetition and repetition.add(token.text)
                    if reason is None and repeats:
                        reason = "repetition"
                    if reason is not None:
                        break
        except Over:
            reason = None if cancelled() else "time_limit"
        yield last_event(request, prompt, output, reason, self.loaded, (started, first, last))

    # Writing

    async def _write(
        self,
        request: CompletionRequest,
        prompt: Prompt,
        forced: Sequence[int],
        over: Callable[[], bool],
    ) -> AsyncGenerator[Told | StopReason]:
        """What is forced, what the server writes, and why it stopped. An answer that breaks off before its
        first token is asked for again.

        Raises:
            Over: it is.
        """
        body, extra = self._asked(request, prompt, forced)
        if self.abilities.score:
            async for scored in self._score(prompt, forced, over):
                yield scored
        else:
            for token_id in forced:
                yield Told(token_id)
        came = 0
        for attempt in range(self.server.retries + 1):
            if attempt:
                await until(asyncio.sleep(PAUSE_S * 2 ** (attempt - 1)), over)
            stream = await until(self.server.stream(body, extra), over)
            reader = Reader(self.vocabulary, same_ids=self.abilities.token_ids)
            chunks = aiter(stream)
            reason: StopReason | None = None
            said: object = None  # `finish_reason`, as the server has it
            completes = False
            try:
                # A reason may stand in each piece, and text behind it: the end is where nothing more comes.
                while (chunk := await _next(chunks, over, ended=reason is not None)) is not None:
                    choice = streamed_choice(chunk)
                    if choice is None:  # such as one that tells the usage alone
                        continue
                    completes = True
                    for told in self._told(choice, reader):
                        came += 1
                        yield told
                    if (told_reason := reason_of(choice.get("finish_reason"))) is not None:
                        reason, said = told_reason, choice["finish_reason"]
            finally:
                await stream.close()
            if stream.done and reason is None:
                if not completes:
                    raise nonsense("no completion")
                reason = "server"
            if reason is not None:
                if reason == "server":
                    print(f"An answer ended with finish_reason {said!r:.80}", file=sys.stderr)
                yield reason
                return
            if came:
                break
        raise broke_off(came)

    def _told(self, choice: Mapping[str, Any], reader: Reader) -> list[Told]:
        """The tokens of a piece of an answer.

        Raises:
            ServerError: it is none.
        """
        try:
            try:
                told = reader.read(choice)
            except (AttributeError, TypeError, ValueError, KeyError):
                told = reader.read_text(choice)
        except TypeError as error:
            raise nonsense(f"{type(error).__name__} {error}"[:100]) from error
        ends = reason_of(choice.get("finish_reason")) is not None
        stop_id = self._stop_id(choice.get("stop_reason")) if ends else None
        return told if stop_id is None else [*told, Told(stop_id)]

    def _stop_id(self, stopped_at: object) -> int | None:
        """The stop token that vLLM names, by its id or by the string that was asked for."""
        if isinstance(stopped_at, int) and stopped_at in self.vocabulary.stop_ids:
            return stopped_at
        if isinstance(stopped_at, str) and stopped_at in fim.FIM_TOKENS:
            return self.vocabulary.control_id(stopped_at)
        return None

    def _asked(
        self, request: CompletionRequest, prompt: Prompt, forced: Sequence[int]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The body of a request, and what of it is the server's own.

        Raises:
            NotSupported: the server cannot do this.
        """
        can = self.abilities
        extra = extras(can.model, self.vocabulary, same_ids=can.token_ids) if can.extras else {}
        body: dict[str, Any] = {
            "model": can.model.id,
            "prompt": self._handed(request, prompt, forced),
            "max_tokens": request.max_length - len(prompt.tokens) - len(forced),
            "temperature": 0,
        }
        if "stop_token_ids" not in extra:
            body["stop"] = list(fim.FIM_TOKENS)
        if can.logprobs:
            body["logprobs"] = ALTERNATIVES
        if request.temperature > COLDEST and request.top_k != 1 and request.top_p > 0:
            body |= {"temperature": request.temperature, "top_p": request.top_p}
            if request.seed is not None:
                body["seed"] = request.seed
            if "top_k" not in can.lacks:
                extra["top_k"] = request.top_k
            elif request.top_k:
                raise NotSupported("This server does not take top_k.", "Set top_k to 0.")
        return body, extra

    def _handed(
        self, request: CompletionRequest, prompt: Prompt, forced: Sequence[int]
    ) -> str | list[int]:
        """The prompt and what is forced: as text where any tokenizer makes these tokens of it, else as ids.

        A server that takes no ids gets the text all the same where only the tokens differ.

        Raises:
            NotSupported: it takes no ids, and would take the text for something else.
        """
        chosen = bool(forced) and not isinstance(request.forced, str)
        begins = self.vocabulary.decode(forced) if chosen else str(request.forced or "")
        told = [fim.Segment("prefix", begins)] if begins else []
        otherwise = read_otherwise((*prompt.segments, *told))
        if otherwise is None and not chosen:
            return prompt.text + begins
        if self.abilities.token_ids:
            return [*prompt.token_ids, *forced]
        if otherwise == "spelled":
            raise NotSupported(
                "The text spells a control token, which is to stay text. This server takes no token ids "
                "and would read the token.",
                "Remove the name from the text.",
            )
        if chosen and self.vocabulary.encode(begins) != list(forced):
            raise NotSupported(
                "This server takes no token ids, so that a middle cannot begin with just these tokens.",
                "Give the beginning as text.",
            )
        return prompt.text + begins

    # Scoring

    async def _score(
        self, prompt: Prompt, forced: Sequence[int], over: Callable[[], bool]
    ) -> AsyncGenerator[Told | StopReason]:
        """How likely what is forced is: the server sends the prompt back and tells of each token.

        Raises:
            Over: it is.
            NotSupported: it tells nothing of prompts.
        """
        if not forced:
            return
        can = self.abilities
        if not can.score:
            raise NotSupported(
                "This server does not tell how likely given tokens are (echo with logprobs).",
                "Scores need a server that does, such as vLLM, or a local backend.",
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
        answer = await until(self.server.ask(body, extra), over)
        scored = echoed(answer)[len(prompt.tokens) :][: len(forced)]
        if len(scored) < len(forced) or any(logprob is None for _, logprob in scored):
            raise nonsense("a score of other tokens")
        for token_id, (_, logprob) in zip(forced, scored, strict=True):
            yield Told(token_id, logprob)
