"""Playgrounds on a worker that does as it is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from codegemma_ui.client import client
from tests.library.scripted import Scripted


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    made = Scripted(tmp_path)
    monkeypatch.setattr(client, "worker_command", made.command)
    yield made
    for playground in made.made:
        playground.close()
