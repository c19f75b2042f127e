"""Containment of a malicious program: it can access, print and use only what it is given."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codegemma_ui.commands.evaluate import execution, interpreter, memory_group
from codegemma_ui.commands.evaluate.containment.plan import Plan
from codegemma_ui.commands.evaluate.execution import Verdict
from codegemma_ui.errors import BadInput
from codegemma_ui.machine import cgroups
from tests.commands.evaluate.programs import execute, running

if sys.platform != "linux":
    pytest.skip("programs are contained on Linux alone", allow_module_level=True)

ROOT = Path(__file__).parents[3]
PASSED = Verdict(True)
TIME = Verdict(False, "time limit")
EARLY = Verdict(False, "ended early")
MB = 2**20


def in_time(source: str, time_limit_s: float = 1.0) -> Verdict:
    """Return the verdict, which must come soon after the time limit."""

    async def judge() -> Verdict:
        return await asyncio.wait_for(
            execution.execute(source, time_limit_s), time_limit_s + execution.GRACE_S + 10
        )

    try:
        return asyncio.run(judge())
    except BadInput as error:
        pytest.skip(str(error))


# Access


def test_a_socket_is_not_reached_by_its_path(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        server.settimeout(0.1)
        Path(path).chmod(0o777)
        source = f"import socket\nsocket.socket(socket.AF_UNIX).connect({path!r})"
        assert execute(source) == Verdict(False, "FileNotFoundError")
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_pipe_is_not_reached_by_its_path(tmp_path: Path) -> None:
    path = str(tmp_path / "p")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        source = f"import os\nos.write(os.open({path!r}, os.O_WRONLY), b'x')"
        assert execute(source) == Verdict(False, "FileNotFoundError")
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)


def test_no_terminal_and_no_device_is_there_but_harmless_ones() -> None:
    assert (
        execute(
            "import os\n"
            "assert set(os.listdir('/dev')) <= {'null', 'zero', 'full', 'random', 'urandom'}\n"
            "assert open('/dev/null', 'w').write('x') and open('/dev/zero', 'rb').read(1) == b'\\0'\n"
        )
        == PASSED
    )
    made = "import os, stat\nos.mknod('disk', 0o600 | stat.S_IFBLK, os.makedev(8, 0))"
    assert execute(made) == Verdict(False, "PermissionError")


def test_only_the_interpreter_and_the_system_are_there() -> None:
    given = [*interpreter.folders(), "/folder", "/run_program.py"]
    source = (
        "import os\n"
        f"given = {given!r}\n"
        "system = {'usr', 'bin', 'sbin', 'lib', 'lib32', 'lib64', 'etc', 'dev', 'proc', 'tmp'}\n"
        "system |= {'nix', 'gnu'}\n"
        "assert set(os.listdir('/')) - system <= {path.split('/')[1] for path in given}, os.listdir('/')\n"
        "assert set(os.listdir('/etc')) <= {'passwd', 'ld.so.cache', 'localtime', 'alternatives'}\n"
        "for top in ('/home', '/run', '/var', '/root', '/sys', '/srv', '/work'):\n"
        "    for folder, names, files in os.walk(top):\n"
        "        if folder not in given:\n"
        "            ways = [path for path in given if path.startswith(folder + '/')]\n"
        "            assert ways and len(names) + len(files) <= len(ways), folder\n"
        "        else:\n"
        "            names.clear()\n"
    )
    assert execute(source) == PASSED


PROCESSES = (
    "import os\n"
    "assert {name for name in os.listdir('/proc') if name.isdigit()} == {'1', str(os.getpid())}\n"
    "for name in ('environ', 'mem', 'fd/0', 'root', 'cwd', 'maps'):\n"
    "    try:\n"
    "        open('/proc/1/' + name, 'rb').read(1)\n"
    "    except PermissionError:\n"
    "        continue\n"
    "    raise AssertionError(name)\n"
)


def test_no_process_of_the_machine_is_seen() -> None:
    assert execute(PROCESSES) == PASSED


RIGHTS = (
    "import ctypes\n"
    "told = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
    "assert int(told['CapEff'], 16) == int(told['CapPrm'], 16) == 0\n"
    "assert told['NoNewPrivs'].strip() == '1'\n"
    "CLONE_NEWUSER = 0x10000000\n"
    "assert ctypes.CDLL(None).unshare(CLONE_NEWUSER) != 0\n"
)


@pytest.mark.parametrize("family", ["VSOCK", "NETLINK", "PACKET", "ALG"])
def test_sockets_that_no_namespace_keeps_apart_cannot_be_made(family: str) -> None:
    if not hasattr(socket, f"AF_{family}"):
        pytest.skip(f"AF_{family} has no name here")
    source = f"import errno, socket\ntry:\n    socket.socket(socket.AF_{family})\n"
    source += "except OSError as error:\n    assert error.errno == errno.EAFNOSUPPORT, error\n"
    source += "else:\n    assert False\nsocket.socketpair()\nsocket.socket(socket.AF_INET)"
    assert execute(source) == PASSED


@pytest.mark.parametrize(
    "take", ["os.memfd_create('x')", "__import__('ctypes').CDLL(None).shmget(0, 4096, 0o1600)"]
)
def test_memory_that_belongs_to_no_process_cannot_be_taken(take: str) -> None:
    source = (
        f"import os\ntry:\n    taken = {take}\nexcept OSError:\n    taken = -1\nassert taken == -1"
    )
    assert execute(source) == PASSED


def test_it_has_no_right_and_gets_none() -> None:
    assert execute(RIGHTS) == PASSED


# Output


WRITE_ALL = (
    "import os\n"
    "def tell(text):\n"
    "    for number in range(64):\n"
    "        try:\n"
    "            os.write(number, text)\n"
    "        except OSError:\n"
    "            pass\n"
)


@pytest.mark.parametrize(
    "text", ["passed\\n", "contained\\npassed\\n", "note x\\n", "refused x\\n"]
)
def test_it_cannot_report_its_own_verdict(text: str) -> None:
    assert execute(f"{WRITE_ALL}tell(b'{text}')\nos._exit(0)") == EARLY
    assert execute(f"{WRITE_ALL}tell(b'{text}')\nassert False") == EARLY


def test_it_finds_no_word_to_report() -> None:
    """It searches every frame, container and descriptor."""
    source = (
        f"{WRITE_ALL}import gc, sys\n"
        "found = []\n"
        "for number in range(3, 64):\n"
        "    for look in (lambda: os.lseek(number, 0, 0), lambda: found.append(os.read(number, 10**6))):\n"
        "        try:\n"
        "            look()\n"
        "        except OSError:\n"
        "            pass\n"
        "frame = sys._getframe()\n"
        "while frame:\n"
        "    found += [*frame.f_locals.values(), *frame.f_globals.values()]\n"
        "    found += gc.get_referents(frame)\n"
        "    frame = frame.f_back\n"
        "for held in gc.get_objects():\n"
        "    found += gc.get_referents(held)\n"
        "found += [text.encode() for text in found if isinstance(text, str) and len(text) == 32]\n"
        "for word in {text for text in found if isinstance(text, bytes) and len(text) >= 32}:\n"
        "    tell(word[-32:])\n"
        "os._exit(0)\n"
    )
    assert execute(source) == EARLY


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("import os\nos._exit(0)", EARLY),
        ("import os, time\nif os.fork():\n    os._exit(0)\ntime.sleep(5)", EARLY),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)", EARLY),
        (
            "import atexit, os, sys\natexit.register(os._exit, 0)\nsys.exit(0)",
            Verdict(False, "SystemExit"),
        ),
        (
            "import builtins, os, sys\n"
            "os.write = lambda *_: None\nos._exit = sys.exit = lambda *_: None\n"
            "builtins.exec = builtins.BaseException = builtins.type = builtins.compile = None\n"
            "assert False",
            EARLY,
        ),
        (
            "import os, threading, time\n"
            "threading.Thread(target=lambda: (time.sleep(0.2), os._exit(0))).start()\n"
            "time.sleep(5)",
            EARLY,
        ),
        ("import os\nos.execv('/bin/sh', ['sh', '-c', 'echo passed >&3; exit 0'])", EARLY),
    ],
    ids=["leave", "fork", "signal", "exit handler", "patches", "thread", "another program"],
)
def test_leaving_in_any_other_way_is_not_passing(source: str, verdict: Verdict) -> None:
    assert execute(source) == verdict


SIGNALS = (
    "import os, signal\n"
    "for number in signal.valid_signals():\n"
    "    try:\n"
    "        os.kill(1, number)\n"
    "    except PermissionError:\n"
    "        pass\n"
    "try:\n"
    "    os.kill(-1, signal.SIGKILL)\n"
    "except OSError:\n"
    "    pass\n"
    "assert os.getppid() == 1\n"
)
OWN_GROUP = (
    "import os, signal, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "os.kill(0, signal.SIGTERM)\n"
    "time.sleep(0.3)\n"  # for what it may have ended outside
)


def test_its_parent_cannot_be_signalled() -> None:
    """It sends every signal to every process it can name, and then ends normally."""
    assert execute(SIGNALS) == PASSED
    assert execute(OWN_GROUP) == PASSED


# Resources


FLOOD = (
    "import os\n"
    "def flood(number):\n"
    "    while True:\n"
    "        try:\n"
    "            os.write(number, b'x' * 65536)\n"
    "        except BaseException:\n"
    "            pass\n"
)


def test_a_flood_on_its_report_ends_with_its_time() -> None:
    assert in_time(f"{FLOOD}flood(3)") == TIME


def test_a_flood_on_every_descriptor_does_too() -> None:
    source = (
        f"{FLOOD}for number in range(8):\n    if not os.fork():\n        flood(number)\nflood(3)"
    )
    assert in_time(source) == TIME


def test_its_time_begins_when_its_interpreter_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "slow-python"
    slow.write_text(f'#!/bin/sh\nsleep 1.5\nexec {sys.executable} "$@"\n')
    slow.chmod(0o755)

    def started_by_it(**values: Any) -> Plan:
        folders = [*values.pop("folders"), str(slow)]
        return Plan(**values | {"interpreter": str(slow), "folders": folders})

    monkeypatch.setattr(execution, "Plan", started_by_it)
    assert execute("pass", 0.3) == PASSED


def test_a_program_that_stops_itself_is_ended() -> None:
    assert in_time("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)") == TIME


def test_what_it_leaves_in_the_background_ends_with_it() -> None:
    mark = "86397.75"
    source = (
        "import os, subprocess\n"
        "if not os.fork():\n"
        "    os.setsid()\n"
        "    if not os.fork():\n"
        f"        os.execvp('sleep', ['sleep', '{mark}'])\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    assert in_time(source) == PASSED
    assert not any(mark in arguments for arguments in running())


def test_forks_without_end_are_few_and_end() -> None:
    source = (
        "import os, time\n"
        "for number in range(10**6):\n"
        "    if not os.fork():\n"
        "        time.sleep(60)\n"
        "        os._exit(0)\n"
    )
    assert in_time(source, 5.0) == Verdict(False, "BlockingIOError")
    bomb = "import os\nwhile True:\n    try:\n        os.fork()\n    except BaseException:\n        pass\n"
    assert in_time(bomb) == TIME


CHILDREN = (
    "import os, time\n"
    "held = b'x' * {shared}\n"
    "for number in range(4):\n"
    "    if not os.fork():\n"
    "        more = b'y' * {own}\n"
    "        time.sleep(60)\n"
    "time.sleep({seconds})\n"
)


def test_memory_is_that_of_all_its_processes() -> None:
    each = CHILDREN.format(shared=0, own=400 * MB, seconds=60)
    assert in_time(each, 8.0) == Verdict(False, "memory limit")


def test_memory_that_its_processes_share_counts_once() -> None:
    assert in_time(CHILDREN.format(shared=400 * MB, own=0, seconds=0.5), 8.0) == PASSED


# Requirements


def test_what_a_machine_lacks_is_a_sentence_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "ROOT", Path("/nowhere"))
    try:
        lacks = asyncio.run(execution.check_containment())
    except BadInput as error:
        pytest.skip(str(error))
    assert len(lacks) == 1
    assert "memory group (cgroup v2)" in lacks[0]


def a_group(folder: Path, controllers: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("cgroup.subtree_control", controllers), ("cgroup.procs", "")):
        (folder / name).write_text(text)


def test_a_memory_group_is_made_where_the_nearest_group_allows_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    monkeypatch.setattr(cgroups, "MEMBERSHIP", tmp_path / "membership")
    (tmp_path / "membership").write_text("0::/user.slice/app.slice/shell.scope\n")
    a_group(tmp_path, "cpu memory pids\n")
    a_group(tmp_path / "user.slice", "cpu memory pids\n")
    a_group(tmp_path / "user.slice/app.slice", "memory pids\n")
    a_group(tmp_path / "user.slice/app.slice/shell.scope", "")
    make_folder = Path.mkdir

    def as_the_kernel(folder: Path, mode: int = 0o777) -> None:
        make_folder(folder, mode)
        for name in ("memory.max", "memory.oom.group", "memory.swap.max"):
            (folder / name).write_text("")

    monkeypatch.setattr(Path, "mkdir", as_the_kernel)
    with memory_group.made(2**30, 64) as group:
        assert group is not None
        assert group.parent == tmp_path / "user.slice/app.slice"
        assert (group / "memory.max").read_text() == str(2**30)
        assert (group / "memory.oom.group").read_text() == "1"
        assert not (group / "pids.max").exists()
        for file in group.iterdir():  # the kernel's own go with their folder
            file.unlink()
    assert not group.exists()


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a fake memory cgroup that every program is placed in."""

    @contextlib.contextmanager
    def made(memory_bytes: int, processes: int) -> Iterator[Path]:
        yield tmp_path

    monkeypatch.setattr(memory_group, "made", made)
    (tmp_path / "cgroup.procs").write_text("")
    (tmp_path / "memory.events").write_text("oom 0\noom_kill 0\n")
    return tmp_path


