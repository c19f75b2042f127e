"""A process ends together with all its descendants."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from codegemma_ui.machine.process_tree import ProcessTree, detached
from tests.systems.watching import runs, wait_until

PARENT = """
import subprocess, sys, time
child = subprocess.Popen(["sleep", "300"], start_new_session=sys.argv[1] == "session")
print(child.pid, flush=True)
if sys.argv[2] == "stays":
    time.sleep(300)
"""


@pytest.fixture
def started() -> Iterator[list[int]]:
    """Collect the ids of processes that the test must not leave running."""
    pids: list[int] = []
    yield pids
    for pid in filter(runs, pids):
        os.kill(pid, 9)


def start(started: list[int], *arguments: str) -> tuple[subprocess.Popen[str], ProcessTree, int]:
    """Start a detached process; return it, its tree, and the id of its child."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, *arguments],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        **detached(),
    )
    tree = ProcessTree(parent.pid)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    started += [parent.pid, child]
    return parent, tree, child


def test_a_child_that_left_the_group_ends_too(started: list[int]) -> None:
    parent, tree, child = start(started, "session", "stays")
    assert os.getpgid(child) != parent.pid
    tree.kill()
    assert parent.wait(10) == -9
    wait_until(lambda: not runs(child))


def test_a_child_whose_parent_has_ended_ends_too(started: list[int]) -> None:
    parent, tree, child = start(started, "group", "ends")
    assert parent.wait(10) == 0
    assert runs(child)
    tree.kill()
    wait_until(lambda: not runs(child))


def test_a_process_of_the_same_number_is_left_alone(started: list[int]) -> None:
    parent, tree, child = start(started, "group", "ends")
    parent.wait(10)
    tree.kill()
    wait_until(lambda: not runs(child))
    tree.kill()  # none is left, and no other process is killed
    assert runs(os.getpid())


class Listed:
    """A process as returned by `psutil.process_iter`."""

    def __init__(self, parent: int, born: float, children: list[Listed] | None = None) -> None:
        self._parent, self._born, self._children = parent, born, children or []

    def ppid(self) -> int:
        return self._parent

    def create_time(self) -> float:
        return self._born

    def children(self, recursive: bool) -> list[Listed]:
        assert recursive
        return self._children


def test_on_windows_what_a_crash_left_behind_is_found(
    started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows a child keeps its parent's id after the parent ends, and the id may be that of an older
    process."""
    parent, tree, _ = start(started, "group", "stays")
    born = psutil.Process(parent.pid).create_time()
    grandchild = Listed(1, born + 2)
    child = Listed(parent.pid, born + 1, [grandchild])
    others = [Listed(parent.pid, born - 9), Listed(os.getpid(), born + 1)]
    monkeypatch.setattr(psutil, "process_iter", lambda: [others[0], child, others[1]])
    assert tree._left_behind() == [child, grandchild]
    tree.kill()
