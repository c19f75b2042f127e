"""One worker at a time: started, switched, put to sleep, brought back after a crash.

A new worker starts only after the old one has ended. If the new one cannot load, the old choice comes back.
If one dies or hangs, the same comes up again, after a pause where that goes on (`crashes`), unless it never
completed anything: then the last choice that did comes back. A model that is not used for some time may leave
memory, and comes back with the next request. Switches wait in the queue of the requests, whose events are not
read here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from codegemma_ui import machine, presets
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
from codegemma_ui.client.queue import RequestQueue, Ticket
from codegemma_ui.client.running import Running
from codegemma_ui.client.switch import Switch, SwitchCancelled
from codegemma_ui.client.switch_download import fetch
from codegemma_ui.client.worker import Worker
from codegemma_ui.errors import (
    ChoiceFailed,
    LoadFailed,
    NotReady,
    PlaygroundError,
    UnknownPreset,
    WorkerDied,
)
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import ErrorEvent
from codegemma_ui.presets import Preset, memory, safetensors_files
from codegemma_ui.settings import Settings

log = logging.getLogger(__name__)

STARTED_AGAIN = "It is being restarted; try again in a moment."

IDLE_LOOK_S = 5.0
"""Longest time between two checks of whether the model is idle."""


class Lifecycle:
    """The worker of a client, and what becomes of it. All methods may be called from any thread.

    Args:
        settings: the operator's choices.
        queue: switches wait in it.
        running: generations that the worker works on; a crash ends them.
        on_events: gets the events of requests that the worker sent together.
        command: builds the worker's command.
        clock: seconds; only differences count.

    Attributes:
        lock: held while the state below changes.
        presets: the models on offer.
        target: what runs, or is to run.
        worker: serves; None while there is none.
        coming_up: starts, and does not serve yet.
        asleep: left memory, idle.
        under_way: the start or switch in progress.
        error: what made the last start or switch fail, until the next one.
        last_used_s: when a request last came or ended, by `clock`.
        restarts: how often a worker that died was started again automatically.
        hangs: how often a worker was ended because it no longer answered, or exceeded its time limit.
        retry_at_s: when a model that keeps ending is loaded again, by `clock`; None if it is not.
    """

    def __init__(
        self,
        settings: Settings,
        queue: RequestQueue,
        running: Running,
        on_events: Callable[[list[dict[str, Any]]], None],
        command: Command | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._queue, self._running, self._clock = settings, queue, running, clock
        self._on_events = on_events
        self._worker_command = command or partial(worker_command, settings=settings)
        most = settings.context_length
        self.lock = threading.RLock()
        self.presets = list(presets.offered(settings.preset, *settings.extra_presets, most=most))
        self.target = Choice(
            presets.within(presets.named(settings.preset), most), settings.backend, settings.dtype
        )
        self.worker: Worker | None = None
        self.coming_up: Worker | None = None
        self.asleep: Worker | None = None
        self.under_way: Switch | None = None
        self.error: PlaygroundError | None = None
        self.last_used_s = clock()
        self.restarts, self.hangs = 0, 0
        self.retry_at_s: float | None = None
        self._worked: Worker | None = None  # the last one that completed anything
        self._crashes = Crashes()
        self._retry: threading.Timer | None = None
        self._distrusted: set[str] = set()  # backends whose compiled programs may be damaged
        self._vocabularies: dict[Path, Vocabulary] = {}
        self._closed = False
        self._closing = threading.Event()

    def vocabulary(self) -> Vocabulary:
        """Return the loaded preset's; before it is there, the chosen one's, else the bundled one's."""
        with self.lock:
            folder = presets.BUNDLED_FOLDER
            known = self.worker or self.asleep
            if known is not None:
                folder = known.folder
            elif self.target.preset.local:
                folder = Path(self.target.preset.handle)
        return self._vocabulary(folder)

    def _vocabulary(self, folder: Path) -> Vocabulary:
        with self.lock:
            if folder not in self._vocabularies:
                self._vocabularies[folder] = Vocabulary(folder)
            return self._vocabularies[folder]

    # Starting and switching

    def start(self) -> None:
        """Bring up the chosen model in the background."""
        self._begin(self.target)
        if self._settings.idle_minutes:
            threading.Thread(target=self._watch_idle, daemon=True, name="idle").start()

    def _watch_idle(self) -> None:
        pause_s = min(IDLE_LOOK_S, 60 * self._settings.idle_minutes / 4)
        while not self._closing.wait(pause_s):
            self.sleep_if_idle()

    def sleep_if_idle(self) -> None:
        """Unload the model if it has been idle long enough."""
        with self.lock:
            worker = self.worker
            idle_s = self._clock() - self.last_used_s
            wanted = self._settings.idle_minutes and idle_s >= 60 * self._settings.idle_minutes
            if not wanted or worker is None or self.under_way or not self._queue.unused:
                return
            self.worker, self.asleep = None, worker
        log.info("asleep: no request for %g minutes", self._settings.idle_minutes)
        if worker.process is not None:
            worker.process.stop()

    def wake(self) -> None:
        """Load a sleeping model again, before the requests in the queue."""
        if self.asleep is not None and self.under_way is None:
            self._begin(self.asleep.choice, first_in_line=True)

    def switch(
        self, preset: str | None = None, backend: str | None = None, dtype: str | None = None
    ) -> None:
        """Change the model, the backend or the precision, in the background; None keeps it.

        A switch in progress is cancelled first.

        Raises:
            UnknownPreset, UnknownBackend, BackendMissing, NotEnoughMemory: at once; nothing changed.
        """
        with self.lock:
            current = self.worker.choice if self.worker else self.target
            target = Choice(
                self._offered(preset) if preset else current.preset,
                backend or current.backend,
                dtype or current.dtype,
            )
            self._check(target)
            switch = self.under_way
            cancelled = switch is not None and switch.cancelled.is_set()
            running = switch.target if switch and not cancelled else None
            if target == running or (target == current and running is None and self.worker):
                return
            if self.worker is None and switch is None:
                self._crashes.forget()
        self._begin(target)

    def cancel_switch(self) -> None:
        """Cancel the start or switch in progress; the previous choice stays or is restored."""
        switch = self.under_way
        if switch is not None and not switch.restoring:
            switch.cancel()

    def close(self) -> None:
        """End the worker and everything in progress."""
        self._closing.set()
        with self.lock:
            self._closed = True
            self._forget_retry()
            switch = self.under_way
        if switch is not None:
            switch.cancel()
            switch.done.wait(10)
        with self.lock:
            worker, self.worker = self.worker, None
        if worker is not None and worker.process is not None:
            worker.process.stop()

    def _offered(self, name: str) -> Preset:
        for preset in self.presets:
            if preset.name == name:
                return preset
        names = ", ".join(preset.name for preset in self.presets)
        raise UnknownPreset(f"preset must be one of {names}. Received: {name!r}")

    def _check(self, target: Choice) -> None:
        """Check that the target can run here at all.

        Raises:
            UnknownBackend, BackendMissing, NotEnoughMemory: it cannot.
        """
        check_backend(target, self._settings)
        worker = self.worker
        freed = machine.resident_bytes(worker.process.pid) if worker and worker.process else 0
        check_memory(
            target,
            freed,
            self._settings.model_parallel,
            self._settings.max_concurrency,
            self.presets,
            self._settings.pythons,
        )

    def _begin(
        self, target: Choice, *, first_in_line: bool = False, because: PlaygroundError | None = None
    ) -> None:
        """Start or switch, on a thread; `because` is shown meanwhile, and afterwards if a choice failed."""
        switch = Switch(target)
        switch.because = because if isinstance(because, ChoiceFailed) else None
        with self.lock:
            if self._closed:
                return
            previous, self.under_way = self.under_way, switch
            self._forget_retry()
            self.error = because
            self.target = target if self.worker is None else self.target
            switch.slept, self.asleep = self.asleep, None
            if switch.slept is not None and switch.slept.choice != target:
                switch.before = switch.slept
        if first_in_line or self.worker is None:
            self._join(switch, first=True)
        elif target.preset.local:  # later requests are for the new choice
            self._join(switch)
        threading.Thread(
            target=self._run, args=(switch, previous), daemon=True, name="switch"
        ).start()

    def _join(self, switch: Switch, *, first: bool = False) -> Ticket:
        """Join the queue of requests, unless it already has."""
        with self.lock:
            if switch.ticket is None:
                switch.ticket = self._queue.join(first=first, alone=True)
            return switch.ticket

    def _run(self, switch: Switch, previous: Switch | None) -> None:
        error: PlaygroundError | None = None
        if previous is not None:
            previous.cancel()
            previous.done.wait()
            switch.before = switch.before or previous.before
            if self.worker is None:  # the previous one had stopped it already
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
            with self.lock:
                if self.under_way is switch:
                    self.under_way = None
                    self.error = error or switch.because
                    self.last_used_s = self._clock()
                    if error is None and self.worker is None and switch.cancelled.is_set():
                        self.error = NotReady(
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
            presets.fetched(choice.preset, folder), self._settings.context_length
        )
        with self.lock:
            self.presets = [preset if one.name == preset.name else one for one in self.presets]
        learned = replace(choice, preset=preset)
        if learned != choice:
            self._check(learned)
        return learned

    def _replace_worker(self, switch: Switch, folder: Path) -> None:
        """Stop the old worker, start the new one."""
        with self.lock:
            old, self.worker = self.worker, None
            self.target = switch.target
        if old is not None and old.process is not None:
            switch.before = old
            switch.phase = "stopping"
            old.process.stop()
        if switch.slept is not None and switch.slept.process is not None:
            switch.slept.process.stop()  # it may still be ending
        self._bring_up(switch, folder)

    def _go_back(self, switch: Switch) -> None:
        """Restore the previous worker, if it was stopped and no later switch follows."""
        with self.lock:
            before = switch.before
            superseded = self.under_way is not switch
            if before is None or self.worker is not None or superseded or self._closed:
                return
            ticket = self._join(switch, first=True)
            going_back = Switch(before.choice, ticket, before=before, restoring=True)
            self.under_way, self.target = going_back, before.choice
        log.info("going back to %s", before.choice.words())
        try:
            self._bring_up(going_back, before.folder)
        finally:
            going_back.done.set()
            with self.lock:
                if self.under_way is going_back:
                    self.under_way = switch

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
            worker = Worker(
                *(switch.target, folder, self._running.is_overdue),
                *(needs_less, self._settings.max_concurrency),
            )
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
                with self.lock:
                    self.restarts += 1
                    if self.under_way is switch:
                        self.error = WorkerDied(died.message, STARTED_AGAIN)
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
        with self.lock:
            if self.worker is not None or self._closed or not self._crashes.too_often:
                return
            pause_s = self._crashes.pause_s()
            log.warning("loading %s again in %g s", choice.words(), pause_s)
            self.retry_at_s = self._clock() + pause_s
            self._retry = threading.Timer(pause_s, self._begin, (choice,), {"first_in_line": True})
            self._retry.daemon = True
            self._retry.start()

    def _forget_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = self.retry_at_s = None

    def _needs_less(
        self, choice: Choice, dtype: str | None = None, max_length: int | None = None
    ) -> str:
        """Return the hint for a choice that does not fit into memory."""
        dtype = dtype or choice.settled_dtype()
        worker = self.worker
        freed = machine.resident_bytes(worker.process.pid) if worker and worker.process else 0
        free = memory.free_bytes(freed, self._settings.model_parallel)
        return memory.hint(
            choice.preset,
            choice.backend,
            dtype,
            self.presets,
            max_length,
            free,
            self._settings.pythons,
            self._settings.max_concurrency,
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
            self._on_events,
            lambda code: self._on_crash(worker, code),
        )
        switch.waits_for(process)
        self.coming_up = worker
        try:
            worker.wait_until_up()
        except PlaygroundError:
            process.stop()
            switch.stop_if_cancelled()
            raise
        finally:
            self.coming_up = None
            switch.waits_for(None)
        if worker.loaded is not None:
            dtype = worker.loaded.dtype
            worker.faster_backend = faster_backend(worker.choice, dtype, self._settings)
        with self.lock:
            exit_code = worker.exit_code
            if not self._closed and exit_code is None:
                self.worker = worker
                assert worker.loaded is not None
                self._queue.admit(worker.loaded.at_once)
        if self._closed:
            process.stop()
        if exit_code is not None:  # as soon as it was up
            switch.stop_if_cancelled()
            raise worker.ended_while_loading()

    def _command(self, worker: Worker) -> Sequence[str]:
        command = list(self._worker_command(worker.choice, worker.folder))
        if self._settings.max_concurrency > 1 and worker.choice.backend in machine.BACKENDS:
            command += ["--max-concurrency", str(self._settings.max_concurrency)]
        if worker.choice.backend in self._distrusted:
            command += ["--kept-programs", "distrust"]
        python = self._settings.pythons.get(worker.choice.backend)
        return [python, *command[1:]] if python else command

    # What becomes of it

    def completed(self) -> None:
        """Note that the choice that runs works: it has completed something."""
        if self.worker is not None:
            self.worker.completed = True
            self._worked = self.worker
            self._crashes.worked()
        if isinstance(self.error, ChoiceFailed) and self.under_way is None:
            self.error = None  # the user has seen which choice runs

    def out_of_memory(self, event: ErrorEvent, max_length: int) -> ErrorEvent:
        """Return what to report of a request that ran out of memory; if the choice never completed anything,
        bring back the one that did.

        Args:
            max_length: the request's.
        """
        with self.lock:
            worker = self.worker
            if worker is None or worker.loaded is None:
                return event
            back = self._what_worked(worker)
            if back is not None and self.under_way is None:
                failed = _choice_failed(worker, event.message, back)
                self._begin(back.choice, first_in_line=True, because=failed)
                return ErrorEvent.of(failed)
            hint = self._needs_less(worker.choice, worker.loaded.dtype, max_length)
            return replace(event, hint=hint)

    def _what_worked(self, worker: Worker) -> Worker | None:
        """Return what comes back if this one fails: another choice, if it never completed anything."""
        if worker.completed:
            return None
        back = self._worked or worker.replaced
        return back if back is not None and back.choice != worker.choice else None

    def _on_crash(self, worker: Worker, code: int) -> None:
        """Handle the end of a worker that served."""
        with self.lock:
            if self.worker is not worker or self._closed:
                return  # it was stopped on purpose
            self.worker = None
            running = self._running.take_all()
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
            self.error = died = WorkerDied(
                f"The model's process ended {MAX_CRASHES} times within a minute.",
                "It is loaded again after a while. Choose a model and a backend to try at once.",
                code="worker_gone",
            )
            self._retry_after_crashes(worker.choice)
        elif (switch := self.under_way) is None:
            self.restarts += back is None
            self._begin((back or worker).choice, first_in_line=True, because=died)
        else:  # a download: requests wait for it or, if it fails, for this choice to be restored
            switch.before = back or worker
            self._join(switch, first=True)
        for generation in running:
            self._running.end(generation, ErrorEvent.of(died))


def _choice_failed(worker: Worker, reason: str, back: Worker) -> ChoiceFailed:
    return ChoiceFailed(
        f"{worker.choice.label()} could not complete anything, so {back.choice.label()} is restored. "
        f"{reason}",
        f"Try again with {back.choice.preset.title}, or choose another model, backend or precision.",
    )
