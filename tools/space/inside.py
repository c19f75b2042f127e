"""The process in the rehearsed Space: sets up its file system, starts it, tests it, and prints rows as JSON.

With `--contained` this is the first process of namespaces created by `check.py`, as root: mounts and network
are private, and everything ends with this process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tools.rehearsals import Row, Watch, get, wait_until_ready
from tools.space import hugging_face
from tools.space.hugging_face import APP, HOME, PORT, USER

SHARED = ("/tmp", "/var/tmp", "/dev/shm")
"""World-writable folders."""

BEGAN_AT = time.time()
"""Newer files were written by the Space."""

VISITOR = """
import json, sys
from gradio_client import Client
client = Client(sys.argv[1], verbose=False)
job = client.submit(prefix="import ", suffix="\\n\\nsys.exit(0)\\n", api_name="/complete")
print(json.dumps([*job][-1]))
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--contained", action="store_true")
    given = parser.parse_args()
    rows: list[Row] = []

    def tell(what: str, wanted: str, measured: str, holds: bool | None) -> None:
        rows.append(Row(what, wanted, measured, holds))

    log = (given.folder / "log").open("w+")  # before its folder is hidden
    home, python = given.folder / "home", given.folder / "env" / "bin" / "python"
    app, user = home / "app", []
    if given.contained:
        python = _arrange(given.folder)
        home, app = Path(HOME), Path(APP)
        user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"]
    elif _answers():
        sys.exit(f"Port {PORT} must be free. End what listens there, or run this as root.")
    environment = hugging_face.ENVIRONMENT | {
        "HOME": str(home),
        "PYTHONPATH": str(app),
        "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin",
    }
    began = time.monotonic()
    command = [*user, str(python), "app.py"]
    space = subprocess.Popen(command, cwd=app, env=environment, stdout=log, stderr=log)
    watch = Watch(space.pid)
    watch.start()
    try:
        state = wait_until_ready(PORT, space)
        ready_s = time.monotonic() - began
        tell("state", "ready", f"{state} after {ready_s:.0f} s", state == "ready")
        where = _listens()
        tell("listens on", f"0.0.0.0:{PORT}", where, where == f"0.0.0.0:{PORT}")
        for name, code in ((hugging_face.HOST, 200), ("other.example", 400)):
            answer = get(PORT, "/", name)[0]
            tell(f"asked as {name}", str(code), str(answer), answer == code)
        last = _complete(python, environment)
        total_s = time.monotonic() - began
        said = f"{last.get('event')}, {last.get('preset')}, {total_s:.0f} s after the start"
        whole = (last.get("event"), last.get("preset")) == ("done", "bundled")
        tell("first completion", "done, bundled", said, whole)
        watch.over.set()
        peak = watch.peak_bytes
        limit = hugging_face.MEMORY_LIMIT_BYTES
        tell("peak memory", f"< {limit / 1e9:.0f} GB", f"{peak / 1e9:.2f} GB", 0 < peak < limit)
        if given.contained:
            owner = Path(f"/proc/{space.pid}").stat().st_uid
            tell("user", str(USER), str(owner), owner == USER)
            left = _left_outside()
            tell("written outside home", "nothing", ", ".join(left) or "nothing", not left)
        else:
            tell("user", str(USER), f"{os.getuid()}: only root may choose", None)
            tell("written outside home", "nothing", "told only where root runs this", None)
        kept = sorted(
            {_top(path, home) for path in _files(home) if path.stat().st_mtime > BEGAN_AT}
        )
        tell("written at home", "-", ", ".join(kept) or "nothing", True)
        space.terminate()
        code = space.wait(20)
        tell("SIGTERM", "ends", f"exit code {code}", code == 0)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        tell("rehearsal", "goes on", f"{type(error).__name__}: {error}"[:200], False)
    finally:
        watch.over.set()
        if space.poll() is None:
            space.kill()
    if any(row.holds is False for row in rows):
        log.seek(0)
        print(log.read()[-4000:], file=sys.stderr)
    print(json.dumps([asdict(row) for row in rows]))


def _arrange(folder: Path) -> Path:
    """Make this mount namespace look like a Space; return the environment's interpreter."""
    env = "/opt/env"
    base = os.path.realpath(folder / "env" / "bin" / "python")
    prefix = str(Path(base).parents[1])
    hidden = f"/{prefix.split('/')[1]}" if not _may_pass(prefix) else ""
    script = f"""
    ip link set lo up
    mount --make-rprivate /
    mount -t tmpfs tmpfs /opt && mkdir /opt/env /opt/python /opt/home
    mount --bind "{folder}/env" /opt/env
    mount --bind "{folder}/home" /opt/home
    mount --bind "{prefix}" /opt/python
    if [ -n "{hidden}" ]; then
      mount -t tmpfs -o mode=755 tmpfs "{hidden}" && mkdir -p "{prefix}"
      mount --bind /opt/python "{prefix}"
    fi
    mount -t tmpfs tmpfs /home && mkdir {HOME}
    mount --bind /opt/home {HOME}
    umount /opt/home
    for shared in {" ".join(SHARED)}; do mount -t tmpfs -o mode=1777 tmpfs $shared; done
    chown -R {USER}:{USER} {HOME}
    """
    subprocess.run(["sh", "-ec", script], check=True, stdout=sys.stderr)
    return Path(env) / "bin" / "python"


def _may_pass(folder: str) -> bool:
    """Return whether a folder is world-readable."""
    places = [Path(folder), *Path(folder).parents]
    return all(place.stat().st_mode & 0o005 == 0o005 for place in places)


def _answers() -> bool:
    try:
        get(PORT, "/healthz")
    except OSError:
        return False
    return True


def _listens() -> str:
    """Return the address listening at the port, from `/proc/net/tcp` (address and port in hexadecimal)."""
    for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        address, port = local.split(":")
        if state == "0A" and int(port, 16) == PORT:
            parts = [str(int(address[at : at + 2], 16)) for at in (6, 4, 2, 0)]
            return f"{'.'.join(parts)}:{PORT}"
    return "nothing"


def _complete(python: Path, environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [str(python), "-c", VISITOR, f"http://127.0.0.1:{PORT}"],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        raise ValueError(done.stderr.strip().splitlines()[-1])
    last: dict[str, Any] = json.loads(done.stdout)
    return last


def _left_outside() -> list[str]:
    """Return files of the Space's user outside its home."""
    places = ("/", *SHARED)
    found = subprocess.run(
        ["find", *places, "-xdev", "-uid", str(USER), "-newermt", f"@{BEGAN_AT}"],
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    return sorted(set(found))[:8]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def _top(path: Path, home: Path) -> str:
    """Return the part of a path that identifies its owner."""
    parts = path.relative_to(home).parts
    return "/".join(parts[: 2 if parts[0] in (".cache", "app") else 1])


if __name__ == "__main__":
    main()
