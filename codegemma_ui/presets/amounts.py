"""Formatting of parameter counts and sizes, the same everywhere. Pure.

Gigabytes are 10^9 bytes, as on disks and download pages, so that all figures are comparable.
"""

from __future__ import annotations

from collections.abc import Sequence


def parameters(count: int) -> str:
    """Format as `6.0M`, `2.5B`."""
    return _short(count, ("", "K", "M", "B"))


def size(count: int) -> str:
    """Format bytes as `734 MB`, `1.8 GB`."""
    return _short(count, (" B", " kB", " MB", " GB"))


def _short(number: int, units: Sequence[str]) -> str:
    value, index = float(number), 0
    while value >= 999.5 and index < len(units) - 1:
        value /= 1000
        index += 1
    return f"{value:.1f}{units[index]}" if value < 9.95 and index else f"{value:.0f}{units[index]}"
