"""Processes without a model start without a framework, in seconds and in little memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

FRAMEWORKS = {"keras", "keras_nlp", "keras_hub", "tensorflow", "jax", "torch"}


@pytest.mark.parametrize(
    "modules",
    ["client.client, server, ui.layout", "commands.export.command"],
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
