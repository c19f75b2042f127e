"""Behaviour of CLI commands: closed output streams, and messages about missing flag values."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TextIO

from codegemma_ui.errors import BadInput, PlaygroundError

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction["Parser"]
    """Accepts the parser of a command."""
else:
    Commands = object

DONE, ENGINE_ERROR, BAD_INPUT, CANCELLED = 0, 1, 2, 130

READER_GONE = 141
"""Exit code of a command ended by SIGPIPE, as in shells: 128 plus the signal's 13."""

CANNOT_WRITE = 1


class Cancelled(Exception):
    """A user or a service manager ended the command."""


class Reported(Exception):
    """A command failed, and has already reported why in a form of its own.

    Args:
        error: the reported error.
    """

    def __init__(self, error: PlaygroundError) -> None:
        super().__init__(str(error))
        self.error = error


def code_of(error: PlaygroundError) -> int:
    """Return the exit code of an error, which tells bad input from engine errors."""
    wrong = isinstance(error, BadInput) or error.code == BadInput.code
    return BAD_INPUT if wrong else ENGINE_ERROR


def run_quietly(command: Callable[[], int]) -> int:
    """Run a command; if the reader of its output is gone (`… | head -1`), end it silently.

    Returns:
        Its exit code, or `READER_GONE`, or `CANNOT_WRITE`, with a message, if the output cannot be written,
        for example to a full disk.
    """
    _open_what_is_closed()
    try:
        try:
            code = command()
        except SystemExit as left:  # argparse's, after help or a usage message
            code = left.code if isinstance(left.code, int) else int(left.code is not None)
        _flush()
    except OSError as error:
        _write_nowhere()
        if _reader_gone(error):
            return READER_GONE
        if error.filename is not None or error.errno != errno.ENOSPC:
            raise  # not about the command's output
        with contextlib.suppress(OSError):
            print(
                f"error: The output cannot be written. Received: {error.strerror}", file=sys.stderr
            )
        return CANNOT_WRITE
    return code


def _reader_gone(error: OSError) -> bool:
    """Return whether the error is a pipe without a reader; in a command's own thread only stdout and stderr
    are pipes. Windows reports `EINVAL`."""
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)


def _open_what_is_closed() -> None:
    """Replace closed stdin, stdout or stderr (`2>&-`) with null streams.

    Python sets them to None, which `print` takes for stdout; and the next opened file would get the number of
    the closed one.
    """
    # In the order of their numbers.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115, PTH123
            os.set_inheritable(stream.fileno(), True)  # like the original
            setattr(sys, name, stream)


def _streams() -> tuple[TextIO, ...]:
    return (sys.stdout, sys.stderr)


def _flush() -> None:
    """Flush output, so that errors occur before the interpreter ends."""
    for stream in _streams():
        stream.flush()


def _write_nowhere() -> None:
    """Redirect output to the null device, so that the final flush does not fail.

    https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in _streams():
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError, ValueError):  # in tests one may have no number
                os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` with advice on values that look like flags: `--prefix '--i'`."""

    _given: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and remember the arguments."""
        self._given = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """Accept `--prefix=--`, whose value Python before 3.13 drops (cpython#59317)."""
        if action.nargs is None and arg_strings == ["--"]:
            value = self._get_value(action, "--")
            self._check_value(action, value)
            return value
        return super()._get_values(action, arg_strings)

    def error(self, message: str) -> Any:
        """Report an error, and exit.

        Raises:
            BadInput: instead of a usage message, if a flag lacks its value.
        """
        found = re.match(r"argument (--[\w-]+).*: expected (?:at least )?one argument$", message)
        if found is None:
            super().error(message)
        flag = found[1]
        after = _after(flag, self._given)
        if after is None:
            raise BadInput(f"{flag} must have a value. Received: none.")
        raise BadInput(
            f"{flag} must have a value. Received: {after!r}, which looks like another flag.",
            f"If it is the value, write both as one word: {shlex.quote(f'{flag}={after}')}",
        )


def _after(flag: str, given: Sequence[str]) -> str | None:
    """Return the argument after a flag, which may be abbreviated, if it looks like a flag itself."""
    for one, following in pairwise(given):
        shortened = one.startswith("--") and len(one) > 2 and flag.startswith(one)
        if shortened and following.startswith("-"):
            return following
    return None
