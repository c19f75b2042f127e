"""The arrows between the rooms run one way, and the page never imports a framework."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "codegemma_ui"
FRAMEWORKS = {"keras", "keras_nlp", "keras_hub", "tensorflow", "jax", "torch"}
READERS = {PACKAGE / "export" / "weights.py"}  # in the process of the command `export`
PURE = {
    "fim",
    "presets",
    "messages",
    "settings",
    "errors",
    "machine",
    "vocabulary",
    "amounts",
    "boundaries",
    "cgroups",
    "installation",
    "invisible",
    "secrets",
    "model_format",
    "other_tokenizers",
    "text_files",
}


def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def outside_engine() -> list[Path]:
    files = [file for file in PACKAGE.rglob("*.py") if "engine" not in file.parts]
    return [file for file in files if file not in READERS]


@pytest.mark.parametrize("file", outside_engine(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_only_the_engine_imports_a_framework(file: Path) -> None:
    assert not {name.split(".")[0] for name in imports(file)} & FRAMEWORKS
    assert not any(name.startswith("codegemma_ui.engine") for name in imports(file))


def test_the_page_does_not_export() -> None:
    rooms = (PACKAGE / room for room in ("ui", "server"))
    files = [file for room in rooms for file in room.rglob("*.py")]
    for file in (*files, PACKAGE / "client.py"):
        assert not any(name.startswith("codegemma_ui.export") for name in imports(file)), file


def test_pure_rooms_import_nothing_of_ours_but_each_other() -> None:
    for name in PURE:
        ours = {one for one in imports(PACKAGE / f"{name}.py") if one.startswith("codegemma_ui")}
        assert {one.split(".")[1] for one in ours} <= PURE


@pytest.mark.parametrize("room", ["engine", "export"])
def test_the_engine_knows_nothing_of_gradio_or_the_page(room: str) -> None:
    for file in (PACKAGE / room).rglob("*.py"):
        for name in imports(file):
            assert not name.startswith(("gradio", "codegemma_ui.ui", "codegemma_ui.client")), file


@pytest.mark.parametrize(
    "modules",
    ["client, server, ui.layout", "export_command"],
    ids=["the page", "the export command"],
)
def test_it_comes_up_without_a_framework(modules: str) -> None:
    script = "import sys\n"
    script += "".join(f"import codegemma_ui.{name}\n" for name in modules.split(", "))
    script += f"print(sorted({FRAMEWORKS!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"
