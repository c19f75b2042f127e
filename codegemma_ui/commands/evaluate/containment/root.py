"""The program's root folder: this Python, the system's programs and libraries, and an empty folder.

Everything is read-only except that folder, which is also /tmp. Nothing else exists: no user's folder, no /run
or /var with services' sockets, no terminal, and no devices but those that give nothing, zeros or random
bytes.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from codegemma_ui.commands.evaluate.containment import linux, namespaces
from codegemma_ui.commands.evaluate.containment.plan import Plan

assert sys.platform == "linux"  # `execution` runs it nowhere else

RUNNER = "/run_program.py"
FOLDER = "/folder"

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store")
SETTINGS = ("/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

_FIXED = linux.READ_ONLY | linux.NO_SUID


def change_to(plan: Plan, runner: str) -> bool:
    """Build the root on the working directory, and make it this process's root.

    Args:
        plan: names the folders of the interpreter.
        runner: file to place at `RUNNER`.

    Returns:
        Whether there is a /proc, with the processes inside only.

    Raises:
        OSError: a mount failed.
    """
    linux.mount(None, "/", linux.MS_REC | linux.MS_PRIVATE)
    root = Path.cwd()
    flags = linux.MS_NOSUID | linux.MS_NODEV
    linux.mount("tmpfs", str(root), flags, "mode=755")
    for path in SYSTEM:
        if Path(path).is_symlink():
            _inside(root, path).symlink_to(Path(path).readlink())
        elif Path(path).is_dir():
            _bind(root, path)
    for path in plan.folders:
        if not any(Path(path).is_relative_to(there) for there in SYSTEM):
            _bind(root, path)
    for path in SETTINGS:
        if Path(path).exists():
            _bind(root, path)
    for path in DEVICES:
        if Path(path).is_char_device():
            _bind(root, path, devices=True)
    _bind(root, runner, RUNNER)
    account = f"program:x:{namespaces.USER}:{namespaces.USER}::{FOLDER}:/bin/sh\n"
    _inside(root, "/etc/passwd").write_text(account, encoding="ascii")

    folder = _inside(root, FOLDER)
    folder.mkdir()
    owner = f"uid={namespaces.USER},gid={namespaces.USER}"
    linux.mount("tmpfs", str(folder), flags, f"size={plan.folder_bytes},mode=700,{owner}")
    if not (root / "tmp").exists():  # it does if the interpreter is in it
        (root / "tmp").symlink_to(FOLDER)
    has_processes = _mount_processes(root)

    linux.change_root(str(root))
    linux.set_attributes("/", _FIXED | linux.NO_DEVICES)
    os.chdir(FOLDER)
    return has_processes


def _inside(root: Path, path: str) -> Path:
    """Return the path inside the root, and create its parent folders."""
    inside = root / path.lstrip("/")
    inside.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    return inside


def _bind(root: Path, path: str, name: str | None = None, *, devices: bool = False) -> None:
    inside = _inside(root, name or path)
    if Path(path).is_dir():
        inside.mkdir(mode=0o755, exist_ok=True)
    else:
        inside.touch(mode=0o644)
    linux.bind(path, str(inside), _FIXED | (0 if devices else linux.NO_DEVICES))


def _mount_processes(root: Path) -> bool:
    """Mount a /proc of the process namespace, which is refused in a container that hides parts of its own."""
    inside = _inside(root, "/proc")
    inside.mkdir()
    flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
    # Linux 5.8; without "subset=pid", /proc includes general kernel information.
    for options in ("subset=pid", ""):
        with contextlib.suppress(OSError):
            linux.mount("proc", str(inside), flags, options)
            return True
    return False
