"""Runs a program that a model wrote, cut off from the network and from everything it could write to.

A process of its own, with nothing of ours imported: `execution` starts it as a file under `python -I`, and
writes the program to its stdin. `contain` builds the walls and starts `run` behind them:

- new namespaces: no network device at all, no other process to see or signal, and the end of the program
  is the end of whatever it started (https://man7.org/linux/man-pages/man7/namespaces.7.html);
- every file system read-only, the working directory a small one in memory;
- limits of memory, processor time, file size, open files and processes (Linux counts the last for every
  user but root).

Behind them a program runs as HumanEval's own harness runs it
(https://github.com/openai/human-eval/blob/master/human_eval/execution.py), so that it gets the same verdict:
in an empty namespace, where `__name__` is `builtins` and `__file__` is nothing; with what it prints kept in
memory, and an `OSError` for what it reads from stdin; with an exception raised in it when its time is up,
which it may catch and have a second more; passed where it ends without an exception, `SystemExit` being one.
What differs is what that harness puts in place of walls, and what an operator may want otherwise:

- it sets `os.remove`, `os.getcwd`, `os.kill`, `subprocess.Popen`, `shutil.rmtree` and their like, `exit`,
  `quit` and `help` to None, and lets `resource`, `psutil`, `tkinter` and `joblib` not be imported. Here they
  are what they are, and the walls stop them: a program that only asks for its folder is not wrong;
- there is no network, little memory and no variable of the operator's, and no package of the user's folder;
- a program has the time that `execution` gives it, there 3 s by default;
- `sys.argv` and the module `__main__` are of another program, there the harness, here nobody's.

It is a fence against accidents, not a jail for hostile code: the program can read what its user can read.
On stdout it reports `contained` once the walls stand, then `passed`, `timed out` or `failed REASON`; or
`refused REASON`.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import resource
import signal
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

assert sys.platform == "linux"  # `execution` runs it nowhere else

# From <sched.h>, <sys/mount.h>, <linux/mount.h>, <fcntl.h>, <sys/prctl.h>.
CLONE_NEWNS, CLONE_NEWIPC = 0x00020000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE = 2, 4, 16384, 1 << 18
AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY = -100, 0x8000, 1
PR_SET_PDEATHSIG = 1
SYS_MOUNT_SETATTR = 442  # the same on every architecture Python runs on; Linux 5.12

USER_INSIDE = 1000  # not root: capabilities end where the program starts


class _MountAttributes(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "user_namespace")
    )


def contain(limits: dict[str, int], time_limit_s: float) -> None:
    """Build the walls, start `run` behind them, wait for its end."""
    libc = ctypes.CDLL(None, use_errno=True)

    def checked(name: str, result: int) -> None:
        if result != 0:
            raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")

    user, group = os.geteuid(), os.getegid()
    spaces = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC
    checked("unshare", libc.unshare(spaces))
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{USER_INSIDE} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{USER_INSIDE} {group} 1", encoding="ascii")

    folder = str(Path.cwd()).encode()
    checked("mount private", libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
    read_only = _MountAttributes(set=MOUNT_ATTR_RDONLY)
    checked(
        "mount_setattr",
        libc.syscall(
            ctypes.c_long(SYS_MOUNT_SETATTR),
            *(ctypes.c_int(AT_FDCWD), b"/", ctypes.c_uint(AT_RECURSIVE)),
            *(ctypes.byref(read_only), ctypes.c_size_t(ctypes.sizeof(read_only))),
        ),
    )
    options = f"size={limits['folder_bytes']},mode=700".encode()
    checked("mount", libc.mount(b"tmpfs", folder, b"tmpfs", MS_NOSUID | MS_NODEV, options))
    os.chdir(folder)  # the name now means what was mounted over it

    for kind, limit in (
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_CPU, limits["cpu_s"]),
        (resource.RLIMIT_FSIZE, limits["folder_bytes"]),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_NPROC, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))

    child = os.fork()  # the first process of the new space; when it ends, the space ends
    if child == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a new session would outlive our group's end
        program = [sys.executable, "-I", __file__, "run", str(time_limit_s)]
        os.execv(sys.executable, program)
    os.waitpid(child, 0)


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
    """Run the program on stdin; nothing it prints goes anywhere."""
    report = os.dup(1)
    source = sys.stdin.buffer.read().decode()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    sys.modules["__main__"] = types.ModuleType("__main__")  # so that it finds nothing of ours there
    os.write(report, b"contained\n")
    try:
        with contextlib.ExitStack() as stack:
            both = _WriteOnly()
            stack.enter_context(contextlib.redirect_stdout(both))
            stack.enter_context(contextlib.redirect_stderr(both))
            stack.callback(setattr, sys, "stdin", sys.stdin)
            sys.stdin = both
            stack.enter_context(_time_limit(time_limit_s))
            exec(compile(source, "<string>", "exec", dont_inherit=True), {})
        outcome = "passed"
    except _TimeIsUp:
        outcome = "timed out"
    except BaseException as error:  # SystemExit too: a program that leaves early has not passed
        outcome = f"failed {type(error).__name__}"
    os.write(report, outcome.encode(errors="replace") + b"\n")
    os._exit(0)  # no thread or exit handler of the program's may go on


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
    if sys.argv[1] == "run":
        run(float(sys.argv[2]))
    else:
        try:
            contain(json.loads(sys.argv[2]), float(sys.argv[3]))
        except OSError as error:
            print(f"refused {error.strerror or error}", flush=True)
