"""Run the program that serves the page, and wait for its address."""

from __future__ import annotations

import contextlib
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.speed.conversation import last_line

STARTS_WITHIN_S = 60.0
ENDS_WITHIN_S = 20.0
LOOK_S = 0.05


class NotServed(Exception):
    """The page did not start; the message is the last line that it wrote."""


@dataclass(frozen=True)
class Served:
    """A page that listens.

    Attributes:
        url: its address.
        process: its own process; the model's is a child of it.
    """

    url: str
    process: psutil.Process


@contextlib.contextmanager
def serving(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """Run the command of a page until the end of the block.

    Args:
        command: program and arguments.
        environment: of its process; None for ours.

    Raises:
        NotServed: it did not start.
    """
    with tempfile.TemporaryDirectory(prefix="page-") as scratch:
        said = Path(scratch, "said")
        with said.open("wb") as log:
            process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            yield Served(_address(process, said), psutil.Process(process.pid))
        finally:
            process.terminate()
            try:
                process.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline, said = time.monotonic() + STARTS_WITHIN_S, ""
    while time.monotonic() < deadline:
        said = log.read_text(encoding="utf-8", errors="replace")
        found = re.search(r"http://\S+", said)
        if found:
            return found[0]
        if process.poll() is not None:
            break
        time.sleep(LOOK_S)
    raise NotServed(last_line(said) or "the page did not start")
