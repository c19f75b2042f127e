"""A child process that exchanges JSON, one object per line: workers and the downloader.

It knows nothing of the messages' meaning. Lines that are not JSON objects are library output and are dropped;
a message that its reader rejects ends the child; the last part of stderr is kept for crash reports.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import logging
import os
import queue
import shutil
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from codegemma_ui import installation, secrets
from codegemma_ui.machine import proxies
from codegemma_ui.machine.process_tree import ProcessTree, detached

log = logging.getLogger(__name__)

STDERR_LINES = 200


def environment() -> dict[str, str]:
    """Return our environment for a child: it can import this package, has the user's credentials and proxies,
    and uses UTF-8 for stdio as we do, whatever the system's code page.
    """
    installation.settle_home()
    root = _package_alone()
    given = proxies.original(secrets.cleaned(os.environ))
    path = given.get("PYTHONPATH")
    return {
        **given,
        "PYTHONPATH": f"{root}{os.pathsep}{path}" if path else root,
        "PYTHONIOENCODING": "utf-8",
    }


@cache
def _package_alone() -> str:
    """Return a folder with this package and no library, for children of any interpreter to import from.

    An installed package is among our interpreter's libraries, but a child's own must take precedence, or jax
    would import tensorflow's environment.
    """
    if installation.in_checkout():
        return str(installation.PACKAGE.parent)
    try:
        folder = tempfile.mkdtemp(prefix="codegemma-ui-")
    except OSError:  # no space for temporary files, which our own interpreter's workers do not need
        return str(installation.PACKAGE.parent)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    alone = Path(folder) / installation.PACKAGE.name
    try:
        alone.symlink_to(installation.PACKAGE)
    except OSError:  # on Windows only some users may create links
        shutil.copytree(installation.PACKAGE, alone)
    return folder


class LineProcess:
    """Start a child; `on_message` gets its messages and `on_exit` its exit code, both on our thread.

    Args:
        command: program and arguments.
        environment: the child's whole environment.
        on_message: called with each JSON object, in order; if it raises, the child is killed.
        on_exit: called once, after the last message.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        on_message: Callable[[dict[str, Any]], None],
        on_exit: Callable[[int], None],
    ) -> None:
        self._on_message, self._on_exit = on_message, on_exit
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES)
        self._outgoing: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._child = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            # Ctrl+C in a terminal reaches the whole group; the child must survive it to answer a cancel.
            **detached(),
        )
        if isinstance(self._child.stdin, io.TextIOWrapper):
            self._child.stdin.reconfigure(newline="\n")  # on Windows too
        self._tree = ProcessTree(self._child.pid)
        self._stderr_reader = threading.Thread(target=self._read_stderr, daemon=True)
        self._stderr_reader.start()
        for target in (self._read_stdout, self._write_stdin):
            threading.Thread(target=target, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def stderr_tail(self) -> str:
        """Return the last lines the child wrote to stderr."""
        return "\n".join(list(self._stderr))

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one line, in the background, so that a child that does not read blocks no caller.

        If the child is gone, its `on_exit` reports that.
        """
        self._outgoing.put(json.dumps(message) + "\n")

    def stop(self, grace_s: float = 5.0) -> None:
        """Close its stdin so that it ends, wait, then kill it; returns once it is gone."""
        self._outgoing.put(None)
        try:
            self._child.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill it at once, with its child processes; returns once it is gone."""
        self._tree.kill()
        with contextlib.suppress(OSError):
            self._child.kill()
        self._child.wait()

    def _write_stdin(self) -> None:
        assert self._child.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            while (line := self._outgoing.get()) is not None:
                self._child.stdin.write(line)
                self._child.stdin.flush()
        with contextlib.suppress(OSError, ValueError):
            self._child.stdin.close()

    def _read_stdout(self) -> None:
        assert self._child.stdout is not None
        with self._child.stdout as lines:
            for line in lines:
                try:
                    message = json.loads(line)
                except ValueError:
                    continue
                if not isinstance(message, dict):
                    continue
                try:
                    self._on_message(message)
                except Exception:
                    log.exception("process %s sent an unexpected message; it is ended", self.pid)
                    self._tree.kill()
                    break
        code = self._child.wait()
        self._outgoing.put(None)
        self._tree.kill()  # such as a compiler it had started
        self._stderr_reader.join(timeout=0.3)
        self._on_exit(code)

    def _read_stderr(self) -> None:
        assert self._child.stderr is not None
        with self._child.stderr as lines:
            for line in lines:
                self._stderr.append(line.rstrip())
