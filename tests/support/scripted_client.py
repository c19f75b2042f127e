"""A scripted engine client: no model, no worker, the same methods as `client.EngineClient`.

For tests of the page in which the model does not matter. It generates a fixed middle, one piece at a time,
and its state is set by the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from codegemma_ui import fim, machine, presets
from codegemma_ui.client.generation import Generation
from codegemma_ui.client.queue import QueueFull, RequestQueue
from codegemma_ui.errors import BackendMissing, PlaygroundError
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import (
    Alternative,
    DoneEvent,
    ErrorEvent,
    Event,
    PrefillEvent,
    PromptEvent,
    Status,
    TokenEvent,
    parse_request,
)
from codegemma_ui.settings import Settings

BLIND = (0.0, -2.0, 0.5)
"""What every first, second and third token of a score gains where there is no suffix, in nats."""

MIDDLE = "sys\nimport os\n\n\ndef main():\n    print(os.getcwd())\n"


class ScriptedClient:
    """Generates `middle`, one token every `pause_s` seconds, once `serving`.

    Attributes:
        middle: the generated text, for any request.
        pause_s: between two tokens.
        serving: whether requests run; until then they wait.
        failure: raised as the last event of every request, if set.
        requests: every raw request received.
        untold: tokens come without probabilities and the end without a stop reason, as from some servers.
        ended: how many requests have ended, in any way.
        limit: tokens after which the time limit ends a request, if set; it continues from forced tokens.
        prefilled: `(prefilled, total)` tokens; it reports them, and waits, until this is None.
        expected_wait_s: the return value of `wait_s`.
        switches: every `switch` received, as (preset, backend, dtype).
        now: the return value of `status`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._vocabulary = Vocabulary(presets.BUNDLED_FOLDER)
        self.submitted = 0  # for all tests: the middleware before the page uses it
        self.reset()

    def reset(self) -> None:
        """Return to the initial state: ready, and no requests received."""
        self.middle = MIDDLE
        self.pause_s = 0.02
        self.failure: PlaygroundError | None = None
        self.serving = True
        self.untold = False
        self.limit: int | None = None
        self.prefilled: tuple[int, int] | None = None
        self.expected_wait_s: float | None = None
        self.requests: list[dict[str, Any]] = []
        self.ended = 0
        self._queue = RequestQueue(self.settings.queue_size)
        self.switches: list[tuple[str | None, str | None, str | None]] = []
        self.switch_refusal: PlaygroundError | None = None
        self.missing: set[str] = set()
        self.now = Status()
        self.be_ready()

    def be_ready(self, **facts: object) -> None:
        """Set the state after the bundled model has loaded."""
        self.now = Status(
            state="ready",
            preset=presets.BUNDLED,
            backend="tensorflow",
            dtype="float32",
            device="CPU",
            parameters=7_799_808,
            memory_bytes=640 * 2**20,
            context_length=512,
            summary="Model: gemma_causal_lm\nTotal params: 7,799,808",
        )
        self.be(**facts)
        self.serving = True

    def be_loading(self) -> None:
        """Set the state while the bundled model loads."""
        self.now = Status(
            state="loading",
            preset=presets.BUNDLED,
            backend="tensorflow",
            dtype="auto",
            context_length=512,
            phase="loading",
            switching_to={"preset": presets.BUNDLED, "backend": "tensorflow", "dtype": "auto"},
        )
        self.serving = False

    def be_asleep(self) -> None:
        """Set the state after the idle bundled model was unloaded."""
        self.be_ready(state="asleep", memory_bytes=None, summary=None)
        self.serving = False

    def be(self, **facts: object) -> None:
        """Change single fields of the status."""
        self.now = replace(self.now, **facts)  # type: ignore[arg-type]

    # The methods of EngineClient

    def start(self) -> None: ...

    def close(self) -> None: ...

    def status(self) -> Status:
        return self.now

    def presets(self) -> tuple[presets.Preset, ...]:
        return presets.offered()

    def backends(self) -> tuple[machine.Backend, ...]:
        return tuple(
            machine.Backend(
                name, None if name in self.missing else "1", None, machine.install(name)
            )
            for name in machine.BACKENDS
        )

    def wait_s(self, ahead: int) -> float | None:
        return self.expected_wait_s

    def vocabulary(self) -> Vocabulary:
        return self._vocabulary

    def switch(
        self, preset: str | None = None, backend: str | None = None, dtype: str | None = None
    ) -> None:
        self.switches.append((preset, backend, dtype))
        if backend in self.missing:
            raise BackendMissing(f"{backend} is not installed.", machine.install(backend))
        if self.switch_refusal is not None:
            raise self.switch_refusal
        target = {
            "preset": preset or self.now.preset or "",
            "backend": backend or self.now.backend or "",
            "dtype": dtype or self.now.dtype or "",
        }
        before = {name: str(getattr(self.now, name)) for name in target}
        self.be(state="loading", phase="loading", switching_to=target, returns_to=before)

    def cancel_switch(self) -> None:
        self.be_ready()

    def submit(self, raw: Mapping[str, object]) -> Generation:
        self.submitted += 1
        try:
            self._queue.check_room()
        except QueueFull as error:
            refused = Generation("r1", None, lambda _: None)
            refused.refuse(error)
            return refused
        self.requests.append(dict(raw))
        request = None
        with contextlib.suppress(PlaygroundError):
            request = parse_request(raw, self.now.context_length)
        ticket = self._queue.join()

        def cancel(_: Generation) -> None:
            writing.cancel()

        generation = Generation("r1", request, cancel, lambda _: self._queue.ahead_of(ticket))
        writing = asyncio.create_task(self._put_all(raw, generation))
        writing.add_done_callback(lambda _: self._queue.release(ticket))
        return generation

    def refusal(self, expected: int = 0) -> ErrorEvent | None:
        try:
            self._queue.check_room(expected)
        except QueueFull as error:
            return ErrorEvent.of(error)
        return None

    async def complete(self, raw: Mapping[str, object]) -> AsyncGenerator[Event]:
        with self.submit(raw) as generation:
            async for event in generation:
                yield event

    async def _put_all(self, raw: Mapping[str, object], generation: Generation) -> None:
        try:
            async for event in self._write(raw):
                generation.put(event)
        finally:
            self.ended += 1

    async def _write(self, raw: Mapping[str, object]) -> AsyncIterator[Event]:
        try:
            request = parse_request(raw, self.now.context_length)
        except PlaygroundError as error:
            yield ErrorEvent.of(error)
            return
        while not self.serving:
            await asyncio.sleep(0.01)
        prompt = self._vocabulary.prompt_of(request)
        yield PromptEvent(
            prompt=prompt.text,
            prompt_tokens=len(prompt.token_ids),
            max_length=request.max_length,
            trimmed_prefix_tokens=prompt.trimmed_prefix_tokens,
            trimmed_suffix_tokens=prompt.trimmed_suffix_tokens,
        )
        told = None
        while self.prefilled is not None:
            if told != self.prefilled:
                told = self.prefilled
                yield PrefillEvent(prefilled_tokens=told[0], total_tokens=told[1])
            await asyncio.sleep(0.01)
        stop = self._vocabulary.control_id(fim.FILE_SEPARATOR)
        pieces = re.findall(r"\s+|\w+|[^\w\s]", self.middle)
        ids = [300 + index for index in range(len(pieces))]
        if isinstance(request.forced, str):  # one token, and what is left of the middle after it
            left = self.middle.removeprefix(request.forced)
            pieces = [request.forced, *re.findall(r"\s+|\w+|[^\w\s]", left)]
            ids = [300 + index for index in range(len(pieces))]
            request = replace(request, forced=(300,))
        elif request.forced:
            known = dict(zip(ids, pieces, strict=True))
            kept = len(request.forced)
            ids = [*request.forced, *ids[kept:]]
            pieces = [
                *(known.get(one, self._vocabulary.token_text(one)) for one in request.forced),
                *pieces[kept:],
            ]
        if request.score:
            ids, pieces = ids[: len(request.forced)], pieces[: len(request.forced)]
        reached = self.limit is not None and len(request.forced) + self.limit < len(ids)
        if reached:
            ids = ids[: len(request.forced) + (self.limit or 0)]
            pieces = pieces[: len(ids)]
        blind = request.score and not any(
            part.role == "suffix" and part.text for part in prompt.segments
        )
        ended = False
        for index, (token_id, piece) in enumerate(zip(ids, pieces, strict=True)):
            await asyncio.sleep(self.pause_s)
            stops = token_id == stop
            token = self._token(index, token_id, piece, index < len(request.forced), ended, stops)
            if self.untold:
                yield replace(token, logprob=None, alternatives=(), stop_probability=None)
                continue
            if blind and token.logprob is not None:
                token = replace(token, logprob=token.logprob + BLIND[index % 3])
            yield token
            ended |= stops
        if self.failure is not None:
            yield ErrorEvent.of(self.failure)
            return
        if not ended and not request.score and not self.untold and not reached:
            yield self._token(len(ids), stop, fim.FILE_SEPARATOR, False, False, True)
            ids.append(stop)
            pieces.append(fim.FILE_SEPARATOR)
            ended = True
        middle = "".join(pieces[: ids.index(stop)] if ended else pieces)
        yield DoneEvent(
            prompt=prompt.text,
            raw_output="".join(pieces),
            middle=middle,
            program=fim.splice(request.prefix, middle, request.suffix),
            stop_reason="scored" if request.score else "time_limit" if reached else "stop_token",
            stop_token=fim.FILE_SEPARATOR if ended else None,
            token_ids=tuple(ids),
            prompt_tokens=len(prompt.token_ids),
            completion_tokens=len(ids),
            ttft_s=0.04,
            tokens_per_s=1 / max(self.pause_s, 0.001),
            preset=self.now.preset,
            backend=self.now.backend,
            dtype=self.now.dtype,
        )

    def _token(
        self, index: int, token_id: int, piece: str, forced: bool, past_end: bool, stops: bool
    ) -> TokenEvent:
        """Return a token, every third one with a lower probability; the second likeliest is always ` os`."""
        logprob = -1.2 if index % 3 == 2 else -0.1
        other = self._vocabulary.encode(" os")[0]
        alternatives = (Alternative(token_id, piece, logprob), Alternative(other, " os", -2.5))
        return TokenEvent(
            index=index,
            id=token_id,
            text="" if stops else piece,
            logprob=logprob,
            alternatives=alternatives,
            piece=piece,
            stop_probability=0.8 if stops else 0.01,
            forced=forced,
            past_end=past_end,
        )
