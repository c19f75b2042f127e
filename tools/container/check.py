"""Lint the Dockerfile and run its steps without a container engine: `make container-check`.

The base image is replaced by a Debian of the same release and Python, created by debootstrap. Each stage is a
separate folder: the exact text of RUN is run in it, as its user and with its variables, and the last stage is
started as an engine would start it. The real base image, layers and the engine's own limits are not
rehearsed.

    python -m tools.container.check [--lint] [--keep FOLDER] [--build-arg NAME=VALUE]

Exit codes: 0 all holds, 1 something does not, 2 it could not be tried.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools.container import dockerfile
from tools.container.room import Room
from tools.rehearsals import NAMESPACES, NOT_TRIED, NotTried, Row, call, report, told_by

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tools.container.check")
    parser.add_argument("--lint", action="store_true", help="no more than that")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="build there, and keep the base"
    )
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    given = parser.parse_args()
    if wrong := [one for one in given.build_arg if "=" not in one]:
        parser.error(f"--build-arg must be NAME=VALUE. Received: {wrong[0]}")
    try:
        rows = [lint()]
        if given.lint:
            return report(rows)
        if os.geteuid() or not shutil.which("debootstrap"):
            raise NotTried(
                "it takes root and debootstrap (apt-get install debootstrap).\n"
                "With a container engine: docker build . The lint alone: --lint."
            )
        folder = (given.keep or Path(tempfile.mkdtemp(prefix="container-"))).resolve()
        try:
            rows += rehearse(folder, dict(one.split("=", 1) for one in given.build_arg))
        finally:
            if not given.keep:
                shutil.rmtree(folder, ignore_errors=True)
    except NotTried as error:
        print(f"The image could not be rehearsed: {error}", file=sys.stderr)
        return NOT_TRIED
    return report(rows)


def lint() -> Row:
    """Run hadolint."""
    program = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        raise NotTried("hadolint is missing: pip install --group dev")
    done = subprocess.run([program, "--no-color", str(DOCKERFILE)], capture_output=True, text=True)
    found = done.stdout.strip() or done.stderr.strip()
    return Row("hadolint", "nothing", found or "nothing", done.returncode == 0)


def rehearse(folder: Path, arguments: dict[str, str]) -> list[Row]:
    """Build all stages, and start the last one."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, rooms = [], {}
    room = None
    for number, stage in enumerate(dockerfile.parse(DOCKERFILE.read_text(), arguments), 1):
        began = time.monotonic()
        place = folder / f"stage-{number}"
        shutil.rmtree(place, ignore_errors=True)
        call(["cp", "-a", "--reflink=auto", str(base(folder, stage.base)), str(place)], "cp")
        room = Room(place, {}, arguments)
        rooms[stage.name or str(number)] = room
        steps = 0
        for instruction in stage.instructions:
            if instruction.name in ("RUN", "COPY"):
                print(f"stage {number}: {instruction.name} {instruction.text[:80]}", flush=True)
                steps += 1
            if instruction.name == "COPY":
                copy(instruction.text, room, rooms)
            else:
                room.follow(instruction)
        seconds = time.monotonic() - began
        rows.append(Row(f"stage {number}", "is built", f"{steps} steps, {seconds:.0f} s", True))
    assert room is not None
    size = int(call(["du", "-sb", f"{room.place}/opt"], "du").split()[0])
    rows.append(Row("size of /opt", "-", f"{size / 1e9:.2f} GB", True))
    return rows + started(room)


def started(room: Room) -> list[Row]:
    """Run the last stage as a container."""
    command = [*NAMESPACES, sys.executable, "-m", "tools.container.inside"]
    return told_by(command, ROOT, json.dumps(room.facts()))


def base(folder: Path, image: str) -> Path:
    """Create a Debian with the Python of an official image, python:VERSION-slim-RELEASE."""
    found = re.fullmatch(r"python:(\d+\.\d+)(?:\.\d+)?-slim-(\w+)(?:@.*)?", image)
    if not found:
        raise NotTried(f"A base must be python:VERSION-slim-RELEASE. Received: {image}")
    version, release = found.groups()
    place = folder / f"base-{release}"
    if not (place / "made").exists():
        shutil.rmtree(place, ignore_errors=True)
        print(f"debootstrap {release} ...", flush=True)
        include = "--include=python3,python3-venv,ca-certificates"
        call(["debootstrap", "--variant=minbase", include, release, str(place)], "debootstrap")
        (place / "usr" / "local" / "bin" / "python").symlink_to("/usr/bin/python3")
        _as_here(place)
        (place / "made").touch()
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    asked = ["chroot", str(place), "python", "-c", code]
    if (has := call(asked, "python").strip()) != version:
        raise NotTried(f"{release} must have Python {version}. Received: {has}")
    return place


def _as_here(place: Path) -> None:
    """Copy names, certificates and package indexes of this machine, which an engine provides in its own
    way."""
    for file in ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt"):
        if Path(file).is_file():
            shutil.copy(file, f"{place}{file}")
    said = call([sys.executable, "-m", "pip", "config", "debug"], "pip config")
    for path in map(Path, re.findall(r"(/etc/\S+\.conf), exists: True", said)):
        for one in [path] if path.parent == Path("/etc") else path.parent.iterdir():
            target = made(Path(f"{place}{one.parent}"))
            shutil.copy(one, target)


def copy(text: str, room: Room, rooms: dict[str, Room]) -> None:
    """Run COPY, from here or from another stage."""
    *sources, target = text.split()
    origin = ROOT
    if sources[0].startswith("--from="):
        origin = rooms[sources.pop(0).removeprefix("--from=")].place
    goal = room.path(target)
    for pattern in sources:
        found = sorted(origin.glob(pattern.lstrip("/")))
        if origin is ROOT:
            found = [one for one in found if sent(one.name)]
        if not found:
            raise NotTried(f"COPY {pattern} must find something that .dockerignore lets through.")
        for one in found:
            if one.is_dir():
                call(["cp", "-a", f"{one}/.", str(made(goal))], "cp")
            else:
                shutil.copy(one, made(goal) if target.endswith("/") else goal)


def made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def sent(name: str) -> bool:
    """Return whether .dockerignore, an allowlist, includes a file at the root."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return any(Path(name).match(line[1:]) for line in lines if line.startswith("!"))


if __name__ == "__main__":
    sys.exit(main())
