"""The repository is a valid Space, and its pages name flags, files and packages that exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from tests.support.documentation import PAGES, every_page

ROOT = Path(__file__).parent.parent
SPACE_COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
README = (ROOT / "README.md").read_text()


def front_matter() -> dict:
    return yaml.safe_load(README.split("---\n")[1])


def test_the_front_matter_is_a_spaces() -> None:
    facts = front_matter()
    assert facts["sdk"] == "gradio"
    assert facts["python_version"] == "3.11"
    assert (ROOT / facts["app_file"]).is_file()
    assert facts["suggested_hardware"]
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+", model) for model in facts["models"])
    assert len(facts["short_description"]) <= 60
    for color in ("colorFrom", "colorTo"):
        assert facts[color] in SPACE_COLORS


def test_the_sdk_version_is_the_one_required() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert f"gradio=={front_matter()['sdk_version']}" in lines


def test_the_asked_packages_are_required() -> None:
    required = re.findall(r"^[\w-]+", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert {"gradio", "keras-nlp", "keras", "tensorflow", "kagglehub"} <= set(required)


@pytest.mark.parametrize("page", PAGES)
def test_every_file_a_page_links_is_there(page: str) -> None:
    pattern = r'(?:\]\(|src="|srcset=")(?!https?:)([^)#"]+)[)#"]'
    targets = re.findall(pattern, (ROOT / page).read_text())
    assert targets
    for target in targets:
        assert (ROOT / page).parent.joinpath(target).is_file(), target


@pytest.mark.parametrize("command", ["", "complete", "eval", "export", "presets", "doctor"])
def test_every_flag_that_a_page_names_is_taken(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "codegemma_ui", *([command] if command else ["serve"]), "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    pattern = (
        rf"python -m codegemma_ui {command}([^\n`]*)" if command else r"python app\.py([^\n`]*)"
    )
    lines = re.findall(pattern, every_page())
    assert lines
    for line in lines:
        for flag in re.findall(r"(?<!\S)--[a-z-]+", line):
            assert flag in done.stdout, flag


def test_every_hf_line_of_the_guide_is_taken() -> None:
    guide = (ROOT / "docs" / "deploying.md").read_text().replace("\\\n", " ")
    lines = re.findall(r"^hf (.+)$", guide, re.MULTILINE)
    assert len(lines) > 8
    for line in lines:
        words = line.split()
        names = words[: 1 if words[0] == "upload" else 2]
        done = subprocess.run(
            [str(Path(sys.executable).with_name("hf")), *names, "--help"],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "COLUMNS": "400"},
        )
        assert done.returncode == 0, line
        for flag in (word for word in words if word.startswith("--")):
            assert re.search(rf"{flag}\b", done.stdout), (line, flag)


def test_every_flag_of_the_guide_is_taken() -> None:
    guide = (ROOT / "docs" / "deploying.md").read_text()
    helped = subprocess.run(
        [sys.executable, "-m", "codegemma_ui", "serve", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    commands = re.findall(r"bin/codegemma-ui( --.*)", guide)
    assert commands
    for flag in re.findall(r"--[a-z-]+", "".join(commands)):
        assert flag in helped, flag


def extras() -> dict[str, list[str]]:
    """Return the optional requirements by extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return project["project"]["optional-dependencies"]


@pytest.mark.parametrize("framework", ["jax", "torch"])
def test_what_a_person_is_told_to_install_is_what_the_requirements_allow(framework: str) -> None:
    (line,) = extras()[framework]
    allowed = Requirement(line).specifier
    told = re.findall(rf'"({framework}(?:\[\w+\])?[<>=][^"]*)"', every_page())
    assert len(told) >= 2
    assert {Requirement(one).specifier for one in told} == {allowed}
    lines = [line.partition(" #")[0] for line in every_page().splitlines() if "pip install" in line]
    unbounded = [line for line in lines if re.search(rf"[ \"]{framework}(\[\w+\])?([ \"]|$)", line)]
    assert unbounded == []


def test_setup_takes_a_torch_that_the_requirements_allow() -> None:
    setup = (ROOT / "scripts" / "setup").read_text()
    pinned = set(re.findall(r"torch==([\d.]+)", setup))
    (line,) = extras()["torch"]
    assert len(pinned) == 1
    assert all(one in Requirement(line).specifier for one in pinned)


def test_nothing_is_imported_from_a_file_of_tests_or_a_conftest() -> None:
    """Shared code belongs in a helper module of the package, or in tests/support."""
    names = r"(?:\w+\.)*(?:test_\w+|conftest)"
    pattern = re.compile(
        rf"^\s*(?:from \.*{names} import |import {names}\b|from [\w.]+ import .*\b(?:test_\w+|conftest)\b)",
        re.MULTILINE,
    )
    assert pattern.search("from tests.client.test_client import complete")
    assert pattern.search("from .conftest import ask")
    assert pattern.search("from . import conftest")
    for folder in ("tests", "tools", "benchmarks", "scripts", "training", "codegemma_ui"):
        for file in (ROOT / folder).rglob("*.py"):
            found = pattern.search(file.read_text(encoding="utf-8"))
            assert not found, f"{file.relative_to(ROOT)}: {found and found[0]}"
