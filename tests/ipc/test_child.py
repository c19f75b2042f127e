"""The worker's end of the pipe: the worker ends with the page, however the page ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support import ROOT

PROGRAM = """
import threading
from codegemma_ui.ipc.child import Inbox
inbox = Inbox(lambda message: print(message, flush=True))
print("up", flush=True)
threading.Event().wait()
"""


@pytest.mark.parametrize(
    "sent", [b"", b'{"op": "ping"}\n', b'{"op": "complete", "requ', b"no json\n"]
)
def test_a_worker_ends_when_its_page_is_gone(sent: bytes) -> None:
    """A page killed while it sends a long request leaves part of a line."""
    worker = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        assert worker.stdout.readline() == b"up\n"
        worker.stdin.write(sent)
        worker.stdin.close()
        worker.wait(10)
    finally:
        worker.kill()
        worker.stdout.close()
