"""The package is cheap to import, and the library imports nothing that it does not use."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import codegemma_ui

LIBRARY = Path(codegemma_ui.__file__).parent / "library"
OPTIONAL = {"gradio", "keras", "keras_hub", "keras_nlp", "tensorflow", "jax", "torch", "IPython"}


def modules_after(statement: str) -> set[str]:
    """Return the modules imported by a fresh interpreter after a statement."""
    script = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_else_of_ours() -> None:
    after = modules_after("import codegemma_ui")
    assert not after & OPTIONAL
    assert {name for name in after if name.startswith("codegemma_ui")} == {"codegemma_ui"}


def test_importing_a_playground_imports_no_optional_package() -> None:
    after = modules_after("from codegemma_ui import Playground\nassert Playground.complete")
    assert "codegemma_ui.library.playground" in after
    assert not after & OPTIONAL


def test_the_library_does_not_know_the_page() -> None:
    for file in LIBRARY.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert not name.startswith(("gradio", "IPython", "codegemma_ui.ui")), file


def test_a_name_that_is_not_there_is_missed() -> None:
    assert "Playground" in codegemma_ui.__all__
    with pytest.raises(AttributeError, match="no attribute 'Playgruond'"):
        _ = codegemma_ui.Playgruond  # type: ignore[attr-defined]


def test_a_type_checker_knows_the_name(tmp_path: Path) -> None:
    script = tmp_path / "user.py"
    script.write_text(
        "from codegemma_ui import Playground\n"
        "reveal_type(Playground().complete().program)\n"
        "from codegemma_ui import Playgruond\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-incremental", str(script)],
        capture_output=True,
        text=True,
        cwd=LIBRARY.parent.parent,
        timeout=280,
        check=False,
    )
    assert 'Revealed type is "str"' in done.stdout, done.stdout
    assert 'has no attribute "Playgruond"' in done.stdout
