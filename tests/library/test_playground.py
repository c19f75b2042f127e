"""A Playground on a scripted worker: order of requests, errors, and closing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from codegemma_ui import Playground, machine
from codegemma_ui.errors import (
    BadInput,
    DownloadFailed,
    EngineError,
    LoadFailed,
    NotEnoughMemory,
    NotReady,
    UnknownPreset,
    WorkerDied,
)
from codegemma_ui.ipc.messages import DoneEvent, PromptEvent, TokenEvent
from codegemma_ui.presets import BUNDLED_FOLDER
from tests.library.scripted import Scripted
from tests.support import ROOT, WORKER
from tests.support.events import done_of
from tests.support.hubs import Faults, KaggleHub, isolate_this_process
from tools.reliability.processes import children, wait_until

CODE_GEMMA = "code_gemma_2b_en"


def workers() -> list[int]:
    """Return the scripted workers; another test's server may be a child of this process too."""
    found = []
    for pid in children(os.getpid()):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if b"scripted_worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def loops() -> int:
    """Return the event loops of Playgrounds that still run."""
    return sum(thread.name == "codegemma-ui" for thread in threading.enumerate())


# Results


def test_a_stream_is_events_and_the_last_one_is_done(scripted: Scripted) -> None:
    events = list(scripted().stream("hello", " world"))
    assert [type(event) for event in events] == [PromptEvent, TokenEvent, DoneEvent]
    assert done_of(events).program == "hellohello world"


def test_a_result_is_its_middle_and_has_the_rest(scripted: Scripted) -> None:
    result = scripted().complete("hello", " world", max_length=64)
    assert str(result) == result.middle == result.raw_output == "hello"
    assert result.program == "hellohello world"
    assert result.prompt == "scripted"
    assert [token.text for token in result.tokens] == ["hello"]
    assert (result.request.prefix, result.request.max_length) == ("hello", 64)
    assert (result.stop_reason, result.backend, result.completion_tokens) == (
        "max_length",
        "jax",
        1,
    )
    assert repr(result) == ("Result('hello', stop_reason='max_length', stop_token=None, tokens=1)")
    assert ">hello</mark>" in result._repr_html_()


def test_it_works_where_an_event_loop_runs(scripted: Scripted) -> None:
    async def cell() -> str:
        with scripted() as playground:
            return str(playground.complete("in a notebook"))

    assert asyncio.run(cell()) == "in a notebook"


def test_threads_wait_for_each_other(scripted: Scripted) -> None:
    playground = scripted()
    asked = [f"text {number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(playground.complete, asked))
    assert [str(result) for result in results] == asked


def test_a_stream_that_nobody_reads_holds_nobody_up(scripted: Scripted) -> None:
    playground = scripted()
    stream = playground.stream("first")
    next(stream)
    assert str(playground.complete("second")) == "second"
    assert [event.event for event in stream] == ["token", "done"]


# Errors


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {"backend": "theano"},
            "backend must be one of tensorflow, jax, torch. Received: 'theano'",
        ),
        ({"dtype": "int3"}, "dtype must be one of auto, float32"),
        ({"preset": 2}, "preset must be a name or a folder. Received: 2"),
    ],
)
def test_a_wrong_argument_is_said_before_anything_starts(
    arguments: dict[str, Any], said: str
) -> None:
    before = workers()
    with pytest.raises(BadInput, match=said):
        Playground(**arguments)
    assert workers() == before


def test_a_preset_that_nobody_knows_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnknownPreset, match="Received: 'gpt'"):
        Playground("gpt")
    with pytest.raises(UnknownPreset):
        Playground(tmp_path)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"prefix": 7}, "prefix must be a string. Received: int"),
        ({"max_length": 1025}, "max_length must be a whole number from 32 to 1024"),
        ({"maxlength": 64}, "Unknown setting. Received: 'maxlength'"),
    ],
)
def test_a_bad_request_is_raised_where_it_is_made(
    scripted: Scripted, fields: dict[str, Any], said: str
) -> None:
    playground = scripted()
    for ask in (playground.stream, playground.complete, playground.show, playground.prompt):
        with pytest.raises(BadInput, match=said):
            ask(**fields)
    assert str(playground.complete("and on")) == "and on"


def test_trouble_of_the_engine_is_raised_and_the_next_request_works(scripted: Scripted) -> None:
    playground = scripted()
    events = playground.stream("oom", max_length=128)
    assert next(events).event == "prompt"
    with pytest.raises(NotEnoughMemory, match="Lower max_length"):
        next(events)
    with pytest.raises(WorkerDied, match="being restarted"):
        playground.complete("crash")
    assert str(playground.complete("and on")) == "and on"


def test_a_model_that_cannot_load_raises_and_leaves_nothing(scripted: Scripted) -> None:
    with pytest.raises(LoadFailed, match=r"scripted\. again"):
        scripted("--fail", "jax")
    assert loops() == 0
    assert workers() == []


