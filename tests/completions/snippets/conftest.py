"""A folder to run the scripts in, as a user would."""

from __future__ import annotations

import shlex
import sys

import pytest

from tests.completions.snippets.workshop import Workshop
from tests.support import ROOT


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    folder = tmp_path_factory.mktemp("workshop")
    (folder / "codegemma_ui").symlink_to(ROOT / "codegemma_ui")
    programs = {
        "python": f'exec {shlex.quote(sys.executable)} "$@"',
        "python3": f'exec {shlex.quote(sys.executable)} "$@"',
        "llama-server": f'exec {shlex.quote(sys.executable)} -m tests.completions.snippets.llama_server "$@"',
        "curl": 'PATH=${PATH#*:}; curl "$@" | tee -a "$CURL_LOG"',
    }
    (folder / "bin").mkdir()
    for name, command in programs.items():
        program = folder / "bin" / name
        program.write_text(f"#!/bin/sh\n{command}\n")
        program.chmod(0o755)
    return Workshop(folder, folder / "curl.log")
