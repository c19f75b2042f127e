"""Runs a program that a model wrote; a file by itself, with nothing of ours imported.

`supervisor` starts it behind the walls. A program runs as HumanEval's own harness runs it
(https://github.com/openai/human-eval/blob/master/human_eval/execution.py), so that it gets the same verdict:
in an empty namespace, where `__name__` is `builtins` and `__file__` is nothing; with what it prints kept in
memory, and an `OSError` for what it reads from stdin; with an exception raised in it when its time is up,
which it may catch and have a second more; passed where it ends without an exception, `SystemExit` being one.
What differs is what that harness puts in place of walls, and what an operator may want otherwise:

- it sets `os.remove`, `os.getcwd`, `os.kill`, `subprocess.Popen`, `shutil.rmtree` and their like, `exit`,
  `quit` and `help` to None, and lets `resource`, `psutil`, `tkinter` and `joblib` not be imported. Here they
  are what they are, and the walls stop them: a program that only asks for its folder is not wrong;
- there is no network, little memory, no file and no variable of the operator's;
- a program has the time that `execution` gives it, there 3 s by default;
- `sys.argv` and the module `__main__` are of another program, there the harness, here nobody's.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import types
from collections.abc import Iterator
from typing import Any, NoReturn

assert sys.platform == "linux"  # `execution` runs it nowhere else

REPORT = 3
"""Descriptor on which the outcome is told, in one line: the word, or `failed REASON`."""

GIVEN = 4
"""Descriptor that holds the program's source, then the word."""

STARTED = 5
"""Descriptor that is closed when the program's time begins."""

WORD_BYTES = 32


class _TimeIsUp(Exception):
    """Raised in the program; an `Exception`, as the harness's own."""


class _WriteOnly(io.StringIO):
    """What a program has for stdin, stdout and stderr."""

    def readable(self) -> bool:
        return False

    def _refuse(self, *_: Any) -> NoReturn:
        raise OSError

    read = readline = readlines = _refuse


def run(time_limit_s: float) -> None:
    """Run the program that is given; nothing it prints goes anywhere."""
    source = os.read(GIVEN, os.fstat(GIVEN).st_size - WORD_BYTES).decode()
    sys.modules["__main__"] = types.ModuleType("__main__")  # so that it finds nothing of ours there
    write, leave = os.write, os._exit  # ours, whatever it puts in their place
    os.close(STARTED)
    try:
        with contextlib.ExitStack() as stack:
            both = _WriteOnly()
            stack.enter_context(contextlib.redirect_stdout(both))
            stack.enter_context(contextlib.redirect_stderr(both))
            stack.callback(setattr, sys, "stdin", sys.stdin)
            sys.stdin = both
            stack.enter_context(_time_limit(time_limit_s))
            code = compile(source, "<string>", "exec", dont_inherit=True)
            # The word is a value of this expression and nothing else: no variable, container or open file has
            # it while the program runs, and an exception of the program's drops it.
            write(REPORT, (os.read(GIVEN, WORD_BYTES), os.close(GIVEN), exec(code, {}))[0])  # type: ignore[func-returns-value]
    except _TimeIsUp:
        outcome = "time limit"
    except BaseException as error:  # SystemExit too: a program that leaves early has not passed
        outcome = type(error).__name__
    else:
        leave(0)  # no thread or exit handler of the program's may go on
    try:
        write(REPORT, f"failed {outcome}".encode(errors="replace"))
    finally:
        leave(1)


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    def end(*_: object) -> NoReturn:
        raise _TimeIsUp

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    run(float(sys.argv[1]))
