"""In the background torch compiles first what requests use, then the most needed of the rest."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from codegemma_ui.workers.keras.steps.torch import NICE, TorchSteps, _compile_order  # noqa: E402

NAMES = [
    *(("step", 1, length) for length in (256, 512, 1024)),
    *(("prefill", 32, length) for length in (256, 512, 1024)),
    ("sample", 8192, 0),
]


class Compiling(TorchSteps):
    """Compiles names, one at a time, each when it is let."""

    def __init__(self) -> None:
        self._device, self._graphs = torch.device("cpu"), dict.fromkeys(NAMES, len)
        self._used, self._warm, self._compiled, self.compiling = set(), False, 0, len(NAMES)
        self._lock, self._compiler_runs = threading.Lock(), False
        self._to_compile = [(name, torch.nn.Identity(), [], ()) for name in NAMES]
        self.compiled: list[Any] = []
        self.next = threading.Semaphore(0)

    def _compile(self, key: Any, *_: Any) -> Any:
        self.next.acquire()
        self.compiled.append(key)
        if sys.platform == "linux":
            self.nice = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        return print

    def ask(self, name: str, count: int, length: int) -> None:
        """Use a program, as a request does."""
        self._graph_of(name, (torch.zeros(count),), [torch.zeros(length, 1)] if length else [])


def wait_for(holds: Any) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_the_shortest_cache_comes_first() -> None:
    steps = Compiling()
    steps.ask("step", 1, 1024)  # the warm-up's own
    steps.warmed()
    steps.next.release(len(NAMES))
    wait_for(lambda: not steps.compiling)
    assert steps.compiled == sorted(NAMES, key=lambda name: _compile_order((name,)))
    assert steps.compiled[:2] == [("step", 1, 256), ("prefill", 32, 256)]
    assert steps.compiled[-1] == ("sample", 8192, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="a thread's priority")
def test_requests_have_the_processor_before_it() -> None:
    steps = Compiling()
    steps.warmed()
    steps.next.release(len(NAMES))
    wait_for(lambda: not steps.compiling)
    assert steps.nice == NICE
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < NICE


def test_a_program_that_comes_later_is_compiled_too() -> None:
    steps = Compiling()
    steps.warmed()
    steps.next.release(len(NAMES))
    wait_for(lambda: not steps.compiling)
    late = ("prefill", 512, 1024)
    steps._compile_later(late, torch.nn.Identity(), [], ())
    assert steps.compiling == 1
    steps.next.release()
    wait_for(lambda: not steps.compiling)
    assert steps.compiled[-1] == late


def test_what_a_request_uses_comes_before() -> None:
    steps = Compiling()
    steps.warmed()
    steps.next.release()
    wait_for(lambda: steps.compiled)  # the next one is under way
    steps.ask("step", 1, 1024)
    steps.ask("sample", 8192, 0)
    steps.next.release(len(NAMES))
    wait_for(lambda: not steps.compiling)
    assert steps.compiled[2:4] == [("step", 1, 1024), ("sample", 8192, 0)]
    assert sorted(steps.compiled) == sorted(NAMES)
