"""The process in the rehearsed image: in namespaces created by `check.py`, with the options of compose.yaml.

The root is read-only, /tmp is empty, volumes keep the image's content. It reads the image's facts as JSON on
stdin, starts its command as its user, runs its health check, completes once, and prints rows as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from tools.rehearsals import Row, Watch, get, wait_until_ready

GRACE_S = 15
"""compose.yaml's `stop_grace_period`."""


def main() -> None:
    facts = json.load(sys.stdin)
    place, user = facts["place"], facts["user"]
    _arrange(place, facts["volumes"])
    variables = [f"{name}={value}" for name, value in facts["environment"].items()]
    enter = ["chroot", f"--userspec={user}:{user}", place, "/usr/bin/env", "-i"]
    enter += [f"--chdir={facts['folder']}", *variables]
    port = int(facts["environment"]["CODEGEMMA_UI_PORT"])
    rows: list[Row] = []
    began = time.monotonic()
    log = tempfile.TemporaryFile("w+")  # noqa: SIM115
    container = subprocess.Popen([*enter, *facts["command"]], stdout=log, stderr=log)
    watch = Watch(container.pid)
    watch.start()
    try:
        state = wait_until_ready(port, container)
        seconds = time.monotonic() - began
        rows.append(Row("state", "ready", f"{state} after {seconds:.0f} s", state == "ready"))
        healthy = subprocess.run([*enter, *facts["health"]], stdout=log, stderr=log).returncode
        rows.append(Row("health check", "0", str(healthy), healthy == 0))
        owner = Path(f"/proc/{container.pid}").stat().st_uid
        rows.append(Row("user", "not root", str(owner), owner != 0))
        page = get(port, "/")[0]
        rows.append(Row("page", "200", str(page), page == 200))
        asked = [*enter, *facts["command"], "complete", "--json", "--prefix", "import "]
        said = subprocess.run(
            asked, stdout=subprocess.PIPE, stderr=log, text=True, timeout=300
        ).stdout
        last = json.loads(said.splitlines()[-1]) if said else {"event": "nothing"}
        rows.append(Row("completion", "done", last["event"], last["event"] == "done"))
        written = subprocess.run([*enter, "touch", "/opt/app/written"], stderr=log).returncode
        rows.append(Row("root", "read-only", "read-only" if written else "written", written != 0))
        watch.over.set()
        peak = f"{watch.peak_bytes / 1e9:.2f} GB"
        rows.append(Row("peak memory", "< 4 GB", peak, 0 < watch.peak_bytes < 4e9))
        began = time.monotonic()
        container.terminate()
        code = container.wait(GRACE_S)
        told = f"exit code {code} after {time.monotonic() - began:.1f} s"
        rows.append(Row("SIGTERM", f"ends within {GRACE_S} s", told, code == 0))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        rows.append(Row("rehearsal", "goes on", f"{type(error).__name__}: {error}"[:200], False))
    finally:
        watch.over.set()
        if container.poll() is None:
            container.kill()
    if any(row.holds is False for row in rows):
        log.seek(0)
        print(log.read()[-4000:], file=sys.stderr)
    print(json.dumps([asdict(row) for row in rows]))


def _arrange(place: str, volumes: list[str]) -> None:
    script = """
    ip link set lo up
    mount --make-rprivate /
    mount --bind "$0" "$0"
    mount --rbind /dev "$0/dev"
    mount -t proc proc "$0/proc"
    mount -t tmpfs -o mode=1777,size=256m tmpfs "$0/tmp"
    for volume in "$@"; do mount --bind "$0$volume" "$0$volume"; done
    mount -o remount,bind,ro "$0"
    """
    subprocess.run(["sh", "-ec", script, place, *volumes], check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main()
