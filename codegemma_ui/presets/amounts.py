"""How many parameters, how many bytes: as every place tells them to a person. Pure.

Gigabytes are 10^9 bytes, as disks and download pages have them, so that a figure of one place can be
compared with that of another.
"""

from __future__ import annotations

from collections.abc import Sequence


def parameters(count: int) -> str:
    """`6.0M`, `2.5B`."""
    return _short(count, ("", "K", "M", "B"))


def size(count: int) -> str:
    """Bytes: `734 MB`, `1.8 GB`."""
    return _short(count, (" B", " kB", " MB", " GB"))


def _short(number: int, units: Sequence[str]) -> str:
    value, index = float(number), 0
    while value >= 999.5 and index < len(units) - 1:
        value /= 1000
        index += 1
    return f"{value:.1f}{units[index]}" if value < 9.95 and index else f"{value:.0f}{units[index]}"
