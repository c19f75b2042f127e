"""What every test may ask for."""

from __future__ import annotations

import pytest

from codegemma_ui import presets
from codegemma_ui.vocabulary import Vocabulary


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    """The bundled preset's."""
    return Vocabulary(presets.BUNDLED_FOLDER)
