"""The handle on the engine: start, switch, stream, cancel, recover.

One worker process lives at a time. Requests and switches share one queue (`queue`), so that no more
generations run at once than the worker takes, wherever they come from, and a switch waits for running ones. A
new worker starts only after the old one has ended; if the new one cannot load, the old choice is restored. A
worker that dies or hangs is restarted, after a pause if that repeats (`crashes`), unless it never completed
anything: then the last choice that did is restored. An idle model may be unloaded, and is loaded again with
the next request. Nothing here imports a framework or Gradio.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from codegemma_ui import machine, presets, secrets
from codegemma_ui.client.choice import (
    Choice,
    Command,
    check_backend,
    check_memory,
    faster_backend,
    worker_command,
)
from codegemma_ui.client.crashes import MAX_CRASHES, Crashes
from codegemma_ui.client.endings import EndedWhileLoading
from codegemma_ui.client.fetching import fetch
from codegemma_ui.client.generation import Generation, Listener
from codegemma_ui.client.pace import Measured, Pace
from codegemma_ui.client.queue import QueueFull, RequestQueue, Ticket
from codegemma_ui.client.switch import Switch, SwitchCancelled
from codegemma_ui.client.worker import Worker
from codegemma_ui.errors import (
    ChoiceFailed,
    LoadFailed,
    NotEnoughMemory,
    NotReady,
    PlaygroundError,
    UnknownPreset,
    WorkerDied,
    from_dict,
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
from codegemma_ui.presets import Preset, memory, safetensors_files
from codegemma_ui.presets.memory import Narrowed
from codegemma_ui.settings import Settings

__all__ = ["Choice", "EngineClient"]

log = logging.getLogger(__name__)

STARTED_AGAIN = "It is being restarted; try again in a moment."

IDLE_LOOK_S = 5.0
"""The longest time between two checks for an idle model."""


class EngineClient:
    """The handle on the engine. All methods may be called from any thread.

    Args:
        settings: the operator's settings.
        command: builds the worker's command; tests pass a scripted worker.
        clock: seconds; only differences count.
        most_waiting: requests that may wait behind those that run; None sets no limit.

    Attributes:
        observers: each is called for every request that joins the queue, and returns a listener for it.
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
        self.observers: list[Callable[[], Listener]] = []
        self.submitted = 0
        self._secrets = secrets.values()
        self._worker_command = command or partial(worker_command, settings=settings)
        most = settings.context_length
        self._presets = list(presets.offered(settings.preset, *settings.extra_presets, most=most))
        self._lock = threading.RLock()
        self._queue = RequestQueue(most_waiting)
        self._ids = itertools.count(1)
        self._clock = clock
        self._worker: Worker | None = None
        self._coming_up: Worker | None = None
        self._worked: Worker | None = None  # the last one that completed anything
        self._asleep: Worker | None = None  # unloaded while idle
        self._last_used_s = clock()
        self._pace = Pace()
        self._paced: Choice | None = None  # the choice that the pace is of
        self._running: dict[str, Generation] = {}  # those that the worker works on, by request
        self._switch: Switch | None = None
        self._error: PlaygroundError | None = None
        self._crashes = Crashes()
        self._retry: threading.Timer | None = None
        self._retry_at_s = 0.0
        self._distrusted: set[str] = set()  # backends whose compiled programs may be damaged
        self.restarts = 0
        """Number of automatic restarts of a worker that died."""
        self.hangs = 0
        """Number of workers ended because they no longer responded or exceeded a time limit."""
        self._vocabularies: dict[Path, Vocabulary] = {}
        self._target = Choice(
            presets.within(presets.named(settings.preset), most), settings.backend, settings.dtype
        )
        self._closed = False
        self._closing = threading.Event()

    # Models, backends and status

    def presets(self) -> tuple[Preset, ...]:
        """The models on offer."""
        return tuple(self._presets)

    def backends(self) -> tuple[machine.Backend, ...]:
        """Keras' three, and a server if the operator named one; installed or not."""
        return tuple(
            machine.backend(name, self.settings.pythons.get(name))
            for name in self.settings.backends
        )

    def vocabulary(self) -> Vocabulary:
        """Return the vocabulary of the loaded preset; until then of the chosen one, else the bundled one."""
        with self._lock:
            folder = presets.BUNDLED_FOLDER
            known = self._worker or self._asleep
            if known is not None:
                folder = known.folder
            elif self._target.preset.local:
                folder = Path(self._target.preset.handle)
        return self._vocabulary(folder)

    def _vocabulary(self, folder: Path) -> Vocabulary:
        with self._lock:
            if folder not in self._vocabularies:
                self._vocabularies[folder] = Vocabulary(folder)
            return self._vocabularies[folder]

    @property
    def error(self) -> PlaygroundError | None:
        """The error of the last start or switch, until the next one."""
        return self._error

    def status(self) -> Status:
        """Return the current state; never blocks."""
        with self._lock:
            worker, switch, error = self._worker, self._switch, self._error
            running = list(self._running.values())
            loaded = worker.loaded if worker else None
            choice = worker.choice if worker else self._target
            asleep = self._asleep.loaded if self._asleep else None
            known = loaded or asleep
            phase = switch.phase if switch else _phase(running)
            if any(one is not None and one.quiet for one in (worker, self._coming_up)):
                phase = "quiet"
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
                tokens_per_s=self._pace.speed(),
                narrowed=_narrowed(worker),
                faster_backend=worker.faster_backend if worker else None,
                error=self._masked(error).to_dict() if error else None,
                retry_in_s=max(0.0, self._retry_at_s - self._clock()) if self._retry else None,
                note=self._note(loaded) if loaded else None,
                compilations=worker.compilations if worker else None,
                warm=worker.warm if worker else None,
                lacks=loaded.lacks if loaded else (),
                summary=loaded.summary if loaded else None,
            )

    def _returns_to(self, switch: Switch | None) -> dict[str, str] | None:
        if switch is None or switch.restoring or switch.because:
            return None
        before = self._worker or switch.before
        return before.choice.named() if before else None

    def wait_s(self, ahead: int) -> float | None:
        """Return about how many seconds until so many requests have ended; None if unknown, as during a
        switch."""
        with self._lock:
            if self._switch is not None:
                return None
            running = [one.measured for one in self._running.values() if one.measured]
            return self._pace.wait_s(running, ahead, self._clock())

    def _note(self, loaded: Loaded) -> str | None:
        """Return the worker's note, and one if it takes fewer requests at once than requested."""
        wanted = self.settings.max_concurrency
        fewer = (
            f"{loaded.backend} takes one request at a time, although {wanted} at once were requested. "
            f"Backends that take several: {', '.join(machine.TOGETHER)}."
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
            return "asleep" if self._asleep is not None else "failed"
        return "busy" if self._running else "ready"

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
            with self._lock:  # it may not fall asleep in between
                self._queue.check_room()
                observers = [observer() for observer in self.observers]
                generation = Generation(name, request, self._on_cancel, self._ahead_of, observers)
                self._last_used_s = self._clock()
                self._wake()
                generation.ticket = self._queue.join()
        except PlaygroundError as error:
            observers = [] if isinstance(error, QueueFull) else [one() for one in self.observers]
            generation = Generation(name, None, lambda _: None, listeners=observers)
            generation.refuse(self._masked(error))
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
            with self._lock:
                worker = self._worker
                if worker is None:
                    raise self._error or NotReady(
                        "No model is loaded.", "Choose a model and a backend."
                    )
                if generation.cancelled:
                    self._queue.release(ticket)
                    return
                generation.measured = Measured(self._clock(), request.time_limit_s, request.score)
                self._running[generation.request_id] = generation
                generation.watch(lambda: self._on_overdue(generation), request.time_limit_s)
                worker.complete(generation.request_id, asdict(request))
        except PlaygroundError as error:
            self._queue.release(ticket)
            generation.put(ErrorEvent.of(self._masked(error)))

    def _on_cancel(self, generation: Generation) -> None:
        """Handle the departure of a generation's reader."""
        with self._lock:
            self._last_used_s = self._clock()
            if generation.request_id not in self._running:
                assert generation.ticket is not None
                self._queue.release(generation.ticket)
                return
        self._cancel(generation)  # the slot is released when the worker reports that it has stopped

    def cancel(self) -> None:
        """Cancel the running generations; their last event is `cancelled`."""
        for generation in list(self._running.values()):
            self._cancel(generation)

    def _cancel(self, generation: Generation) -> None:
        with self._lock:
            generation.cancelled = True
            if self._worker is not None:
                self._worker.cancel(generation.request_id)

    def _masked(self, error: PlaygroundError) -> PlaygroundError:
        """Return the error without secrets: a library may quote an address with a key in it."""
        if not self._secrets:
            return error
        fields = error.to_dict().items()
        return from_dict({name: secrets.masked(each, self._secrets) for name, each in fields})

    # Starting and switching

    def start(self) -> None:
        """Bring up the chosen model in the background."""
        self._begin(self._target)
        if self.settings.idle_minutes:
            threading.Thread(target=self._watch_idle, daemon=True, name="idle").start()

    def _watch_idle(self) -> None:
        pause_s = min(IDLE_LOOK_S, 60 * self.settings.idle_minutes / 4)
        while not self._closing.wait(pause_s):
            self.sleep_if_idle()

    def sleep_if_idle(self) -> None:
        """Unload the model if it has been idle long enough."""
        with self._lock:
            worker = self._worker
            idle_s = self._clock() - self._last_used_s
            wanted = self.settings.idle_minutes and idle_s >= 60 * self.settings.idle_minutes
            if not wanted or worker is None or self._switch or not self._queue.unused:
                return
            self._worker, self._asleep = None, worker
        log.info("asleep: no request for %g minutes", self.settings.idle_minutes)
        if worker.process is not None:
            worker.process.stop()

    def _wake(self) -> None:
        """Load a sleeping model again, before the requests in the queue."""
        if self._asleep is not None and self._switch is None:
            self._begin(self._asleep.choice, first_in_line=True)

    def switch(
        self, preset: str | None = None, backend: str | None = None, dtype: str | None = None
    ) -> None:
        """Change the model, the backend or the precision, in the background; None keeps it.

        A switch in progress is cancelled first.

        Raises:
            UnknownPreset, UnknownBackend, BackendMissing, NotEnoughMemory: at once; nothing changed.
        """
        with self._lock:
            current = self._worker.choice if self._worker else self._target
            target = Choice(
                self._offered(preset) if preset else current.preset,
                backend or current.backend,
                dtype or current.dtype,
            )
            self._check(target)
            switch = self._switch
            cancelled = switch is not None and switch.cancelled.is_set()
            running = switch.target if switch and not cancelled else None
            if target == running or (target == current and running is None and self._worker):
                return
            if self._worker is None and switch is None:
                self._crashes.forget()
        self._begin(target)

    def cancel_switch(self) -> None:
        """Cancel the start or switch in progress; the previous choice stays or is restored."""
        switch = self._switch
        if switch is not None and not switch.restoring:
            switch.cancel()

    def close(self) -> None:
        """End the worker and everything in progress."""
        self._closing.set()
        with self._lock:
            self._closed = True
            self._forget_retry()
            switch = self._switch
        if switch is not None:
            switch.cancel()
            switch.done.wait(10)
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None and worker.process is not None:
            worker.process.stop()

    def _offered(self, name: str) -> Preset:
        for preset in self._presets:
            if preset.name == name:
                return preset
        names = ", ".join(preset.name for preset in self._presets)
        raise UnknownPreset(f"preset must be one of {names}. Received: {name!r}")

    def _check(self, target: Choice) -> None:
        """Check that the target can run here at all.

        Raises:
            UnknownBackend, BackendMissing, NotEnoughMemory: it cannot.
        """
        check_backend(target, self.settings)
        worker = self._worker
        freed = machine.resident_bytes(worker.process.pid) if worker and worker.process else 0
        check_memory(
            target,
            freed,
            self.settings.model_parallel,
            self.settings.max_concurrency,
            self._presets,
            self.settings.pythons,
        )

    def _begin(
        self, target: Choice, *, first_in_line: bool = False, because: PlaygroundError | None = None
    ) -> None:
        """Start or switch, on a thread; `because` is shown meanwhile, and afterwards if a choice failed."""
        switch = Switch(target)
        switch.because = because if isinstance(because, ChoiceFailed) else None
        with self._lock:
            if self._closed:
                return
            previous, self._switch = self._switch, switch
            self._forget_retry()
            self._error = because
            self._target = target if self._worker is None else self._target
            switch.slept, self._asleep = self._asleep, None
            if switch.slept is not None and switch.slept.choice != target:
                switch.before = switch.slept
        if first_in_line or self._worker is None:
            self._join(switch, first=True)
        elif target.preset.local:  # later requests are for the new choice
            self._join(switch)
        threading.Thread(
            target=self._run, args=(switch, previous), daemon=True, name="switch"
        ).start()

    def _join(self, switch: Switch, *, first: bool = False) -> Ticket:
        """Join the queue of requests, unless it already has."""
        with self._lock:
            if switch.ticket is None:
                switch.ticket = self._queue.join(first=first, alone=True)
            return switch.ticket

    def _run(self, switch: Switch, previous: Switch | None) -> None:
        error: PlaygroundError | None = None
        if previous is not None:
            previous.cancel()
            previous.done.wait()
            switch.before = switch.before or previous.before
            if self._worker is None:  # the previous one had stopped it already
                self._join(switch, first=True)
        try:
            try:
                self._check(switch.target)
                folder = fetch(switch)
                switch.target = self._learn(switch.target, folder)
                switch.stop_if_cancelled()
                ticket = self._join(switch)
                switch.phase = "waiting"
                while not switch.cancelled.is_set() and not ticket.done():
                    switch.cancelled.wait(0.05)
                switch.stop_if_cancelled()
                self._replace_worker(switch, folder)
            except Exception:
                self._go_back(switch)
                raise
        except SwitchCancelled:
            log.info("cancelled: %s", switch.target.words())
        except PlaygroundError as caught:
            error = caught
            log.warning("could not load %s: %s", switch.target.words(), caught)
        except Exception as caught:
            log.exception("could not load %s", switch.target.words())
            error = LoadFailed(f"{type(caught).__name__}: {caught}")
        finally:
            with self._lock:
                if self._switch is switch:
                    self._switch = None
                    self._error = error or switch.because
                    self._last_used_s = self._clock()
                    if error is None and self._worker is None and switch.cancelled.is_set():
                        self._error = NotReady(
                            "Loading was cancelled.", "Choose a model and a backend."
                        )
                    if isinstance(error, EndedWhileLoading) and not error.explained:
                        self._retry_after_crashes(switch.target)
            if switch.ticket is not None:
                self._queue.release(switch.ticket)
            switch.done.set()

    def _learn(self, choice: Choice, folder: Path) -> Choice:
        """Return the choice with the facts in its folder, such as the trained context.

        Raises:
            LoadFailed: it has no FIM vocabulary, or its weights are incomplete.
            NotEnoughMemory: by the size in its folder it does not fit.
        """
        try:
            self._vocabulary(folder)
        except (ValueError, RuntimeError, OSError) as error:
            raise LoadFailed(
                f"{choice.preset.label} is not a fill-in-the-middle preset. {error}",
                "Choose a CodeGemma preset or another one with FIM control tokens.",
            ) from error
        if choice.backend != machine.OPENAI:  # its weights are elsewhere
            safetensors_files.check(folder)
        preset = presets.within(
            presets.fetched(choice.preset, folder), self.settings.context_length
        )
        with self._lock:
            self._presets = [preset if one.name == preset.name else one for one in self._presets]
        learned = replace(choice, preset=preset)
        if learned != choice:
            self._check(learned)
        return learned

    def _replace_worker(self, switch: Switch, folder: Path) -> None:
        """Stop the old worker, start the new one."""
        with self._lock:
            old, self._worker = self._worker, None
            self._target = switch.target
        if old is not None and old.process is not None:
            switch.before = old
            switch.phase = "stopping"
            old.process.stop()
        if switch.slept is not None and switch.slept.process is not None:
            switch.slept.process.stop()  # it may still be ending
        self._bring_up(switch, folder)

    def _go_back(self, switch: Switch) -> None:
        """Restore the previous worker, if it was stopped and no later switch follows."""
        with self._lock:
            before = switch.before
            superseded = self._switch is not switch
            if before is None or self._worker is not None or superseded or self._closed:
                return
            ticket = self._join(switch, first=True)
            going_back = Switch(before.choice, ticket, before=before, restoring=True)
            self._switch, self._target = going_back, before.choice
        log.info("going back to %s", before.choice.words())
        try:
            self._bring_up(going_back, before.folder)
        finally:
            going_back.done.set()
            with self._lock:
                if self._switch is going_back:
                    self._switch = switch

    def _bring_up(self, switch: Switch, folder: Path) -> None:
        """Start a worker and wait until it serves; one that dies is restarted, unless there is another choice
        to go back to.

        Raises:
            PlaygroundError: it could not load, and has ended.
            SwitchCancelled: the switch was cancelled, and it has ended.
        """
        last_resort = switch.before is None or switch.restoring
        times = 0
        while True:
            times += 1
            needs_less = self._needs_less(switch.target)
            worker = Worker(switch.target, folder, needs_less, self.settings.max_concurrency)
            before = switch.before
            if before is not None and before.choice != worker.choice:
                worker.replaced = before
            distrusted = switch.target.backend in self._distrusted
            try:
                self._start(worker, switch)
            except EndedWhileLoading as died:
                log.error(
                    "worker ended while loading (%s): %s", died.exit_code, worker.last_words()
                )
                self.hangs += worker.hung
                if self._distrust(worker, distrusted, died.explained):
                    continue
                self._crashes.note(loading=True)
                if not last_resort or self._crashes.too_often or died.explained:
                    raise worker.ended_while_loading(times) from died
                with self._lock:
                    self.restarts += 1
                    if self._switch is switch:
                        self._error = WorkerDied(died.message, STARTED_AGAIN)
            except PlaygroundError:
                if words := worker.last_words():
                    log.warning("worker could not load: %s", words)
                if not self._distrust(worker, distrusted):
                    raise
            else:
                self._crashes.came_up()
                self._distrusted.discard(switch.target.backend)
                return

    def _retry_after_crashes(self, choice: Choice) -> None:
        """Load a choice that kept crashing again after a pause, unless a user makes a choice before that."""
        with self._lock:
            if self._worker is not None or self._closed or not self._crashes.too_often:
                return
            pause_s = self._crashes.pause_s()
            log.warning("loading %s again in %g s", choice.words(), pause_s)
            self._retry_at_s = self._clock() + pause_s
            self._retry = threading.Timer(pause_s, self._begin, (choice,), {"first_in_line": True})
            self._retry.daemon = True
            self._retry.start()

    def _forget_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _needs_less(
        self, choice: Choice, dtype: str | None = None, max_length: int | None = None
    ) -> str:
        """Return the hint for a choice that does not fit into memory."""
        dtype = dtype or choice.settled_dtype()
        worker = self._worker
        freed = machine.resident_bytes(worker.process.pid) if worker and worker.process else 0
        free = memory.free_bytes(freed, self.settings.model_parallel)
        return memory.hint(
            choice.preset,
            choice.backend,
            dtype,
            self._presets,
            max_length,
            free,
            self.settings.pythons,
            self.settings.max_concurrency,
        )

    def _distrust(self, worker: Worker, already: bool, explained: bool = False) -> bool:
        """Return whether to start a failed worker again, without the compiled programs of earlier ones."""
        backend = worker.choice.backend
        self._distrusted.discard(backend)
        if already or explained or not worker.suspects_cache:
            return False
        self._distrusted.add(backend)
        return True

    def _start(self, worker: Worker, switch: Switch) -> None:
        switch.report("loading")
        worker.narrowed = worker.choice.narrowed()
        process = worker.start(
            self._command(worker),
            switch.report,
            self._on_event,
            lambda code: self._on_crash(worker, code),
        )
        switch.waits_for(process)
        self._coming_up = worker
        try:
            worker.wait_until_up()
        except PlaygroundError:
            process.stop()
            switch.stop_if_cancelled()
            raise
        finally:
            self._coming_up = None
            switch.waits_for(None)
        if worker.loaded is not None:
            dtype = worker.loaded.dtype
            worker.faster_backend = faster_backend(worker.choice, dtype, self.settings)
        with self._lock:
            exit_code = worker.exit_code
            if not self._closed and exit_code is None:
                self._worker = worker
                assert worker.loaded is not None
                self._queue.admit(worker.loaded.at_once)
                if worker.choice != self._paced:
                    self._pace.forget()
                self._paced = worker.choice
        if self._closed:
            process.stop()
        if exit_code is not None:  # as soon as it was up
            switch.stop_if_cancelled()
            raise worker.ended_while_loading()

    def _command(self, worker: Worker) -> Sequence[str]:
        command = list(self._worker_command(worker.choice, worker.folder))
        if self.settings.max_concurrency > 1 and worker.choice.backend in machine.BACKENDS:
            command += ["--max-concurrency", str(self.settings.max_concurrency)]
        if worker.choice.backend in self._distrusted:
            command += ["--kept-programs", "distrust"]
        python = self.settings.pythons.get(worker.choice.backend)
        return [python, *command[1:]] if python else command

    # Messages of the worker

    def _on_event(self, message: dict[str, Any]) -> None:
        generation = self._running.get(message.get("request_id", ""))
        if generation is None:
            return  # a stale token: its request has ended here
        event = event_from_dict(message)
        measured, request = generation.measured, generation.request
        assert measured is not None  # since it was sent
        assert request is not None
        match event:
            case PromptEvent():
                measured.room = event.max_length - event.prompt_tokens - event.forced_tokens
                generation.watch(lambda: self._on_overdue(generation), request.time_limit_s)
            case TokenEvent() if not event.forced:
                measured.add_token(self._clock())
            case ErrorEvent() if event.code == NotEnoughMemory.code:
                event = self._on_out_of_memory(event, request)
        if isinstance(event, LAST_EVENTS):
            with self._lock:
                self._running.pop(generation.request_id, None)
                self._pace.add(measured)
                self._last_used_s = self._clock()
                if isinstance(event, DoneEvent):
                    self._on_completed()
            self._free(generation)
        if isinstance(event, ErrorEvent):
            event = ErrorEvent.of(self._masked(event.error()))
        generation.put(event)

    def _free(self, generation: Generation) -> None:
        """Release the slot of a generation that the worker has ended."""
        generation.unwatch()
        assert generation.ticket is not None
        self._queue.release(generation.ticket)

    def _on_completed(self) -> None:
        """Record that the running choice works."""
        if self._worker is not None:
            self._worker.completed = True
            self._worked = self._worker
            self._crashes.worked()
        if isinstance(self._error, ChoiceFailed) and self._switch is None:
            self._error = None  # the user has seen which choice runs

    def _on_out_of_memory(self, event: ErrorEvent, request: CompletionRequest) -> ErrorEvent:
        """Add a hint to the error; if the choice never completed anything, restore one that did."""
        with self._lock:
            worker = self._worker
            if worker is None or worker.loaded is None:
                return event
            back = self._what_worked(worker)
            if back is not None and self._switch is None:
                failed = _choice_failed(worker, event.message, back)
                self._begin(back.choice, first_in_line=True, because=failed)
                return ErrorEvent.of(failed)
            hint = self._needs_less(worker.choice, worker.loaded.dtype, request.max_length)
            return replace(event, hint=hint)

    def _what_worked(self, worker: Worker) -> Worker | None:
        """Return the worker to restore if this one fails: another choice, if this never completed
        anything."""
        if worker.completed:
            return None
        back = self._worked or worker.replaced
        return back if back is not None and back.choice != worker.choice else None

    def _on_overdue(self, generation: Generation) -> None:
        worker = self._worker
        served = generation.request_id in self._running
        if served and worker is not None and worker.process is not None:
            log.error("a completion did not end within its time limit: its worker is replaced")
            worker.end_hung()

    def _on_crash(self, worker: Worker, code: int) -> None:
        """Handle the exit of a worker that served."""
        with self._lock:
            if self._worker is not worker or self._closed:
                return  # it was stopped on purpose
            self._worker = None
            running, self._running = list(self._running.values()), {}
            back = self._what_worked(worker) if running else None
            if back is None:
                self._crashes.note()
            if worker.suspects_cache:
                self._distrusted.add(worker.choice.backend)
        log.error("worker died (exit code %s): %s", code, worker.last_words())
        message = f"The model's process ended unexpectedly (exit code {code})."
        if worker.hung:
            message = "The model's process stopped responding and was ended."
        next_step = STARTED_AGAIN
        self.hangs += worker.hung
        if worker.killed_for_memory and worker.loaded is not None:
            message += " The system killed it because memory ran out."
            most = max((one.request.max_length for one in running if one.request), default=None)
            next_step += " " + self._needs_less(worker.choice, worker.loaded.dtype, most)
        died: PlaygroundError = WorkerDied(message, next_step)
        if back is not None:
            died = _choice_failed(worker, message, back)
        if back is None and self._crashes.too_often:
            self._error = died = WorkerDied(
                f"The model's process ended {MAX_CRASHES} times within a minute.",
                "It is loaded again after a while. Choose a model and a backend to try at once.",
                code="worker_gone",
            )
            self._retry_after_crashes(worker.choice)
        elif (switch := self._switch) is None:
            self.restarts += back is None
            self._begin((back or worker).choice, first_in_line=True, because=died)
        else:  # a download: requests wait for it or, if it fails, for this choice to be restored
            switch.before = back or worker
            self._join(switch, first=True)
        for generation in running:
            self._free(generation)
            generation.put(ErrorEvent.of(self._masked(died)))


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


def _choice_failed(worker: Worker, reason: str, back: Worker) -> ChoiceFailed:
    return ChoiceFailed(
        f"{worker.choice.label()} could not complete anything, so {back.choice.label()} is restored. "
        f"{reason}",
        f"Try again with {back.choice.preset.title}, or choose another model, backend or precision.",
    )


def _narrowed(worker: Worker | None) -> Narrowed | None:
    """Return why "auto" was narrowed, if the worker uses the resulting precision."""
    if worker is None or worker.loaded is None or worker.narrowed is None:
        return None
    return worker.narrowed if worker.narrowed.dtype == worker.loaded.dtype else None
