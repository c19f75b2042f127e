"""System calls that a program may not make, refused by a filter (seccomp) that it cannot remove.

They have no use here and would bypass other restrictions: socket families that network namespaces do not
isolate, such as that of the machine's own host, and memory that is not attributed to any process. Structures
and numbers are those of <linux/filter.h>, <linux/seccomp.h> and <linux/audit.h>.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import socket
import sys
from dataclasses import dataclass

assert sys.platform == "linux"  # `execution` runs it nowhere else

FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
"""Socket families that are allowed: in their own namespace they can reach nothing."""

_PR_GET_SECCOMP, _PR_SET_SECCOMP, _MODE_FILTER = 21, 22, 2
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_IO_URING_SETUP, _MEMFD_SECRET = 425, 447  # the same on every architecture

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class _Numbers:
    """System call numbers on one architecture.

    Attributes:
        above: numbers from here on are calls of another kind, which are refused; None if there are none.
    """

    architecture: int
    socket: int
    shmget: int
    memfd_create: int
    above: int | None


_KNOWN = {
    "x86_64": _Numbers(0xC000003E, socket=41, shmget=29, memfd_create=319, above=0x40000000),
    "aarch64": _Numbers(0xC00000B7, socket=198, shmget=194, memfd_create=279, above=None),
}


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("first", ctypes.POINTER(_Instruction)))


def can_be_refused() -> bool:
    """Return whether the kernel filters calls, and their numbers on this machine are known here."""
    return platform.machine() in _KNOWN and _libc.prctl(_PR_GET_SECCOMP, 0, 0, 0, 0) >= 0


def refuse() -> None:
    """Refuse them permanently to this process, which has dropped its rights before, and to its children.

    Raises:
        OSError: it failed.
    """
    code = _filter(_KNOWN[platform.machine()])
    instructions = (_Instruction * len(code))(*(_Instruction(*one) for one in code))
    program = _Program(len(code), instructions)
    if _libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECCOMP)")


def _filter(numbers: _Numbers) -> list[tuple[int, int, int, int]]:
    """Return instructions: code, instructions to skip if true and if false, and a value."""
    no_call = (_RETURN, 0, 0, _ERROR | errno.ENOSYS)
    code = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, numbers.architecture),
        no_call,
        (_LOAD, 0, 0, _NUMBER),
    ]
    if numbers.above is not None:
        code += [(_AT_LEAST, 0, 1, numbers.above), no_call]
    for call in (numbers.shmget, numbers.memfd_create, _IO_URING_SETUP, _MEMFD_SECRET):
        code += [(_EQUAL, 0, 1, call), no_call]
    code += [
        (_EQUAL, 1, 0, numbers.socket),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
    ]
    for family in FAMILIES:
        code += [(_EQUAL, 0, 1, family), (_RETURN, 0, 0, _ALLOW)]
    return [*code, (_RETURN, 0, 0, _ERROR | errno.EAFNOSUPPORT)]