def test_a_program_is_put_into_its_memory_group(group: Path) -> None:
    assert execute("pass") == PASSED
    assert (
        group / "cgroup.procs"
    ).read_text() == "00"  # 0 is who writes: first one that only tries
    assert asyncio.run(execution.check_containment()) == []


def test_what_the_kernel_killed_for_its_memory_is_told(group: Path) -> None:
    (group / "memory.events").write_text("oom 1\noom_kill 5\noom_group_kill 1\n")
    killed = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    assert execute(killed) == Verdict(False, "memory limit")


def test_a_memory_group_that_cannot_be_entered_is_none(group: Path) -> None:
    (group / "cgroup.procs").unlink()
    (group / "cgroup.procs").symlink_to("/dev/full")
    assert execute("pass") == PASSED
    assert "memory group" in asyncio.run(execution.check_containment())[0]


def test_none_is_made_where_the_kernel_gives_no_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    a_group(tmp_path, "memory\n")
    with memory_group.made(2**30, 64) as group:
        assert group is None
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "cgroup.procs",
        "cgroup.subtree_control",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="is an ordinary user already")
def test_an_ordinary_user_has_the_same_walls() -> None:
    python = shutil.which("python3.12", path="/usr/bin") or shutil.which(
        "python3.11", path="/usr/bin"
    )
    if python is None:
        pytest.skip("needs an interpreter that every user may start")
    own_verdict = f"{WRITE_ALL}tell(b'passed')\nos._exit(0)"
    sources = [own_verdict, OWN_GROUP, SIGNALS, PROCESSES, RIGHTS, "open('x', 'w').write('y')"]
    script = (
        "import asyncio, os, sys\n"
        f"sys.path.append({str(ROOT)!r})\n"
        "from codegemma_ui.commands.evaluate import execution\n"
        f"sources = {sources!r}\n"
        "for source in sources:\n"
        "    print(asyncio.run(execution.execute(source)).failure)\n"
    )
    done = subprocess.run(
        [python, "-I", "-c", script],
        user=12345,
        group=12345,
        extra_groups=[],
        capture_output=True,
        text=True,
        cwd="/",
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        timeout=60,
    )
    if "makes namespaces" in done.stderr or "ModuleNotFoundError" in done.stderr:
        pytest.skip(done.stderr)
    failures = ["ended early", "None", "None", "None", "None", "None"]
    assert done.stdout.splitlines() == failures, done.stderr
