"""Run a model-written program; a standalone file that imports nothing of ours.

`supervisor` starts it inside the containment. A program runs as in HumanEval's own harness
(https://github.com/openai/human-eval/blob/master/human_eval/execution.py), so that it gets the same verdict:
in an empty namespace, where `__name__` is `builtins` and `__file__` is undefined; with its output kept in
memory, and an `OSError` for reads from stdin; with an exception raised in it when its time is up, which it
may catch and continue for one second; passed if it ends without an exception, including `SystemExit`. The
differences are what that harness does instead of containment, and what an operator may want otherwise:

- it sets `os.remove`, `os.getcwd`, `os.kill`, `subprocess.Popen`, `shutil.rmtree` and the like, `exit`,
  `quit` and `help` to None, and prevents imports of `resource`, `psutil`, `tkinter` and `joblib`. Here they
  are unchanged, and the containment stops them: a program that only queries its folder is not wrong;
- there is no network, little memory, and no file or variable of the operator's;
- a program has the time limit of `execution`; there it is 3 s by default;
- `sys.argv` and the module `__main__` are of another program, there the harness, here an empty one.
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
"""Descriptor for the outcome, in one line: the word, or `failed REASON`."""

GIVEN = 4
"""Descriptor with the program's source, then the word."""

STARTED = 5
"""Descriptor that is closed when the program's time begins."""

WORD_BYTES = 32


class _TimeIsUp(Exception):
    """Raised in the program; an `Exception`, as in the harness."""


class _WriteOnly(io.StringIO):
    """The program's stdin, stdout and stderr."""

    def readable(self) -> bool:
        return False

    def _refuse(self, *_: Any) -> NoReturn:
        raise OSError

    read = readline = readlines = _refuse


def run(time_limit_s: float) -> None:
    """Run the given program and discard its output."""
    source = os.read(GIVEN, os.fstat(GIVEN).st_size - WORD_BYTES).decode()
    sys.modules["__main__"] = types.ModuleType("__main__")  # hides ours
    write, leave = os.write, os._exit  # originals, whatever it replaces them with
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
            # The word is only a value of this expression: no variable, container or open file holds it while
            # the program runs, and an exception of the program's drops it.
            write(REPORT, (os.read(GIVEN, WORD_BYTES), os.close(GIVEN), exec(code, {}))[0])  # type: ignore[func-returns-value]
    except _TimeIsUp:
        outcome = "time limit"
    except BaseException as error:  # including SystemExit: exiting early is not passing
        outcome = type(error).__name__
    else:
        leave(0)  # no thread or exit handler of the program's may continue
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
