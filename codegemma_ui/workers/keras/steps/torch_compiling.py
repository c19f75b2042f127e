"""torch: graphs that run as they are until inductor has compiled them, in the background."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from codegemma_ui.workers.keras import compiled
from codegemma_ui.workers.keras.steps import torch_names

NICE = 10
"""Priority of compilation, as of `nice`."""

Key = tuple[Any, ...]
Run = Callable[..., Any]


class Graphs:
    """Graphs by key, each replaced by its compiled form, those that requests use first.

    Args:
        device: type of their device, "cpu" or "cuda".
        order: sort key of a key. Graphs that no request has used are compiled in this order.

    Attributes:
        compiling: number of graphs that are being compiled or wait for it.
        compiled: number of graphs compiled so far.
        note: why graphs stay uncompiled, for the user; None if they do not.
    """

    def __init__(self, device: str, order: Callable[[Key], Any]) -> None:
        self.compiling = self.compiled = 0
        self.note: str | None = None
        self._device, self._order = device, order
        self._runs: dict[Key, Run] = {}
        self._waiting: list[tuple[Key, Callable[[], Run]]] = []
        self._used: set[Key] = set()  # by requests since the warm-up
        self._warm = self._thread_runs = False
        self._lock = threading.Lock()  # on what waits, its number, and whether the thread runs

    def __len__(self) -> int:
        return len(self._runs)

    def find(self, key: Key) -> Run | None:
        """Return a graph for a request, compiled if it has been by now, or None if there is none."""
        if self._warm:
            self._used.add(key)
        return self._runs.get(key)

    def add(self, key: Key, run: Run, compile_it: Callable[[], Run] | None = None) -> Run:
        """Add a graph and return it.

        Args:
            key: name, and whatever else tells it from others.
            run: the graph as it is.
            compile_it: returns the compiled graph, and may be called again after it has failed; None
                leaves it as it is.
        """
        self._runs[key] = run
        if compile_it is not None and self.note is None:
            with self._lock:
                self._waiting.append((key, compile_it))
                self.compiling += 1
            if self._warm:
                self._start()
        return run

    def warmed(self) -> None:
        """Start compiling, now that every graph has run once."""
        # Not earlier: while a graph is compiled, which may take a minute, no other can be traced.
        self._warm = True
        self._start()

    def stay_uncompiled(self, reason: str) -> None:
        """Compile no graph that is added from now on."""
        self.note = f"torch runs uncompiled, which is slower: {reason}"

    def _start(self) -> None:
        # On a short-lived thread: OpenMP gives each computing thread a team, and with more of them than
        # cores, every team sleeps instead of spinning. A step took four times as long (two cores, bundled
        # model: 4.3 ms instead of 1.05).
        with self._lock:
            if self._thread_runs or not self._waiting:
                return
            self._thread_runs = True
        threading.Thread(target=self._compile_all, daemon=True).start()

    def _compile_all(self) -> None:
        _give_way()
        reason = torch_names.uncompiled(self._device)  # here, since it takes seconds
        if reason is not None:
            self.stay_uncompiled(reason)
        while (job := self._next()) is not None:
            if reason is None:
                self._compile(*job)
            with self._lock:
                self.compiling -= 1

    def _next(self) -> tuple[Key, Callable[[], Run]] | None:
        """Take a graph that requests use, or the most needed of the others; None ends the thread."""
        with self._lock:
            self._waiting.sort(key=lambda job: (job[0] not in self._used, self._order(job[0])))
            self._thread_runs = bool(self._waiting)
            return self._waiting.pop(0) if self._waiting else None

    def _compile(self, key: Key, compile_it: Callable[[], Run]) -> None:
        try:
            try:
                run = compile_it()
            except Exception:
                if not compiled.discard():
                    raise
                traceback.print_exc()
                torch_names.forget_compiled_files()
                run = compile_it()
            self._runs[key] = run
            self.compiled += 1
        except Exception as error:  # inductor, triton and the C++ compiler raise their own
            traceback.print_exc()
            self.stay_uncompiled(f"{type(error).__name__}: {error}".splitlines()[0])


def _give_way() -> None:
    """Let requests have the processor before this thread, and before the compilers that it starts."""
    if sys.platform == "linux":  # elsewhere a priority is of the whole process
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
