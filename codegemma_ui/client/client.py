"""The handle on the engine for the page, the shell and the library: submit, status, what is on offer.

Every request goes through one queue (`queue`), so that no more run at once than the worker takes, whichever
way they came. The worker itself, its starts, switches and crashes are in `lifecycle`. Nothing here imports a
framework or a web page.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from codegemma_ui import machine, secrets
from codegemma_ui.client.choice import (
    Choice,
    Command,
)
from codegemma_ui.client.generation import Generation, Observer
from codegemma_ui.client.lifecycle import Lifecycle
from codegemma_ui.client.pace import Measured, Pace
from codegemma_ui.client.queue import QueueFull, RequestQueue
from codegemma_ui.client.running import Running
from codegemma_ui.client.switch import Switch
from codegemma_ui.client.worker import Worker
from codegemma_ui.errors import (
    NotEnoughMemory,
    NotReady,
    PlaygroundError,
)
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import (
    LAST_EVENTS,
    CompletionRequest,
    DoneEvent,
    ErrorEvent,
    Event,
    Loaded,
    PromptEvent,
    State,
    Status,
    TokenEvent,
    check_length,
    event_from_dict,
    parse_request,
)
from codegemma_ui.presets import Preset
from codegemma_ui.presets.memory import Narrowed
from codegemma_ui.settings import Settings

__all__ = ["Choice", "EngineClient"]

log = logging.getLogger(__name__)


class EngineClient:
    """A handle on one worker at a time. All methods may be called from any thread.

    Args:
        settings: the operator's settings.
        command: builds the worker's command; tests pass a scripted worker.
        clock: seconds; only differences count.
        most_waiting: requests that may wait behind those that run; None sets no limit.

    Attributes:
        observers: each is called for every request that joins the queue, and returns its observer.
        submitted: number of requests so far, refused ones included.
    """

    def __init__(
        self,
        settings: Settings,
        command: Command | None = None,
        clock: Callable[[], float] = time.monotonic,
        most_waiting: int | None = None,
    ) -> None:
        self.settings = settings
        self.observers: list[Callable[[], Observer]] = []
        self.submitted = 0
        self._clock = clock
        self._ids = itertools.count(1)
        self._queue = RequestQueue(most_waiting)
        self._running = Running(self._queue, clock)
        self._lifecycle = Lifecycle(
            settings, self._queue, self._running, self._on_events, command, clock
        )
        self._measured = Pace()
        self._measured_choice: Choice | None = None

    # Models, backends and status

    def presets(self) -> tuple[Preset, ...]:
        """Return the models on offer."""
        return tuple(self._lifecycle.presets)

    def backends(self) -> tuple[machine.Backend, ...]:
        """Return Keras' three, and a server if the operator named one; installed or not."""
        return tuple(
            machine.backend(name, self.settings.pythons.get(name))
            for name in self.settings.backends
        )

    def vocabulary(self) -> Vocabulary:
        """Return the loaded preset's; before it is there, the chosen one's, else the bundled one's."""
        return self._lifecycle.vocabulary()

    @property
    def error(self) -> PlaygroundError | None:
        """The error of the last start or switch, until the next one."""
        return self._lifecycle.error

    @property
    def restarts(self) -> int:
        """How often a worker that died was started again automatically."""
        return self._lifecycle.restarts

    @property
    def hangs(self) -> int:
        """How often a worker was ended because it no longer answered, or exceeded its time limit."""
        return self._lifecycle.hangs

    def status(self) -> Status:
        """Return the state at this moment; never waits."""
        life = self._lifecycle
        with life.lock:
            worker, switch, error = life.worker, life.under_way, life.error
            running = self._running.all()
            loaded = worker.loaded if worker else None
            choice = worker.choice if worker else life.target
            asleep = life.asleep.loaded if life.asleep else None
            known = loaded or asleep
            phase = switch.phase if switch else _phase(running)
            if any(one is not None and one.quiet for one in (worker, life.coming_up)):
                phase = "quiet"
            retry_at_s = life.retry_at_s
            return Status(
                state=self._state(loaded, switch),
                preset=choice.preset.name,
                backend=choice.backend,
                dtype=known.dtype if known else choice.dtype,
                device=known.device if known else None,
                parameters=known.parameters if known else choice.preset.parameters,
                memory_bytes=loaded.memory_bytes if loaded else None,
                context_length=_context_length(choice, loaded),
                at_once=loaded.at_once if loaded else 1,
                serving=len(running),
                queue_length=self._queue.waiting,
                phase=phase,
                progress=switch.progress if switch else None,
                switching_to=switch.target.named() if switch else None,
                returns_to=self._returns_to(switch),
                tokens_per_s=self._pace().speed(),
                narrowed=_narrowed(worker),
                faster_backend=worker.faster_backend if worker else None,
                error=secrets.masked_error(error).to_dict() if error else None,
                retry_in_s=None if retry_at_s is None else max(0.0, retry_at_s - self._clock()),
                note=self._note(loaded) if loaded else None,
                compilations=worker.compilations if worker else None,
                warm=worker.warm if worker else None,
                lacks=loaded.lacks if loaded else (),
                summary=loaded.summary if loaded else None,
            )

    def _returns_to(self, switch: Switch | None) -> dict[str, str] | None:
        if switch is None or switch.restoring or switch.because:
            return None
        before = self._lifecycle.worker or switch.before
        return before.choice.named() if before else None

    def wait_s(self, ahead: int) -> float | None:
        """Return about how many seconds until so many requests have ended; None if unknown, as during a
        switch."""
        with self._lifecycle.lock:
            if self._lifecycle.under_way is not None:
                return None
            running = [one.measured for one in self._running.all() if one.measured]
            return self._pace().wait_s(running, ahead, self._clock())

    def _pace(self) -> Pace:
        """Return how fast requests of the choice that serves went."""
        worker = self._lifecycle.worker
        if worker is not None and worker.choice != self._measured_choice:
            self._measured.forget()
            self._measured_choice = worker.choice
        return self._measured

    def _note(self, loaded: Loaded) -> str | None:
        """Return the worker's note, and one if it takes fewer requests at once than requested."""
        wanted = self.settings.max_concurrency
        fewer = (
            f"{loaded.backend} takes one request of this model at a time, although {wanted} at once were "
            f"requested. Backends that take several: {', '.join(machine.TOGETHER)}; on a CPU, torch with "
            "small models only."
        )
        notes = (loaded.note, fewer if loaded.at_once < wanted else None)
        return " ".join(filter(None, notes)) or None

    def _state(self, loaded: Loaded | None, switch: Switch | None) -> State:
        if switch is not None:
            match switch.phase:
                case "downloading":
                    return "downloading"
                case "warming":
                    return "warming"
                case "loading" | "stopping":
                    return "loading"
        if loaded is None:
            if switch is not None:
                return "starting"
            return "asleep" if self._lifecycle.asleep is not None else "failed"
        return "busy" if self._running.all() else "ready"

    # Completing

    def submit(self, raw: Mapping[str, object] | CompletionRequest) -> Generation:
        """Queue a request, and return it as a generation whose events can be read.

        Any failure is one last `error` event. Called in the event loop that reads the events.

        Args:
            raw: a request, or its unchecked fields.
        """
        generation: Generation
        name = f"r{next(self._ids)}"
        try:
            self.submitted += 1
            request = self._checked(raw)
            with self._lifecycle.lock:  # it may not fall asleep in between
                self._queue.check_room()
                observers = [observer() for observer in self.observers]
                generation = Generation(name, request, self._on_cancel, self._ahead_of, observers)
                self._lifecycle.last_used_s = self._clock()
                self._lifecycle.wake()
                generation.ticket = self._queue.join()
        except PlaygroundError as error:
            observers = [] if isinstance(error, QueueFull) else [one() for one in self.observers]
            generation = Generation(name, None, lambda _: None, observers=observers)
            generation.refuse(error)
            return generation
        generation.ticket.add_done_callback(lambda _: self._send(generation))
        return generation

    async def complete(
        self, raw: Mapping[str, object] | CompletionRequest
    ) -> AsyncGenerator[Event]:
        """Yield the events of a request as `submit` gives them; closing the generator cancels it."""
        with self.submit(raw) as generation:
            async for event in generation:
                yield event

    def refusal(self, expected: int = 0) -> ErrorEvent | None:
        """Return the error that one more request would get if the queue is full, else None.

        Args:
            expected: requests that are known to arrive before it.
        """
        try:
            self._queue.check_room(expected)
        except QueueFull as error:
            return ErrorEvent.of(error)
        return None

    def _checked(self, raw: Mapping[str, object] | CompletionRequest) -> CompletionRequest:
        """Return the request, within the operator's limits: a caller can only lower them.

        Raises:
            BadInput: as `messages.parse_request`.
        """
        most_s, context_length = self.settings.time_limit_s, self.status().context_length
        if isinstance(raw, CompletionRequest):
            request = raw
            check_length(request, context_length)
        else:
            request = parse_request({"time_limit_s": most_s, **raw}, context_length)
        return replace(request, time_limit_s=min(request.time_limit_s, most_s))

    def _ahead_of(self, generation: Generation) -> int:
        return self._queue.ahead_of(generation.ticket) if generation.ticket else 0

    def _send(self, generation: Generation) -> None:
        """Send a request whose turn has come to the worker."""
        request, ticket = generation.request, generation.ticket
        assert request is not None
        assert ticket is not None
        try:
            # Checked again: a switch to a model with a shorter context may have come between.
            check_length(request, self.status().context_length)
            with self._lifecycle.lock:
                worker = self._lifecycle.worker
                if worker is None:
                    raise self._lifecycle.error or NotReady(
                        "No model is loaded.", "Choose a model and a backend."
                    )
                if generation.cancelled:
                    self._queue.release(ticket)
                    return
                generation.measured = Measured(self._clock(), request.time_limit_s, request.score)
                self._running.add(generation, request.time_limit_s)
                worker.complete(generation.request_id, asdict(request))
        except PlaygroundError as error:
            self._queue.release(ticket)
            generation.put(ErrorEvent.of(error))

    def _on_cancel(self, generation: Generation) -> None:
        """Handle the departure of a generation's reader."""
        assert generation.ticket is not None
        with self._lifecycle.lock:
            self._lifecycle.last_used_s = self._clock()
            if generation not in self._running:
                self._queue.release(generation.ticket)
                return
            generation.ticket.ending = True
        self._cancel(generation)  # the slot is released when the worker reports that it has stopped

    def cancel(self) -> None:
        """Cancel the running generations; their last event is `cancelled`."""
        for generation in self._running.all():
            self._cancel(generation)

    def _cancel(self, generation: Generation) -> None:
        with self._lifecycle.lock:
            generation.cancelled = True
            if self._lifecycle.worker is not None:
                self._lifecycle.worker.cancel(generation.request_id)

    # Starting and switching

    def start(self) -> None:
        """Bring up the chosen model in the background."""
        self._lifecycle.start()

    def sleep_if_idle(self) -> None:
        """Unload the model if nothing was requested for long enough."""
        self._lifecycle.sleep_if_idle()

    def switch(
        self, preset: str | None = None, backend: str | None = None, dtype: str | None = None
    ) -> None:
        """Change the model, the backend or the precision in the background; None keeps it.

        A switch in progress is cancelled first.

        Raises:
            UnknownPreset, UnknownBackend, BackendMissing, NotEnoughMemory: at once; nothing changed.
        """
        self._lifecycle.switch(preset, backend, dtype)

    def cancel_switch(self) -> None:
        """Cancel the start or switch in progress; what was loaded before stays or comes back."""
        self._lifecycle.cancel_switch()

    def close(self) -> None:
        """End the worker and everything in progress."""
        self._lifecycle.close()

    # Messages of the worker

    def _on_events(self, messages: list[dict[str, Any]]) -> None:
        by_generation: dict[Generation, list[Event]] = {}
        for message in messages:
            generation = self._running.get(message["request_id"])
            if generation is not None:  # else its request has ended here
                by_generation.setdefault(generation, []).append(event_from_dict(message))
        for generation, events in by_generation.items():
            last = next((n for n, one in enumerate(events) if isinstance(one, LAST_EVENTS)), None)
            self._pass_on(generation, events[:last])
            if last is not None:
                self._end(generation, events[last])

    def _pass_on(self, generation: Generation, events: Sequence[Event]) -> None:
        measured, request = generation.measured, generation.request
        assert measured is not None  # since it was sent
        assert request is not None
        for event in events:
            match event:
                case PromptEvent():
                    measured.room = event.max_length - event.prompt_tokens - event.forced_tokens
                    self._running.begin(generation, request.time_limit_s)
                case TokenEvent() if not event.forced:
                    measured.add_token(self._clock())
        generation.put(*events)

    def _end(self, generation: Generation, event: Event) -> None:
        measured, request = generation.measured, generation.request
        assert measured is not None
        assert request is not None
        if isinstance(event, ErrorEvent) and event.code == NotEnoughMemory.code:
            event = self._lifecycle.out_of_memory(event, request.max_length)
        with self._lifecycle.lock:
            self._pace().add(measured)
            self._lifecycle.last_used_s = self._clock()
            if isinstance(event, DoneEvent):
                self._lifecycle.completed()
        self._running.end(generation, event)


def _context_length(choice: Choice, loaded: Loaded | None) -> int:
    """Return the context length of the preset, or the server's own."""
    reported = loaded.context_length if loaded and choice.backend == machine.OPENAI else None
    return reported or choice.preset.context_length


def _phase(generations: Sequence[Generation]) -> str | None:
    """Return what the model does, if that is not generating."""
    running = [one.measured for one in generations if one.measured]
    if any(one.cancelled for one in generations):
        return "ending"
    if running and all(one.score for one in running):
        return "scoring"
    if running and not any(one.tokens for one in running):
        return "prefill"
    return None


def _narrowed(worker: Worker | None) -> Narrowed | None:
    """Return why "auto" was narrowed, if the worker uses the resulting precision."""
    if worker is None or worker.loaded is None or worker.narrowed is None:
        return None
    return worker.narrowed if worker.narrowed.dtype == worker.loaded.dtype else None
