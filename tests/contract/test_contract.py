"""The public interface matches the recorded one."""

from __future__ import annotations

import pytest

from tests.contract import record


@pytest.mark.parametrize("part", record.PARTS)
def test_the_outside_sees_what_it_saw(part: str) -> None:
    assert record.now(part) == record.kept(part)
