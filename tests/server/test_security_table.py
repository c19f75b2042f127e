"""The limits in SECURITY.md's table match those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegemma_ui import fim
from codegemma_ui.client import crashes, heartbeat
from codegemma_ui.server import bodies, sessions, unfetched
from codegemma_ui.ui import received

MIB = 2**20
TABLE = (Path(__file__).parents[2] / "SECURITY.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("what", "figures"),
    [
        (
            "a request's body",
            (
                f"{bodies.MAX_BODY_BYTES // MIB} MiB",
                f"{bodies.MAX_SMALL_BODY_BYTES // 2**10} KiB",
                f"{bodies.READ_TIMEOUT_S:g} s",
                f"{bodies.MAX_VALUES} values",
                f"{bodies.MAX_DEPTH} levels",
            ),
        ),
        (
            "all bodies above",
            (
                f"above {bodies.SHORT_BYTES // 2**10} KiB",
                f"{bodies.MAX_AT_ONCE_BYTES // MIB} MiB",
                f"{bodies.WAIT_S:g} s",
                f"{bodies.MAX_ARRIVING_BYTES // MIB} MiB come",
            ),
        ),
        ("prefix and suffix", (f"{fim.MAX_SIDE_CHARACTERS:,} characters",)),
        ("a JSON text within a body", (f"{received.MAX_PARTS:,} values",)),
        ("what sessions keep", (f"{sessions.MAX_BYTES // MIB} MiB",)),
        ("what events sent", (f"{unfetched.MAX_BYTES // MIB} MiB",)),
        (
            "a model's process",
            (f"{heartbeat.SERVING_S:g} s", f"{heartbeat.COMING_UP_S:g} s"),
        ),
        (
            "starts of a process",
            (
                f"{crashes.MAX_CRASHES} within a minute",
                f"{crashes.FIRST_PAUSE_S:g} s",
                f"{crashes.LONGEST_PAUSE_S / 60:g} minutes",
            ),
        ),
    ],
)
def test_a_bound_is_told_as_it_is(what: str, figures: tuple[str, ...]) -> None:
    (row,) = [line for line in TABLE.splitlines() if line.startswith(f"| {what}")]
    assert [figure for figure in figures if figure not in row] == []
