"""In the background torch compiles first what requests use, then the most needed of the rest."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

import pytest

pytest.importorskip("torch")

from codegemma_ui.workers.keras.steps import torch_names
from codegemma_ui.workers.keras.steps.torch_compiling import NICE, Graphs

NAMES = [
    *(("step", length) for length in (1024, 256, 512)),
    *(("prefill", length) for length in (1024, 256, 512)),
    ("sample", 0),
]
"""Shortest cache first, sampling last: see `order`."""


def order(key: Any) -> Any:
    name, length = key
    return name == "sample", length, name != "step"


class Compiler:
    """Compiles graphs one at a time, each when it is let."""

    def __init__(self) -> None:
        self.graphs = Graphs("cpu", order)
        self.compiled: list[Any] = []
        self.next = threading.Semaphore(0)
        for name in NAMES:
            self.add(name)

    def add(self, name: Any) -> None:
        self.graphs.add(name, print, lambda: self._compile(name))

    def _compile(self, name: Any) -> Any:
        self.next.acquire()
        self.compiled.append(name)
        if sys.platform == "linux":
            self.nice = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        return len

    def finish(self, count: int = len(NAMES)) -> None:
        """Let so many be compiled, and wait until all are."""
        self.next.release(count)
        wait_for(lambda: not self.graphs.compiling)


def wait_for(holds: Any) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Compiler:
    monkeypatch.setattr(torch_names, "uncompiled", lambda _: None)
    return Compiler()


def test_nothing_is_compiled_before_the_warm_up_has_ended(compiler: Compiler) -> None:
    compiler.next.release()
    time.sleep(0.05)
    assert compiler.compiled == []
    assert compiler.graphs.compiling == len(NAMES)


def test_the_order_is_kept_among_those_that_nobody_has_used(compiler: Compiler) -> None:
    compiler.graphs.find(("step", 1024))  # the warm-up's own
    compiler.graphs.warmed()
    compiler.finish()
    assert compiler.compiled == sorted(NAMES, key=order)
    assert compiler.graphs.compiled == len(NAMES)


def test_a_graph_runs_as_it_is_until_it_is_compiled(compiler: Compiler) -> None:
    assert compiler.graphs.find(NAMES[0]) is print
    compiler.graphs.warmed()
    compiler.finish()
    assert compiler.graphs.find(NAMES[0]) is len


@pytest.mark.skipif(sys.platform != "linux", reason="a thread's priority")
def test_requests_have_the_processor_before_it(compiler: Compiler) -> None:
    compiler.graphs.warmed()
    compiler.finish()
    assert compiler.nice == NICE
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < NICE


def test_a_graph_that_comes_later_is_compiled_too(compiler: Compiler) -> None:
    compiler.graphs.warmed()
    compiler.finish()
    compiler.add(late := ("prefill", 2048))
    assert compiler.graphs.compiling == 1
    compiler.finish(1)
    assert compiler.compiled[-1] == late


def test_what_a_request_uses_comes_before(compiler: Compiler) -> None:
    compiler.graphs.warmed()
    compiler.next.release()
    wait_for(lambda: compiler.compiled)  # the next one is under way
    compiler.graphs.find(("step", 1024))
    compiler.graphs.find(("sample", 0))
    compiler.finish()
    assert compiler.compiled[2:4] == [("step", 1024), ("sample", 0)]
    assert sorted(compiler.compiled) == sorted(NAMES)


def test_one_that_fails_stays_as_it_is_and_later_ones_are_not_tried(compiler: Compiler) -> None:
    def fail() -> Any:
        raise RuntimeError("no room\nfor it")

    compiler.graphs.add(("verify", 64), print, fail)
    compiler.graphs.warmed()
    compiler.finish()
    assert compiler.graphs.find(("verify", 64)) is print
    assert compiler.graphs.compiled == len(NAMES)
    assert compiler.graphs.note == ("torch runs uncompiled, which is slower: RuntimeError: no room")
    compiler.add(("prefill", 2048))
    assert compiler.graphs.compiling == 0
