"""Output of any language to a terminal or a pipe, whatever the system's code page."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterator


def settle() -> None:
    """Make sure that no printed character can crash the program.

    A terminal keeps its encoding, and unencodable characters are escaped. A pipe or a file gets UTF-8: the
    code page of Korean Windows has no `é`, and JSON is UTF-8 by definition. `PYTHONIOENCODING` takes
    precedence.
    """
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, io.TextIOWrapper):
            continue
        if stream.isatty() or os.environ.get("PYTHONIOENCODING"):
            stream.reconfigure(errors="backslashreplace")
        else:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def log_errors_only() -> None:
    """Limit the log on stderr, which a command shares with its messages, to errors: the command itself
    reports what the log would warn of; errors in the log are the rest of a crashed process's output.
    """
    logging.getLogger("codegemma_ui").setLevel(logging.ERROR)


@contextlib.contextmanager
def redirected(written: int, onto: int) -> Iterator[None]:
    """Redirect a file descriptor within the block, including output of C libraries.

    Args:
        written: 1 for stdout, 2 for stderr.
        onto: target descriptor.
    """
    stream = sys.stdout if written == 1 else sys.stderr
    stream.flush()
    private = os.dup(written)
    os.dup2(onto, written)
    try:
        yield
    finally:
        stream.flush()
        os.dup2(private, written)
        os.close(private)


def printable(text: str) -> str:
    """Escape what stdout cannot encode; for a stream that `settle` does not control."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
