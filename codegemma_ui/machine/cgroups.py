"""Memory limits of Linux process groups: containers, services, systemd scopes.

Any enclosing group, up to the root, may have a limit:
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
    """File locations of one version of cgroups.

    Attributes:
        folders: possible mount points below `ROOT`.
        controllers: middle field of its line in `MEMBERSHIP`; empty for version 2.
        limit, used: files with bytes.
        cached: line of memory.stat with the bytes of the page cache, which `used` includes but which are
            reclaimed on demand.
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
    """Yield limit and use, in bytes, of every group that this process is in."""
    for hierarchy in HIERARCHIES:
        path = PurePosixPath("/") / _path(hierarchy).lstrip("/")
        for folder in hierarchy.folders:
            for group in (path, *path.parents):
                found = _memory_of(ROOT / folder / group.relative_to("/"), hierarchy)
                if found is not None:
                    yield found


def groups_of_version_2() -> Iterator[Path]:
    """Yield the folders of this process's group and of its ancestors."""
    path = PurePosixPath("/") / _path(HIERARCHIES[0]).lstrip("/")
    for folder in HIERARCHIES[0].folders:
        for group in (path, *path.parents):
            found = ROOT / folder / group.relative_to("/")
            if (found / "cgroup.subtree_control").is_file():
                yield found


def _path(hierarchy: Hierarchy) -> str:
    """Return our group's path within a hierarchy; the root if unknown."""
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
    except (OSError, ValueError):  # "max" means no limit; version 1 has a number beyond any memory
        return None
    return limit, max(0, used - _cached_bytes(group, hierarchy))


def _cached_bytes(group: Path, hierarchy: Hierarchy) -> int:
    try:
        lines = (group / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    counts = dict(line.split(" ", 1) for line in lines)
    return int(counts.get(hierarchy.cached, 0))
