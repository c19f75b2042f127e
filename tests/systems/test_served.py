"""The page and `doctor`, with our modules limited as on macOS and Windows."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
from gradio_client import Client

from tests.systems.watching import runs, wait_until

ROOT = Path(__file__).parent.parent.parent


def test_the_page_is_served_and_ends_with_a_signal(
    environ: dict[str, str], processes: list[subprocess.Popen[bytes]]
) -> None:
    process = subprocess.Popen(
        [sys.executable, "app.py", "--port", "0"], cwd=ROOT, env=environ, stdout=subprocess.PIPE
    )
    processes.append(process)
    assert process.stdout is not None
    address = process.stdout.readline().decode().split()[-1]
    page = Client(address, verbose=False)
    wait_until(lambda: page.predict(api_name="/status")["state"] == "ready")
    *_, last = page.submit(prefix="# 한글 é 😀", api_name="/complete")
    assert (last["event"], last["middle"]) == ("done", "# 한글 é 😀")
    family = [one.pid for one in psutil.Process(process.pid).children(recursive=True)]
    assert len(family) == 2
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    wait_until(lambda: not any(map(runs, family)))


def test_doctor_tells_the_memory(environ: dict[str, str]) -> None:
    command = [sys.executable, "-m", "codegemma_ui", "doctor", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    memory = json.loads(done.stdout)["memory"]
    assert 0 < memory["available"] <= memory["total"]
