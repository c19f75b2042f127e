"""The page's handle on the engine: start, switch, stream, cancel, recover.

One worker process lives at a time. Requests and switches stand in one line (`turns`), so that two
generations can never run together whichever door they came through, and a switch waits for the running
one. A new worker starts only after the old one has ended; if the new one cannot load, the old choice
comes back. Nothing here imports a framework or a web page.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from codegemma_ui import machine, presets
from codegemma_ui.errors import (
    BackendMissing,
    DownloadFailed,
    LoadFailed,
    NotEnoughMemory,
    NotReady,
    PlaygroundError,
    UnknownBackend,
    UnknownPreset,
    WorkerDied,
)
from codegemma_ui.messages import (
    LAST_EVENTS,
    CompletionRequest,
    ErrorEvent,
    Event,
    Loaded,
    State,
    Status,
    event_from_dict,
    parse_request,
)
from codegemma_ui.presets import Preset
from codegemma_ui.process import LineProcess, environment
from codegemma_ui.settings import Settings
from codegemma_ui.turns import Turn, Turns
from codegemma_ui.vocabulary import Vocabulary

log = logging.getLogger(__name__)

CRASH_WINDOW_S = 60.0
MAX_CRASHES = 3
"""This many crashes within the window, and the worker is not started again by itself."""

Command = Callable[["Choice", Path], Sequence[str]]


@dataclass(frozen=True)
class Choice:
    """What runs, or is to run."""

    preset: Preset
    backend: str
    dtype: str

    def named(self) -> dict[str, str]:
        return {"preset": self.preset.name, "backend": self.backend, "dtype": self.dtype}


@dataclass
class _Stream:
    """One generation under way: where its events go."""

    request_id: str
    turn: Turn
    loop: asyncio.AbstractEventLoop
    events: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)

    def put(self, event: Event) -> None:
        try:
            self.loop.call_soon_threadsafe(self.events.put_nowait, event)
        except RuntimeError:
            log.debug("the caller's event loop is closed; its event is dropped")


@dataclass
class _Worker:
    """One worker process, from start to end."""

    choice: Choice
    folder: Path
    process: LineProcess | None = None
    loaded: Loaded | None = None
    compilations: int | None = None
    warm: float | None = None
    came_up: Future[Loaded] = field(default_factory=Future)
    ended: bool = False


class _Cancelled(Exception):
    """A start or switch was called off."""


@dataclass
class _Transition:
    """A start or switch under way, on a thread of its own."""

    target: Choice
    turn: Turn | None = None  # while it holds the floor, requests wait
    phase: str | None = None
    progress: float | None = None
    before: _Worker | None = None  # served until this or an earlier switch took its place
    cancelled: threading.Event = field(default_factory=threading.Event)
    restoring: bool = False
    end_process: Callable[[], None] | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        self.cancelled.set()
        end_process = self.end_process
        if end_process is not None:
            end_process()


class EngineClient:
    """See the module. All methods may be called from any thread.

    Args:
        settings: the operator's choices.
        worker_command: builds the worker's command; tests put a scripted worker here.
    """

    def __init__(self, settings: Settings, worker_command: Command | None = None) -> None:
        self.settings = settings
        self._worker_command = worker_command or _worker_command
        self._presets = list(presets.offered(settings.preset, *settings.extra_presets))
        self._lock = threading.RLock()
        self._turns = Turns()
        self._ids = itertools.count(1)
        self._worker: _Worker | None = None
        self._stream: _Stream | None = None
        self._transition: _Transition | None = None
        self._error: PlaygroundError | None = None
        self._crashes: deque[float] = deque(maxlen=MAX_CRASHES)
        self._vocabularies: dict[Path, Vocabulary] = {}
        self._target = Choice(presets.named(settings.preset), settings.backend, settings.dtype)
        self._closed = False

    # What there is

    def presets(self) -> tuple[Preset, ...]:
        """The models on offer."""
        return tuple(self._presets)

    def backends(self) -> tuple[machine.Backend, ...]:
        """The three backends, installed or not."""
        return tuple(
            machine.backend(name, self.settings.pythons.get(name)) for name in machine.BACKENDS
        )

    def vocabulary(self) -> Vocabulary:
        """The loaded preset's; before it is there, the chosen one's, else the bundled one's."""
        with self._lock:
            folder = presets.BUNDLED_FOLDER
            if self._worker is not None:
                folder = self._worker.folder
            elif self._target.preset.local:
                folder = Path(self._target.preset.handle)
        return self._vocabulary(folder)

    def _vocabulary(self, folder: Path) -> Vocabulary:
        with self._lock:
            if folder not in self._vocabularies:
                self._vocabularies[folder] = Vocabulary(folder)
            return self._vocabularies[folder]

    def status(self) -> Status:
        """The state at this moment; never waits."""
        with self._lock:
            worker, transition, error = self._worker, self._transition, self._error
            loaded = worker.loaded if worker else None
            choice = worker.choice if worker else self._target
            return Status(
                state=self._state(loaded, transition),
                preset=choice.preset.name,
                backend=choice.backend,
                dtype=loaded.dtype if loaded else choice.dtype,
                device=loaded.device if loaded else None,
                parameters=loaded.parameters if loaded else choice.preset.parameters,
                memory_bytes=loaded.memory_bytes if loaded else None,
                context_length=choice.preset.context_length,
                queue_length=self._turns.waiting,
                phase=transition.phase if transition else None,
                progress=transition.progress if transition else None,
                switching_to=transition.target.named() if transition else None,
                error=_error_fields(error) if error else None,
                note=loaded.note if loaded else None,
                compilations=worker.compilations if worker else None,
                warm=worker.warm if worker else None,
                summary=loaded.summary if loaded else None,
            )

    def _state(self, loaded: Loaded | None, transition: _Transition | None) -> State:
        if transition is not None:
            match transition.phase:
                case "downloading":
                    return "downloading"
                case "warming":
                    return "warming"
                case "loading" | "stopping":
                    return "loading"
        if loaded is None:
            return "starting" if transition is not None else "failed"
        return "busy" if self._stream is not None else "ready"

    # Completing

    async def complete(self, raw: Mapping[str, object]) -> AsyncIterator[Event]:
        """Run one request and yield its events; trouble of any kind is one last `error` event.

        Waits, yielding nothing, while another generation or a switch has the turn. Closing the
        generator cancels.

        Args:
            raw: the fields of `messages.CompletionRequest`, not yet checked.
        """
        given = {"time_limit_s": self.settings.time_limit_s, **raw}
        try:
            parse_request(given, self.status().context_length)
        except PlaygroundError as error:
            yield ErrorEvent.of(error)
            return
        turn = self._turns.join()
        stream = _Stream(f"r{next(self._ids)}", turn, asyncio.get_running_loop())
        finished = False
        try:
            await asyncio.wrap_future(turn)
            try:  # once more: a switch may have come between, to a model with a shorter context
                request = parse_request(given, self.status().context_length)
                self._send(stream, request)
            except PlaygroundError as error:
                finished = True
                yield ErrorEvent.of(error)
            while not finished:
                event = await stream.events.get()
                finished = isinstance(event, LAST_EVENTS)
                yield event
        finally:
            if self._stream is stream:
                self._cancel(stream)  # the turn goes back when the worker says it has stopped
            else:
                self._turns.give_back(turn)

    def _send(self, stream: _Stream, request: CompletionRequest) -> None:
        """Hand a request to the worker.

        Raises:
            NotReady, or what made the last start fail: there is no worker.
        """
        with self._lock:
            worker = self._worker
            if worker is None or worker.process is None:
                raise self._error or NotReady(
                    "No model is loaded.", "Choose a model and a backend."
                )
            self._stream = stream
        # If it is gone by now, its end is reported as an event of this stream.
        worker.process.send(
            {"op": "complete", "request_id": stream.request_id, "request": asdict(request)}
        )

    def cancel(self) -> None:
        """Cancel the running generation, if there is one; its stream ends with `cancelled`."""
        stream = self._stream
        if stream is not None:
            self._cancel(stream)

    def _cancel(self, stream: _Stream) -> None:
        worker = self._worker
        if worker is not None and worker.process is not None:
            worker.process.send({"op": "cancel", "request_id": stream.request_id})

    # Starting and switching

    def start(self) -> None:
        """Bring up the chosen model in the background."""
        self._begin(self._target)

    def switch(
        self, preset: str | None = None, backend: str | None = None, dtype: str | None = None
    ) -> None:
        """Change the model, the backend or the precision, in the background; None keeps it.

        A switch that is under way is called off first.

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
            transition = self._transition
            called_off = transition is not None and transition.cancelled.is_set()
            running = transition.target if transition and not called_off else None
            if target == running or (target == current and running is None and self._worker):
                return
        self._begin(target)

    def cancel_switch(self) -> None:
        """Call off the start or switch under way; what was loaded before stays or comes back."""
        transition = self._transition
        if transition is not None and not transition.restoring:
            transition.cancel()

    def close(self) -> None:
        """End the worker and everything under way."""
        with self._lock:
            self._closed = True
            transition = self._transition
        if transition is not None:
            transition.cancel()
            transition.done.wait(10)
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
        """Whether the target can run here at all.

        Raises:
            UnknownBackend, BackendMissing, NotEnoughMemory.
        """
        if target.backend not in machine.BACKENDS:
            names = ", ".join(machine.BACKENDS)
            raise UnknownBackend(f"backend must be one of {names}. Received: {target.backend!r}")
        backend = machine.backend(target.backend, self.settings.pythons.get(target.backend))
        if not backend.installed:
            raise BackendMissing(f"{backend.name} is not installed.", backend.install)
        self._check_memory(target)

    def _check_memory(self, target: Choice) -> None:
        cards = machine.gpus()
        dtype = target.dtype
        if dtype == "auto":
            dtype = "bfloat16" if cards else "float32"
        need = target.preset.memory_bytes(dtype)
        main = machine.memory_bytes()
        if need is None or main is None:
            return
        worker = self._worker
        freed = machine.resident_bytes(worker.process.pid) if worker and worker.process else 0
        most = max([main[1] + freed, *(card.memory_bytes for card in cards)])
        if need > most:
            raise NotEnoughMemory(
                f"{target.preset.label} needs about {need / 1e9:.1f} GB in {dtype} "
                f"(weights and cache, plus a tenth); {most / 1e9:.1f} GB are free here.",
                "Choose a smaller model or a half-width precision, or close other programs.",
            )

    def _begin(self, target: Choice, *, first_in_line: bool = False) -> None:
        transition = _Transition(target)
        with self._lock:
            if self._closed:
                return
            previous, self._transition = self._transition, transition
            self._error = None
            self._target = target if self._worker is None else self._target
        if first_in_line or self._worker is None:
            self._join(transition, first=True)
        elif target.preset.local:  # whoever asks from now on means the new choice
            self._join(transition)
        threading.Thread(
            target=self._run, args=(transition, previous), daemon=True, name="switch"
        ).start()

    def _join(self, transition: _Transition, *, first: bool = False) -> Turn:
        """Stand in the line of the requests, if it does not yet."""
        with self._lock:
            if transition.turn is None:
                transition.turn = self._turns.join(first=first)
            return transition.turn

    def _run(self, transition: _Transition, previous: _Transition | None) -> None:
        error: PlaygroundError | None = None
        if previous is not None:
            previous.cancel()
            previous.done.wait()
            transition.before = transition.before or previous.before
            if self._worker is None:  # the previous one had stopped it already
                self._join(transition, first=True)
        try:
            try:
                self._check(transition.target)
                folder = self._fetch(transition)
                transition.target = self._learn(transition.target, folder)
                self._stop_if_cancelled(transition)
                turn = self._join(transition)
                transition.phase = "waiting"
                while not transition.cancelled.is_set() and not turn.done():
                    transition.cancelled.wait(0.05)
                self._stop_if_cancelled(transition)
                self._replace_worker(transition, folder)
            except Exception:
                self._go_back(transition)
                raise
        except _Cancelled:
            log.info("called off: %s", transition.target.named())
        except PlaygroundError as caught:
            error = caught
            log.warning("could not load %s: %s", transition.target.named(), caught)
        except Exception as caught:
            log.exception("could not load %s", transition.target.named())
            error = LoadFailed(f"{type(caught).__name__}: {caught}")
        finally:
            with self._lock:
                if self._transition is transition:
                    self._transition = None
                    self._error = error
                    if error is None and self._worker is None and transition.cancelled.is_set():
                        self._error = NotReady(
                            "Loading was cancelled.", "Choose a model and a backend."
                        )
            if transition.turn is not None:
                self._turns.give_back(transition.turn)
            transition.done.set()

    def _stop_if_cancelled(self, transition: _Transition) -> None:
        if transition.cancelled.is_set():
            raise _Cancelled

    def _fetch(self, transition: _Transition) -> Path:
        """The preset's local folder, downloaded if need be by a process that a cancel can kill."""
        preset = transition.target.preset
        if preset.local:
            folder = Path(preset.handle)
        else:
            transition.phase = "downloading"
            folder = self._download(transition)
        try:
            self._vocabulary(folder)
        except (ValueError, RuntimeError, OSError) as error:
            raise LoadFailed(
                f"{preset.label} is not a fill-in-the-middle preset. {error}",
                "Choose a CodeGemma preset or another one with FIM control tokens.",
            ) from error
        return folder

    def _learn(self, choice: Choice, folder: Path) -> Choice:
        """The choice with what its folder says of the model, such as its trained context."""
        preset = presets.fetched(choice.preset, folder)
        with self._lock:
            self._presets = [preset if one.name == preset.name else one for one in self._presets]
        return replace(choice, preset=preset)

    def _download(self, transition: _Transition) -> Path:
        outcome: Future[dict[str, Any]] = Future()

        def on_message(message: dict[str, Any]) -> None:
            if message.get("event") == "progress":
                total = message.get("total_bytes")
                received = message.get("received_bytes") or 0
                transition.progress = min(1.0, received / total) if total else None
            elif not outcome.done():
                outcome.set_result(message)

        def on_exit(code: int) -> None:
            if not outcome.done():
                outcome.set_result(
                    {
                        "event": "error",
                        "message": f"The download ended unexpectedly (exit code {code}).",
                        "hint": "Try again. If it fails again, the log of the server has the details.",
                    }
                )

        command = [sys.executable, "-m", "codegemma_ui.download", transition.target.preset.handle]
        process = LineProcess(command, environment(), on_message, on_exit)
        transition.end_process = process.kill
        self._kill_if_cancelled(transition, process)
        message = outcome.result()
        transition.end_process = None
        transition.progress = None
        process.stop()
        self._stop_if_cancelled(transition)
        if message.get("event") != "downloaded":
            log.warning("download: %s", process.stderr_tail[-2000:])
            raise DownloadFailed(
                str(message.get("message", "")), str(message.get("hint", "")), message.get("code")
            )
        return Path(message["path"])

    def _kill_if_cancelled(self, transition: _Transition, process: LineProcess) -> None:
        """A cancel may come between the look and the moment the process could be named."""
        if transition.cancelled.is_set():
            process.kill()

    def _replace_worker(self, transition: _Transition, folder: Path) -> None:
        """Stop the old worker, start the new one."""
        with self._lock:
            old, self._worker = self._worker, None
            self._error = None
            self._target = transition.target
        if old is not None and old.process is not None:
            transition.before = old
            transition.phase = "stopping"
            old.process.stop()
        self._bring_up(_Worker(transition.target, folder), transition)

    def _go_back(self, transition: _Transition) -> None:
        """Bring back what served before, if it was stopped and no later switch is to decide."""
        with self._lock:
            before = transition.before
            superseded = self._transition is not transition
            if before is None or self._worker is not None or superseded or self._closed:
                return
            turn = self._join(transition, first=True)
            going_back = _Transition(before.choice, turn, before=before, restoring=True)
            self._transition, self._target = going_back, before.choice
        log.info("going back to %s", before.choice.named())
        try:
            self._bring_up(_Worker(before.choice, before.folder), going_back)
        finally:
            going_back.done.set()
            with self._lock:
                if self._transition is going_back:
                    self._transition = transition

    def _bring_up(self, worker: _Worker, transition: _Transition) -> None:
        """Start a worker and wait until it serves.

        Raises:
            PlaygroundError: it could not load; it is gone.
            _Cancelled: the transition was called off; it is gone.
        """
        transition.phase, transition.progress = "loading", None
        process = LineProcess(
            self._command(worker),
            environment(),
            lambda message: self._on_message(worker, transition, message),
            lambda code: self._on_exit(worker, transition, code),
        )
        worker.process = process
        transition.end_process = process.kill
        self._kill_if_cancelled(transition, process)
        try:
            loaded = worker.came_up.result()
        except PlaygroundError:
            process.stop()
            self._stop_if_cancelled(transition)
            raise
        finally:
            transition.end_process = None
        with self._lock:
            worker.loaded = loaded
            ended = worker.ended
            if not self._closed and not ended:
                self._worker = worker
        if self._closed:
            process.stop()
        if ended:
            self._stop_if_cancelled(transition)
            raise LoadFailed(
                "The model's process ended as soon as it was up.",
                "The log of the server has the details.",
            )

    def _command(self, worker: _Worker) -> Sequence[str]:
        command = list(self._worker_command(worker.choice, worker.folder))
        python = self.settings.pythons.get(worker.choice.backend)
        return [python, *command[1:]] if python else command

    # What the worker says

    def _on_message(
        self, worker: _Worker, transition: _Transition, message: dict[str, Any]
    ) -> None:
        match message.get("worker"):
            case "state":
                transition.phase = message["state"]
                transition.progress = message.get("progress")
            case "loaded":
                del message["worker"]
                worker.came_up.set_result(Loaded(**message))
            case "warm":
                self._on_warm(worker, message)
            case "failed":
                error = LoadFailed(message["message"], message["hint"], message["code"])
                worker.came_up.set_exception(error)
            case _:
                self._on_event(message)

    def _on_warm(self, worker: _Worker, message: dict[str, Any]) -> None:
        with self._lock:
            worker.compilations, worker.warm = message["compilations"], message["share"]
            if worker.loaded is not None and worker.loaded.note != message["note"]:
                worker.loaded = replace(worker.loaded, note=message["note"])

    def _on_event(self, message: dict[str, Any]) -> None:
        stream = self._stream
        if stream is None or message.get("request_id") != stream.request_id:
            return  # a stale token: its request has ended here
        event = event_from_dict(message)
        if isinstance(event, LAST_EVENTS):
            with self._lock:
                self._stream = None
            self._turns.give_back(stream.turn)
        stream.put(event)

    def _on_exit(self, worker: _Worker, transition: _Transition, code: int) -> None:
        assert worker.process is not None
        died = WorkerDied(
            f"The model's process ended unexpectedly (exit code {code}).",
            "It is being started again; try once more in a moment.",
        )
        if not worker.came_up.done():
            if not transition.cancelled.is_set():
                log.error("worker ended while loading (%s): %s", code, worker.process.stderr_tail)
            worker.came_up.set_exception(
                LoadFailed(
                    f"The model's process ended while loading (exit code {code}).",
                    "Memory may have run out: choose a smaller model or a half-width precision."
                    if code == -9
                    else "The log of the server has the details.",
                )
            )
            return
        with self._lock:
            worker.ended = True
            if self._worker is not worker or self._closed:
                return  # it was told to stop
            self._worker = None
            stream, self._stream = self._stream, None
            self._crashes.append(time.monotonic())
            often = (
                len(self._crashes) == MAX_CRASHES
                and self._crashes[-1] - self._crashes[0] < CRASH_WINDOW_S
            )
        log.error("worker died (exit code %s): %s", code, worker.process.stderr_tail)
        if often:
            self._error = WorkerDied(
                f"The model's process ended {MAX_CRASHES} times within a minute.",
                "It is not started again by itself. Choose a model and a backend to try again.",
            )
        elif (under_way := self._transition) is None:
            self._begin(worker.choice, first_in_line=True)
        else:  # a download: requests wait for it, and should it fail, for this one to come back
            under_way.before = worker
            self._join(under_way, first=True)
        if stream is not None:
            self._turns.give_back(stream.turn)
            stream.put(ErrorEvent.of(died))


def _worker_command(choice: Choice, folder: Path) -> list[str]:
    return [
        sys.executable,
        *("-m", "codegemma_ui.engine.worker"),
        *("--preset", choice.preset.name),
        *("--folder", str(folder)),
        *("--backend", choice.backend),
        *("--dtype", choice.dtype),
        *("--context-length", str(choice.preset.context_length)),
    ]


def _error_fields(error: PlaygroundError) -> dict[str, str]:
    return {"code": error.code, "message": error.message, "hint": error.hint}
