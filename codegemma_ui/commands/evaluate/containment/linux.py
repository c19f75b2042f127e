"""Linux system calls that Python has no function for.

Each raises an `OSError` that names the call. Numbers are those of <sched.h>, <sys/mount.h>, <linux/mount.h>,
<fcntl.h> and <sys/prctl.h>.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

assert sys.platform == "linux"  # `execution` runs it nowhere else

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
MNT_DETACH = 2
READ_ONLY, NO_SUID, NO_DEVICES, NO_EXEC = 1, 2, 4, 8  # MOUNT_ATTR_...

_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_SYS_MOUNT_SETATTR = 442  # the same on every architecture Python runs on; Linux 5.12
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38

_libc = ctypes.CDLL(None, use_errno=True)


class _MountAttributes(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "user_namespace")
    )


def _check(call: str, result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def unshare(namespaces: int) -> None:
    """Leave the shared namespaces of these kinds (`CLONE_...`) for new ones."""
    _check("unshare", _libc.unshare(namespaces))


def mount(
    kind: str | None, target: str, flags: int, options: str = "", source: str | None = None
) -> None:
    """Mount a file system, or apply `MS_BIND` or `MS_PRIVATE`."""
    encoded = (
        None if name is None else os.fsencode(name) for name in (source or kind, target, kind)
    )
    number = ctypes.c_ulong(flags)
    _check(f"mount {target}", _libc.mount(*encoded, number, options.encode() or None))


def bind(source: str, target: str, attributes: int) -> None:
    """Bind-mount a file or folder, including mounts below it, with these attributes."""
    mount(None, target, MS_BIND | MS_REC, source=source)
    set_attributes(target, attributes, _AT_RECURSIVE)


def set_attributes(target: str, attributes: int, flags: int = 0) -> None:
    """Set mount attributes such as `READ_ONLY` and `NO_DEVICES`."""
    wanted = _MountAttributes(set=attributes)
    result = _libc.syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR),
        *(ctypes.c_int(_AT_FDCWD), os.fsencode(target), ctypes.c_uint(flags)),
        *(ctypes.byref(wanted), ctypes.c_size_t(ctypes.sizeof(wanted))),
    )
    _check(f"mount_setattr {target}", result)


def change_root(folder: str) -> None:
    """Make a mounted folder the root, and detach the old one (pivot_root(2), "pivot_root(".", ".")")."""
    os.chdir(folder)
    _check("pivot_root", _libc.pivot_root(b".", b"."))
    _check("umount2", _libc.umount2(b".", MNT_DETACH))
    os.chdir("/")


def end_with_parent() -> None:
    """Kill this process when its parent ends."""
    _check("prctl", _libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0))


def be_unreadable() -> None:
    """Prevent processes of the same user from reading this one's memory or descriptors."""
    _check("prctl", _libc.prctl(_PR_SET_DUMPABLE, ctypes.c_ulong(0), 0, 0, 0))


def gain_no_rights() -> None:
    """Permanently prevent programs started by this process from gaining rights."""
    _check("prctl", _libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0))
