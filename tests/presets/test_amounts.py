"""Parameters and bytes are formatted alike everywhere."""

from __future__ import annotations

import pytest

from codegemma_ui import presets
from codegemma_ui.presets import amounts


@pytest.mark.parametrize(
    ("count", "said"),
    [
        *((7, "7"), (999, "999"), (1000, "1.0K"), (5_990_400, "6.0M"), (9_960_000, "10M")),
        *((999_900_000, "1.0B"), (2_506_172_416, "2.5B"), (8_537_680_896, "8.5B")),
    ],
)
def test_parameters(count: int, said: str) -> None:
    assert amounts.parameters(count) == said


def test_bytes_are_counted_in_thousands() -> None:
    assert amounts.size(700 * 2**20) == "734 MB"
    assert amounts.size(5 * 10**9) == "5.0 GB"


def test_the_bundled_model_has_the_same_count_in_its_label() -> None:
    bundled = presets.bundled()
    assert amounts.parameters(bundled.parameters or 0) in bundled.label
