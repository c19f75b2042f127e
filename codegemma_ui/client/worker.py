"""The client's side of one worker process, from its start to its end.

Messages about the worker itself are handled here; those about a request are passed on.
`workers/keras/worker.py` documents the messages.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from codegemma_ui import machine
from codegemma_ui.client import endings
from codegemma_ui.client.choice import Choice
from codegemma_ui.client.endings import EndedWhileLoading
from codegemma_ui.client.heartbeat import Heartbeat
from codegemma_ui.errors import LoadFailed, NotEnoughMemory
from codegemma_ui.ipc.messages import Loaded
from codegemma_ui.ipc.parent import LineProcess, environment
from codegemma_ui.machine import huge_pages
from codegemma_ui.presets.memory import Narrowed

log = logging.getLogger(__name__)


class Worker:
    """One worker process.

    Args:
        choice: its model, backend and precision.
        folder: of the preset.
        is_overdue: returns whether a request has not ended within its time limit.
        needs_less: the hint if memory is too little to load.
        at_once: requests to run at once, where its backend can.

    Attributes:
        process: set once it was started.
        loaded: its description of the model, once that is up.
        compilations, warm: as in `messages.Status`.
        exit_code: set once it is gone.
        hung: whether it was ended because it no longer responded.
        suspects_cache: set once it failed: whether it might start without cached compiled programs.
        completed: whether it has completed a request.
        narrowed, faster_backend: as in `messages.Status`, at the time of its start.
        replaced: the worker it replaced, if that served another choice.
    """

    def __init__(
        self,
        choice: Choice,
        folder: Path,
        is_overdue: Callable[[], bool],
        needs_less: str = "",
        at_once: int = 1,
    ) -> None:
        self.choice, self.folder = choice, folder
        self._needs_less, self._at_once = needs_less, at_once
        self.completed = False
        self.replaced: Worker | None = None
        self.process: LineProcess | None = None
        self.loaded: Loaded | None = None
        self.narrowed: Narrowed | None = None
        self.faster_backend: str | None = None
        self.compilations: int | None = None
        self.warm: float | None = None
        self.exit_code: int | None = None
        self.hung = False
        self._heartbeat = Heartbeat(lambda: self._send({"op": "ping"}), is_overdue, self.end_hung)
        self.suspects_cache = False
        self._oom_kills = endings.oom_kills()
        memory = machine.memory_bytes()
        self._free_bytes = memory[1] if memory else None
        self._came_up: Future[Loaded] = Future()

    def start(
        self,
        command: Sequence[str],
        on_state: Callable[[str, float | None], None],
        on_events: Callable[[list[dict[str, Any]]], None],
        on_crash: Callable[[int], None],
    ) -> LineProcess:
        """Start the process. The callbacks are called on a separate thread.

        Args:
            command: program and arguments.
            on_state: gets phase and progress while it starts.
            on_events: gets the events of requests that came together, in order.
            on_crash: gets its exit code, if it had come up.
        """

        def on_message(message: dict[str, Any]) -> None:
            self._heartbeat.responded()
            match message.get("worker"):
                case "alive":
                    pass
                case "state":
                    on_state(message["state"], message.get("progress"))
                case "loaded":
                    del message["worker"]
                    lacks = tuple(message.pop("lacks", ()))
                    self.loaded = Loaded(**message, lacks=lacks)
                    self._heartbeat.serves()
                    self._came_up.set_result(self.loaded)
                case "warm":
                    self.compilations, self.warm = message["compilations"], message["share"]
                    if self.loaded is not None and self.loaded.note != message["note"]:
                        self.loaded = replace(self.loaded, note=message["note"])
                case "failed":
                    self.suspects_cache = message.get("suspects_cache", False)
                    hint, code = message["hint"], message["code"]
                    if code == NotEnoughMemory.code:
                        hint = hint or self._needs_less
                    error = LoadFailed(message["message"], hint, code)
                    self._came_up.set_exception(error)
                case _:
                    on_events(message["events"])

        def on_exit(code: int) -> None:
            self._heartbeat.end()
            self.exit_code = code
            compiles = self.choice.backend in machine.BACKENDS
            self.suspects_cache |= compiles and endings.is_a_programs_own(code)
            if self._came_up.done():
                on_crash(code)
            else:
                self._came_up.set_exception(self.ended_while_loading())

        given = environment()
        given |= huge_pages.variables(given)
        self.process = LineProcess(command, given, on_message, on_exit)
        self._heartbeat.start()
        return self.process

    def wait_until_up(self) -> None:
        """Wait until it serves.

        Raises:
            EndedWhileLoading: it is gone.
            LoadFailed: it reported why it could not load, and ends.
        """
        self._came_up.result()

    @property
    def quiet(self) -> bool:
        """Return whether it has not responded for unusually long."""
        return self._heartbeat.quiet

    def end_hung(self) -> None:
        """End it, since it no longer responds or does not finish a request."""
        self.hung = True
        if self.process is not None:
            self.process.kill()

    @property
    def killed_for_memory(self) -> bool:
        """Return whether it was killed and the system has counted an out-of-memory kill since its start."""
        killed = self.exit_code is not None and endings.signal_of(self.exit_code) == "SIGKILL"
        return killed and not self.hung and (endings.oom_kills() or 0) > (self._oom_kills or 0)

    def ended_while_loading(self, times: int = 1) -> EndedWhileLoading:
        """Return the error, once it is gone.

        Args:
            times: how often in a row.
        """
        assert self.exit_code is not None
        return EndedWhileLoading(
            self.exit_code,
            self.last_words(),
            times,
            hung=self.hung,
            killed_for_memory=self.killed_for_memory,
            need_bytes=self.choice.need_bytes(self._at_once),
            free_bytes=self._free_bytes,
            needs_less=self._needs_less,
        )

    def complete(self, request_id: str, request: Mapping[str, Any]) -> None:
        """Send it a request. If it is gone by now, its exit is handled as usual."""
        self._send({"op": "complete", "request_id": request_id, "request": request})

    def cancel(self, request_id: str) -> None:
        """Tell it to end a request; it responds with that request's last event."""
        self._send({"op": "cancel", "request_id": request_id})

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self.process is not None
        self.process.send(message)

    def last_words(self) -> str:
        """Return the end of its stderr: for the log, and never for the page once it serves."""
        return self.process.stderr_tail[-4000:] if self.process else ""
