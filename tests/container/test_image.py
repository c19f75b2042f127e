"""The Dockerfile and the compose files, as far as they can be checked without a container engine."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from tools.container import check, dockerfile
from tools.container.room import Room
from tools.space import hugging_face

ROOT = check.ROOT
TEXT = check.DOCKERFILE.read_text()


@pytest.fixture
def image(tmp_path: Path) -> Room:
    """Return the last stage, without the commands it runs and the files it copies."""
    room = Room(tmp_path, {}, {})
    for instruction in dockerfile.parse(TEXT, {})[-1].instructions:
        if instruction.name not in ("RUN", "COPY"):
            room.follow(instruction)
    return room


def compose(*files: str) -> dict:
    found: dict = {}
    for file in files:
        service = yaml.safe_load((ROOT / file).read_text())["services"]["playground"]
        found |= {**service, "environment": found.get("environment", []) + service["environment"]}
    return found


@pytest.mark.skipif(
    not shutil.which("hadolint", path=str(Path(sys.executable).parent))
    and not shutil.which("hadolint"),
    reason="needs hadolint",
)
def test_hadolint_finds_nothing() -> None:
    assert check.lint().measured == "nothing"


def test_the_base_is_pinned_and_has_the_spaces_python() -> None:
    facts = hugging_face.front_matter(ROOT / "README.md")
    for stage in dockerfile.parse(TEXT, {}):
        assert re.fullmatch(rf"python:{facts['python_version']}\.\d+-slim-[a-z]+", stage.base)
    pinned = {"PYTHON": "3.11.15-slim-bookworm@sha256:00"}
    assert {one.base for one in dockerfile.parse(TEXT, pinned)} == {f"python:{pinned['PYTHON']}"}


def test_it_is_nobody_of_the_host_and_is_asked_whether_it_is_well(image: Room) -> None:
    assert int(image.user) >= 10_000
    assert image.health[0] == "python"
    assert "/healthz" in image.health[-1]
    assert image.command == ["codegemma-ui"]
    assert image.environment["CODEGEMMA_UI_HOST"] == "0.0.0.0"


@pytest.mark.parametrize("files", [["compose.yaml"], ["compose.yaml", "compose.cuda.yaml"]])
def test_compose_says_what_the_image_says(image: Room, files: list[str]) -> None:
    service = compose(*files)
    assert service["volumes"] == [f"models:{volume}" for volume in image.volumes]
    port = image.environment["CODEGEMMA_UI_PORT"]
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert not [one for one in service["environment"] if "KEY" in one and "=" in one]  # no key here


def test_what_is_copied_is_let_through_and_nothing_else_is() -> None:
    copied = [
        word
        for stage in dockerfile.parse(TEXT, {})
        for instruction in stage.instructions
        if instruction.name == "COPY" and not instruction.text.startswith("--from")
        for word in instruction.text.split()[:-1]
    ]
    allowed = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    ]
    assert {name.removeprefix("./") for name in copied} == set(allowed)
    assert not any(map(check.sent, (".git", ".env", "kaggle.json", "tests", "tools", "build")))


def test_an_instruction_that_is_not_rehearsed_is_told() -> None:
    with pytest.raises(ValueError, match="ADD must be one of"):
        dockerfile.parse("FROM python:3.11.15-slim-bookworm\nADD x /\n", {})


def test_a_step_runs_as_its_user_with_its_variables_and_folder(tmp_path: Path) -> None:
    text = (
        "ARG BASE=python:3.11.15-slim-bookworm\nFROM ${BASE} AS one\nARG A=1\n"
        "ENV B=${A}2 \\\n    C=$B\nWORKDIR /x\nWORKDIR y\nUSER 5\nRUN one \\\n  && two\n"
    )
    (stage,) = dockerfile.parse(text, {})
    assert (stage.base, stage.name) == ("python:3.11.15-slim-bookworm", "one")
    room = Room(tmp_path, {}, {"A": "7"})
    *before, run = stage.instructions
    for instruction in before:
        room.follow(instruction)
    assert (room.environment["B"], room.environment["C"]) == ("72", "")  # as in one ENV of Docker
    assert (room.folder, room.user) == ("/x/y", "5")
    assert run.text.split() == ["one", "&&", "two"]
