"""The memory that Linux lets a group of processes have: a container, a service, a scope of systemd's.

A limit may stand on any group that ours is in, up to the root:
https://docs.kernel.org/admin-guide/cgroup-v2.html and https://docs.kernel.org/admin-guide/cgroup-v1/memory.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


@dataclass(frozen=True)
class Hierarchy:
    """Where one version of cgroups has what.

    Attributes:
        folders: below `ROOT`, where it may be mounted.
        controllers: the middle field of its line in `MEMBERSHIP`; empty for version 2.
        limit, used: files with bytes.
        cached: the line of memory.stat with the bytes of files that were read once, which are in `used` but
            given back when they are asked for.
    """

    folders: tuple[str, ...]
    controllers: str
    limit: str
    used: str
    cached: str


HIERARCHIES = (
    Hierarchy((".", "unified"), "", "memory.max", "memory.current", "inactive_file"),
    Hierarchy(
        ("memory", "memory,hugetlb"),
        "memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
)


def memory_limits() -> Iterator[tuple[int, int]]:
    """Limit and use, in bytes, of every group that this process is in; nothing where there are none."""
    for hierarchy in HIERARCHIES:
        path = PurePosixPath("/") / _path(hierarchy).lstrip("/")
        for folder in hierarchy.folders:
            for group in (path, *path.parents):
                found = _memory_of(ROOT / folder / group.relative_to("/"), hierarchy)
                if found is not None:
                    yield found


def groups_of_version_2() -> Iterator[Path]:
    """Folders of the group that this process is in and of those around it; none where there are none."""
    path = PurePosixPath("/") / _path(HIERARCHIES[0]).lstrip("/")
    for folder in HIERARCHIES[0].folders:
        for group in (path, *path.parents):
            found = ROOT / folder / group.relative_to("/")
            if (found / "cgroup.subtree_control").is_file():
                yield found


def _path(hierarchy: Hierarchy) -> str:
    """Our group, from the root of a hierarchy on; the root where nothing tells."""
    try:
        lines = MEMBERSHIP.read_text(encoding="utf-8").splitlines()
    except OSError:
        return "/"
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if hierarchy.controllers in controllers.split(","):
            return path
    return "/"


def _memory_of(group: Path, hierarchy: Hierarchy) -> tuple[int, int] | None:
    try:
        limit, used = (
            int((group / file).read_text(encoding="ascii"))
            for file in (hierarchy.limit, hierarchy.used)
        )
    except (OSError, ValueError):  # "max" is no limit; version 1 writes a number beyond any memory
        return None
    return limit, max(0, used - _cached_bytes(group, hierarchy))


def _cached_bytes(group: Path, hierarchy: Hierarchy) -> int:
    try:
        lines = (group / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    counts = dict(line.split(" ", 1) for line in lines)
    return int(counts.get(hierarchy.cached, 0))
