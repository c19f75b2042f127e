"""Start, complete, stop, switch and end with our modules limited as on macOS and Windows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.systems import profiles
from tests.systems.watching import runs, wait_until

ROOT = Path(__file__).parent.parent.parent
DONE, BAD_INPUT, CANCELLED = 0, 2, 130
CTRL_BREAK = signal.SIGTTIN  # the signal behind the simulated SIGBREAK


def run(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, env=environ, capture_output=True, timeout=60
    )


def test_a_profile_lacks_what_its_system_lacks() -> None:
    windows, macos = profiles.profile("windows"), profiles.profile("macos")
    assert {"killpg", "getuid", "setsid", "fork", "sysconf"} <= set(windows.missing["os"])
    assert {"SIGKILL", "SIGHUP", "SIGPIPE"} <= set(windows.missing["signal"])
    assert {"fcntl", "resource", "pwd"} <= set(windows.modules)
    assert "SIGBREAK" in windows.added["signal"]
    assert "CREATE_NEW_PROCESS_GROUP" in windows.added["subprocess"]
    assert "sched_getaffinity" in macos.missing["os"]
    assert not {"killpg", "fork"} & set(macos.missing["os"])
    assert "fcntl" not in macos.modules


def test_the_pages_client_goes_all_the_way(system: str, environ: dict[str, str]) -> None:
    done = run(environ, "tests.systems.journey")
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
    assert json.loads(done.stdout) == {
        "platform": profiles.SYSTEMS[system][0],
        "killpg": system == "macos",
        "sched_getaffinity": False,
        "started": 2,  # a worker and its compiler
        "completed": {"event": "done", "middle": "# 한글 é 😀"},
        "stopped": "cancelled",
        "old worker gone": True,
        "hung": "error",
        "hung worker gone": True,
        "completed after": {"event": "done", "middle": "again"},
        "closed": True,
    }


def test_a_worker_ends_with_a_page_that_is_killed(
    environ: dict[str, str], processes: list[subprocess.Popen[bytes]]
) -> None:
    page = subprocess.Popen(
        [sys.executable, "-m", "tests.systems.journey", "--leave"],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
    )
    processes.append(page)
    assert page.stdout is not None
    left = json.loads(page.stdout.readline())
    assert len(left) == 2
    # A Ctrl+C in the terminal goes to the page's group alone.
    assert all(os.getpgid(pid) != os.getpgid(page.pid) for pid in left)
    page.kill()
    wait_until(lambda: not any(map(runs, left)))


def test_complete_streams_bytes_as_they_are(environ: dict[str, str], tmp_path: Path) -> None:
    text = "# 한글 é 😀\r\n\tx = '▁'\n"
    (tmp_path / "before").write_bytes(text.encode())
    asked = ("codegemma_ui", "complete", "--prefix-file", str(tmp_path / "before"))
    done = run(environ, *asked)
    assert done.returncode == DONE, done.stderr.decode(errors="replace")
    assert done.stdout == text.encode()
    last = json.loads(run(environ, *asked, "--json").stdout.splitlines()[-1])
    assert (last["event"], last["middle"]) == ("done", text)


@pytest.mark.parametrize(
    ("system", "number"),
    [("macos", signal.SIGINT), ("windows", signal.SIGINT), ("windows", CTRL_BREAK)],
)
def test_ctrl_c_ends_complete_and_its_worker(
    environ: dict[str, str], number: signal.Signals, processes: list[subprocess.Popen[bytes]]
) -> None:
    command = [sys.executable, "-m", "codegemma_ui", "complete", "--json", "--prefix", "slow"]
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE)
    processes.append(process)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "token":
            break
    family = [one.pid for one in psutil.Process(process.pid).children(recursive=True)]
    assert len(family) == 2
    process.send_signal(number)
    last = json.loads(process.stdout.read().splitlines()[-1])
    assert process.wait(20) == CANCELLED
    assert last["event"] == "cancelled"
    assert last["completion_tokens"] > 0
    wait_until(lambda: not any(map(runs, family)))


def test_eval_runs_and_executes_nothing(
    system: str, environ: dict[str, str], tmp_path: Path
) -> None:
    task = {
        "task_id": "own/1",
        "entry_point": "f",
        "prompt": "def f():\n    return 1  # 한글\n",
        "suffix": "",
        "canonical_solution": "",
        "test": "",
    }
    (tmp_path / "own.jsonl").write_text(json.dumps(task) + "\n", encoding="utf-8")
    results = tmp_path / "results.jsonl"
    asked = [
        *("codegemma_ui", "eval", "--dataset", str(tmp_path / "own.jsonl")),
        *("--results", str(results), "--json"),
    ]
    refused = run(environ, *asked, "--execute")
    assert refused.returncode == BAD_INPUT
    assert refused.stdout == b""
    (said,) = refused.stderr.decode().splitlines()
    assert said.startswith("error: --execute needs Linux")
    assert said.endswith(f"Received: {profiles.SYSTEMS[system][0]}")
    assert not results.exists()
    done = run(environ, *asked)
    assert done.returncode == DONE, done.stderr.decode(errors="replace")
    assert json.loads(done.stdout)["tasks"] == 1
    assert json.loads(results.read_text(encoding="utf-8").splitlines()[1])["task_id"] == "own/1"


def test_what_a_command_prints_never_ends_it(environ: dict[str, str], tmp_path: Path) -> None:
    named = "--prefix-file", str(tmp_path / "é 😀")
    done = run(environ, "codegemma_ui", "complete", *named)
    assert done.returncode == BAD_INPUT
    assert "é 😀" in done.stderr.decode()
    done = run(environ, "codegemma_ui", "presets")
    assert done.returncode == DONE, done.stderr.decode(errors="replace")
    assert "code_gemma_2b_en" in done.stdout.decode()
