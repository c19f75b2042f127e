"""The program as served by `python app.py`, over the scripted worker: `python -m tests.server.scripted_page`.

It takes the flags of `serve`. `SCRIPTED_WORKER` holds further options of the worker, and
`SCRIPTED_WORKER_FILE` replaces `tests/support/scripted_worker.py` with another file.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.support import WORKER

ROOT = Path(__file__).parent.parent.parent
SCRIPTED, REAL = "tests.server.scripted_page", "codegemma_ui"
SPELLING_WORKER = WORKER.with_name("spelling_worker.py")
CANARY = "canary-of-a-person"
"""Text of somebody that must turn up nowhere else."""


@dataclass(frozen=True)
class Page:
    """A served page.

    Attributes:
        url: without a slash at its end.
        process: of the page; its worker is a child of it.
    """

    url: str
    process: subprocess.Popen[str]
    errors: IO[str]

    def log(self) -> str:
        """Return what was written to stderr so far."""
        self.errors.seek(0)
        return self.errors.read()

    def workers(self) -> list[int]:
        """Return the process ids of the living children."""
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return sorted(int(pid) for file in children for pid in file.read_text().split())


@contextmanager
def serving(
    *flags: str,
    module: str = SCRIPTED,
    port: int = 0,
    within: Sequence[str] = (),
    **environ: str,
) -> Iterator[Page]:
    """Serve until the end of the block.

    Args:
        flags: of `serve`.
        module: that serves it; `REAL` has the real engine.
        port: to listen on; 0 takes any free one.
        within: a command that runs another one in its place, such as prlimit.
        environ: added to our own environment. `CODEGEMMA_UI_MAX_LENGTH` is 128 if not given; empty lets
            max_length follow the text.
    """
    command = [*within, sys.executable, "-m", module, *flags, "--port", str(port)]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"CODEGEMMA_UI_MAX_LENGTH": "128"} | environ,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                found = re.search(r"((?:https?://|unix:)\S+?)/?$", line)
                if found:
                    break
            else:
                errors.seek(0)
                raise AssertionError(f"it ended without serving:\n{errors.read()}")
            yield Page(found[1], process, errors)
        finally:
            process.terminate()
            try:
                process.wait(20)
            finally:
                process.kill()


def wait_until(condition, timeout_s: float = 20.0) -> None:
    """Wait for a condition, and fail if it is not met in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def main() -> None:
    from codegemma_ui.ui import gradio_setup

    gradio_setup.before_import()
    from codegemma_ui import settings
    from codegemma_ui.client.client import Choice, EngineClient
    from codegemma_ui.server import logs
    from codegemma_ui.server.observed import observe
    from codegemma_ui.server.serving import launch
    from codegemma_ui.ui import layout

    def command(choice: Choice, folder: Path) -> Sequence[str]:
        named = ("--preset", choice.preset.name, "--backend", choice.backend)
        further = os.environ.get("SCRIPTED_WORKER", "").split()
        worker = os.environ.get("SCRIPTED_WORKER_FILE", str(WORKER))
        return [sys.executable, worker, *named, *further]

    parser = argparse.ArgumentParser()
    settings.add_serve_flags(parser)
    chosen = settings.resolve(parser.parse_args())
    logs.configure(chosen.log_level)
    client = EngineClient(chosen, command, most_waiting=chosen.queue_size)
    metrics = observe(client)
    client.start()
    try:
        launch(layout.build(client, chosen), client, chosen, metrics)
    finally:
        client.close()


if __name__ == "__main__":
    main()
