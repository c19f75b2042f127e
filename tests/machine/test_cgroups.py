"""Memory limits of cgroups: the lowest on the path to the root applies."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from codegemma_ui import machine
from codegemma_ui.machine import cgroups

GB = 10**9
V2 = ("memory.max", "memory.current", "inactive_file")
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


@pytest.fixture
def membership(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    monkeypatch.setattr(cgroups, "MEMBERSHIP", tmp_path / "membership")
    return cgroups.MEMBERSHIP


def group(folder: Path, names: tuple[str, str, str], limit: object, used: int, cached: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n", encoding="ascii")
    (folder / names[1]).write_text(f"{used}\n", encoding="ascii")
    stat = f"cache 1\n{names[2]} {cached}\n"
    (folder / "memory.stat").write_text(stat, encoding="ascii")


def memory() -> tuple[int, int]:
    found = machine.memory_bytes()
    assert found is not None
    return found


@pytest.mark.parametrize(("below", "names"), [(".", V2), ("unified", V2), ("memory", V1)])
@pytest.mark.parametrize(
    "line", [None, "0::/\n4:memory:/\n", "0::/elsewhere/on/the/host\n4:memory:/elsewhere/too\n"]
)
def test_a_containers_limit_counts(
    below: str, names: tuple[str, str, str], line: str | None, membership: Path
) -> None:
    if line:
        membership.write_text(line, encoding="ascii")
    total, _ = memory()
    group(membership.parent / below, names, GB, GB // 4, 0)
    assert memory() == (GB, GB - GB // 4)
    for endless in ("max", "9223372036854771712"):  # no limit, as v2 and v1 write it
        group(membership.parent / below, names, endless, GB // 4, 0)
        assert memory()[0] == total


@pytest.mark.parametrize(
    ("below", "line", "names"),
    [(".", "0::/user/a scope\n", V2), ("memory", "4:cpu,memory:/user/a scope\n", V1)],
)
def test_the_tightest_group_on_the_way_up_counts(
    below: str, line: str, names: tuple[str, str, str], membership: Path
) -> None:
    membership.write_text(line, encoding="ascii")
    folder = membership.parent / below
    group(folder / "user", names, 3 * GB, 2 * GB, 0)
    group(folder / "user" / "a scope", names, 2 * GB, GB // 2, 0)
    group(folder / "user" / "another", names, GB // 8, 0, 0)
    assert memory() == (2 * GB, GB)


@pytest.mark.parametrize(("below", "names"), [(".", V2), ("memory", V1)])
def test_files_that_were_read_do_not_count_as_used(
    below: str, names: tuple[str, str, str], membership: Path
) -> None:
    group(membership.parent / below, names, 2 * GB, GB, GB // 2)
    assert memory() == (2 * GB, 2 * GB - GB // 2)


@pytest.fixture
def real_group() -> Iterator[Path]:
    folder = Path("/sys/fs/cgroup/memory") / f"codegemma-ui-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(GB))
    except OSError as error:
        pytest.skip(f"this system lets nobody make a memory group: {error}")
    yield folder
    folder.rmdir()


def test_a_group_of_the_systems_own_counts(real_group: Path) -> None:
    script = (
        "import os, pathlib, sys\n"
        "pathlib.Path(sys.argv[1], 'cgroup.procs').write_text(str(os.getpid()))\n"
        "from codegemma_ui import machine\n"
        "print(*machine.memory_bytes())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(real_group)],
        capture_output=True,
        check=True,
        encoding="utf-8",
        timeout=60,
    )
    total, available = map(int, done.stdout.split())
    assert 0.99 * GB < total <= GB
    assert 0.8 * GB < available <= total
