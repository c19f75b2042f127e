"""Generated programs run in the sandbox, or not at all."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from pathlib import Path

import pytest

from codegemma_ui.commands.evaluate import execution
from codegemma_ui.commands.evaluate.execution import Verdict
from codegemma_ui.errors import BadInput
from tests.commands.evaluate.own_tasks import make_task
from tests.commands.evaluate.programs import execute, running


def test_a_right_middle_passes_and_a_wrong_one_fails() -> None:
    task = make_task()
    assert execute(execution.program(task, "    total = a + b\n")) == Verdict(True)
    wrong = execute(execution.program(task, "    total = a - b\n"))
    assert wrong == Verdict(False, "AssertionError")
    assert execute(execution.program(task, "    total =\n")) == Verdict(False, "SyntaxError")


def test_leaving_early_is_not_passing() -> None:
    assert execute("raise SystemExit(0)") == Verdict(False, "SystemExit")
    assert execute("import os; os._exit(0)") == Verdict(False, "ended early")


def test_a_program_that_does_not_end_is_killed_with_all_it_started() -> None:
    started = time.monotonic()
    mark = "86399.25"  # seconds, and a name for the process to look for
    source = f"import os, subprocess\nsubprocess.Popen(['sleep', '{mark}'])\nos.setsid()\n"
    assert execute(f"{source}while True: pass", 2.0) == Verdict(False, "time limit")
    assert time.monotonic() - started < 10
    deadline = time.monotonic() + 5
    while any(mark in arguments for arguments in running()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_program_that_eats_memory_fails() -> None:
    assert execute("held = 'x' * 2**31") == Verdict(False, "MemoryError")


def test_there_is_no_network_not_even_to_this_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        port = server.getsockname()[1]
        source = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), timeout=2)"
        assert execute(source) == Verdict(False, "OSError")
        with pytest.raises(TimeoutError):
            server.accept()
    assert not execute("import socket; socket.create_connection(('192.0.2.1', 80), 2)").passed


def test_it_can_write_to_its_empty_folder_and_nowhere_else(tmp_path: Path) -> None:
    here = "import os\nassert os.listdir() == []\nopen('x', 'w').write('y')\n"
    assert execute(here) == Verdict(True)
    (tmp_path / "precious").write_text("kept")
    for attempt, failure in (
        (f"import os\nos.remove({str(tmp_path / 'precious')!r})", "FileNotFoundError"),
        (f"open({str(tmp_path / 'new')!r}, 'w')", "FileNotFoundError"),
        ("import os\nos.remove(os.__file__)", "OSError"),
        ("open('/new', 'w')", "OSError"),
        ("open('large', 'w').write('x' * 2**25)", "OSError"),
    ):
        assert execute(attempt) == Verdict(False, failure), attempt
    assert [file.name for file in tmp_path.iterdir()] == ["precious"]


def test_it_sees_no_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_KEY", "hush")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    source = "import os, sys\nassert 'KAGGLE_KEY' not in os.environ and sys.flags.isolated"
    assert execute(source) == Verdict(True)


def test_it_cannot_signal_other_processes() -> None:
    assert not execute(f"import os; os.kill({os.getpid()}, 0)").passed


def test_without_walls_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = tmp_path / "refusing.py"
    refusing.write_text("print('refused unshare: Operation not permitted')")
    monkeypatch.setattr(execution, "_CONTAINMENT", refusing)
    with pytest.raises(BadInput) as caught:
        asyncio.run(execution.check_containment())
    assert "Received: unshare: Operation not permitted" in str(caught.value)
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(BadInput, match="needs Linux"):
        asyncio.run(execution.check_containment())
