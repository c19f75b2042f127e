"""Playgrounds on a scripted worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from codegemma_ui.client import lifecycle
from tests.library.scripted import Scripted


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    made = Scripted(tmp_path)
    monkeypatch.setattr(lifecycle, "worker_command", made.command)
    yield made
    for playground in made.made:
        playground.close()