def test_an_error_without_a_class_keeps_its_code(scripted: Scripted) -> None:
    playground = scripted()
    for _ in range(5):  # crashes too often to be restarted
        with pytest.raises(EngineError) as caught:
            playground.complete("crash")
    assert caught.value.code == "worker_gone"


# Stopping


def interrupt_when(condition: Callable[[], object]) -> None:
    """Send an interrupt, as Ctrl+C or a notebook's stop button does, once a condition holds."""

    def wait() -> None:
        wait_until(condition)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=wait, daemon=True).start()


def test_closing_a_stream_cancels_it(scripted: Scripted) -> None:
    playground = scripted()
    events = playground.stream("slow")
    assert len(list(islice(events, 3))) == 3
    events.close()
    assert str(playground.complete("next")) == "next"
    assert scripted.noted("cancel") == 1


def test_leaving_a_loop_cancels_its_stream(scripted: Scripted) -> None:
    playground = scripted()
    for event in playground.stream("slow"):
        if event.event == "token":
            break
    assert str(playground.complete("next")) == "next"
    assert scripted.noted("cancel") == 1


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Restore the interrupt signal, which a shell ignores in background processes."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_cancels_a_completion(scripted: Scripted) -> None:
    playground = scripted()
    interrupt_when(lambda: scripted.noted("begun"))
    with pytest.raises(KeyboardInterrupt):
        playground.complete("slow")
    assert str(playground.complete("next")) == "next"
    assert scripted.noted("cancel") == 1


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_while_it_loads_leaves_nothing(scripted: Scripted) -> None:
    interrupt_when(lambda: workers())
    with pytest.raises(KeyboardInterrupt):
        scripted("--load-s", "60")
    assert loops() == 0
    assert workers() == []


# Closing


def test_close_ends_the_worker_and_whoever_waits_is_told(scripted: Scripted) -> None:
    playground = scripted()
    events = playground.stream("slow")
    assert len(list(islice(events, 3))) == 3
    threading.Timer(0.2, playground.close).start()
    with pytest.raises(NotReady, match=r"This Playground is closed\. Make another one\."):
        list(events)
    playground.close()
    assert repr(playground) == "Playground(closed)"
    wait_until(lambda: loops() == 0)
    wait_until(lambda: workers() == [])
    with pytest.raises(NotReady, match="closed"):
        playground.complete("too late")


def test_it_ends_when_nobody_holds_it(scripted: Scripted) -> None:
    playground = scripted()
    scripted.made.clear()
    playground.complete("hello")
    assert len(workers()) == 1
    del playground
    gc.collect()
    assert loops() == 0
    wait_until(lambda: workers() == [])


PROGRAM = f"""
import sys
from codegemma_ui import Playground
from codegemma_ui.client import lifecycle
lifecycle.worker_command = lambda choice, folder, settings: [
    sys.executable, {str(WORKER)!r}, "--preset", "bundled", "--backend", "jax"
]
playground = Playground(backend="jax")
print(playground.complete("hello"), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["by itself", "killed"])
def test_the_worker_ends_with_the_program(how: str) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "hello\n"
    [worker] = children(program.pid)
    if how == "killed":
        program.send_signal(signal.SIGKILL)
    _, errors = program.communicate(timeout=20)
    assert errors == ""
    wait_until(lambda: not Path(f"/proc/{worker}").exists())


# Display and download


def test_show_writes_the_middle_to_a_terminal(
    scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    result = scripted().show("hello")
    assert capsys.readouterr().out == f"{result.middle}\n" == "hello\n"


def test_a_download_tells_how_far_it_is(
    scripted: Scripted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    isolate_this_process(tmp_path, monkeypatch)
    monkeypatch.setattr(machine, "memory_bytes", lambda: (64 * 10**9, 64 * 10**9))
    with KaggleHub(BUNDLED_FOLDER, faults=Faults(bytes_per_second=8 * 2**20)) as hub:
        for name, value in hub.environment().items():
            monkeypatch.setenv(name, value)
        with scripted(preset=CODE_GEMMA) as playground:
            assert playground.status().preset == CODE_GEMMA
    told = capsys.readouterr().err
    assert f"\rdownloading {CODE_GEMMA} " in told
    assert told.endswith("%\n")


def test_a_download_without_a_key_says_what_to_do(
    scripted: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate_this_process(tmp_path, monkeypatch)
    monkeypatch.setattr(machine, "memory_bytes", lambda: (64 * 10**9, 64 * 10**9))
    with KaggleHub(BUNDLED_FOLDER, faults=Faults(requires_credentials=True)) as hub:
        for name, value in hub.environment().items():
            monkeypatch.setenv(name, value)
        with pytest.raises(DownloadFailed, match="KAGGLE_API_TOKEN") as caught:
            scripted(preset=CODE_GEMMA)
    assert caught.value.code == "no_credentials"
