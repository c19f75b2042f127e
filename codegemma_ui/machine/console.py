"""What a terminal or a pipe can show: text of any language, whatever the system's code page."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterator


def settle() -> None:
    """Let no character that is printed end the program.

    A terminal keeps its encoding, and is shown what that lacks as an escape. A pipe or a file gets UTF-8: the
    code page of Korean Windows has no `é`, and JSON is UTF-8 by definition. `PYTHONIOENCODING` decides first.
    """
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, io.TextIOWrapper):
            continue
        if stream.isatty() or os.environ.get("PYTHONIOENCODING"):
            stream.reconfigure(errors="backslashreplace")
        else:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def log_what_is_not_told() -> None:
    """Let the log, which a command has no other place for than stderr, repeat nothing: what it warns of, the
    command tells in a sentence; an error in the log is the rest of what a process said before it died.
    """
    logging.getLogger("codegemma_ui").setLevel(logging.ERROR)


@contextlib.contextmanager
def redirected(written: int, onto: int) -> Iterator[None]:
    """Let what anybody writes to a file descriptor, a library in C too, go onto another for the block.

    Args:
        written: 1 for stdout, 2 for stderr.
        onto: where it goes instead.
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
    """Return a text with what stdout cannot encode as escapes; for a stream that is not ours to settle."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
