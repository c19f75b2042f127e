"""Manners of a shell's command: what it does where nobody reads it, and how it says what a flag lacks."""

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
    """Takes a command's parser."""
else:
    Commands = object

DONE, ENGINE_ERROR, BAD_INPUT, CANCELLED = 0, 1, 2, 130

NOBODY_READS = 141
"""The exit code of a command that SIGPIPE ends, as shells tell it: 128 and the signal's 13."""

CANNOT_WRITE = 1


class Cancelled(Exception):
    """A person or a service manager ended the command."""


class Told(Exception):
    """A command failed, and has told why in a form of its own.

    Args:
        error: what it told.
    """

    def __init__(self, error: PlaygroundError) -> None:
        super().__init__(str(error))
        self.error = error


def code_of(error: PlaygroundError) -> int:
    """Return the exit code of an error: whose input was wrong, or what could not be done with it."""
    wrong = isinstance(error, BadInput) or error.code == BadInput.code
    return BAD_INPUT if wrong else ENGINE_ERROR


def mannerly(command: Callable[[], int]) -> int:
    """Run a command; where the reader of its output has left (`… | head -1`), end it without a word.

    Returns:
        Its exit code, or `NOBODY_READS`, or `CANNOT_WRITE` where the output cannot be written, to a full disk
        say, which is told.
    """
    _open_what_is_closed()
    try:
        try:
            code = command()
        except SystemExit as left:  # argparse's, after a help or a usage
            code = left.code if isinstance(left.code, int) else int(left.code is not None)
        _flush()
    except OSError as error:
        _write_nowhere()
        if _nobody_reads(error):
            return NOBODY_READS
        if error.filename is not None or error.errno != errno.ENOSPC:
            raise  # not of what a command writes
        with contextlib.suppress(OSError):
            print(
                f"error: The output cannot be written. Received: {error.strerror}", file=sys.stderr
            )
        return CANNOT_WRITE
    return code


def _nobody_reads(error: OSError) -> bool:
    """Whether it says that a pipe has no reader; nothing but stdout and stderr is a pipe to a command's own
    thread. Windows says `EINVAL`."""
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)


def _open_what_is_closed() -> None:
    """Give a command that was started without stdin, stdout or stderr (`2>&-`) ones that lead nowhere.

    Python has None in their places, for which `print` takes stdout; and the next file that is opened would
    get the number of the closed one.
    """
    # In the order of their numbers.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115, PTH123
            os.set_inheritable(stream.fileno(), True)  # as the one in whose place it stands
            setattr(sys, name, stream)


def _streams() -> tuple[TextIO, ...]:
    return (sys.stdout, sys.stderr)


def _flush() -> None:
    """Write what waits, so that it does not fail while the interpreter ends."""
    for stream in _streams():
        stream.flush()


def _write_nowhere() -> None:
    """Let the end of the interpreter flush what waits, where it fails no more.

    https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in _streams():
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError, ValueError):  # one of a test has no number
                os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that knows what to do about a text that reads as a flag: `--prefix '--i'`."""

    _given: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and remember what was given."""
        self._given = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """As it is, but `--prefix=--` has a value, which Python before 3.13 drops (cpython#59317)."""
        if action.nargs is None and arg_strings == ["--"]:
            value = self._get_value(action, "--")
            self._check_value(action, value)
            return value
        return super()._get_values(action, arg_strings)

    def error(self, message: str) -> Any:
        """Tell what is wrong, and exit.

        Raises:
            BadInput: in place of a usage, where a flag lacks its value.
        """
        found = re.match(r"argument (--[\w-]+).*: expected (?:at least )?one argument$", message)
        if found is None:
            super().error(message)
        flag = found[1]
        after = _after(flag, self._given)
        if after is None:
            raise BadInput(f"{flag} must have a value. Received: none.")
        raise BadInput(
            f"{flag} must have a value. Received: {after!r}, which reads as another flag.",
            f"If it is the value, write both as one word: {shlex.quote(f'{flag}={after}')}",
        )


def _after(flag: str, given: Sequence[str]) -> str | None:
    """What follows a flag, which may be shortened, where it begins like a flag itself."""
    for one, following in pairwise(given):
        shortened = one.startswith("--") and len(one) > 2 and flag.startswith(one)
        if shortened and following.startswith("-"):
            return following
    return None
