"""Formatting of speeds and times: only significant digits."""

from __future__ import annotations

import pytest

from codegemma_ui.ui import durations


@pytest.mark.parametrize(
    ("tokens_per_s", "shown"), [(0.4, "0.4"), (2.13, "2.1"), (9.9, "9.9"), (58.6, "59")]
)
def test_a_slow_speed_has_a_decimal(tokens_per_s: float, shown: str) -> None:
    assert durations.speed(tokens_per_s) == shown


@pytest.mark.parametrize(("duration_s", "shown"), [(0.042, "0.04"), (1.24, "1.2"), (14.3, "14")])
def test_measured_seconds_have_the_decimals_that_matter(duration_s: float, shown: str) -> None:
    assert durations.seconds(duration_s) == shown


@pytest.mark.parametrize(
    ("duration_s", "shown"),
    [(0.1, "1 s"), (7.4, "7 s"), (41.0, "40 s"), (96.0, "95 s"), (119.0, "2 min")],
)
def test_an_estimate_is_rounded(duration_s: float, shown: str) -> None:
    assert durations.about(duration_s, "en") == shown
