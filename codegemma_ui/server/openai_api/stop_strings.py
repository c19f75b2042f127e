"""Ending a text where one of a caller's strings comes, without showing a part of one. Pure."""

from __future__ import annotations

from collections.abc import Sequence


class StopStrings:
    """A text that comes in pieces, however they fall, cut before the first stop string that is complete.

    Args:
        strings: none of them empty.

    Attributes:
        found: the one that came, once it did.
    """

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = strings
        self._longest = max(map(len, strings), default=0)
        self._held = ""
        self.found: str | None = None

    def feed(self, text: str) -> str:
        """What can be shown now; the rest may be the beginning of a stop string, and is held."""
        held = self._held + text
        ends = [(at + len(each), each) for each in self._strings if (at := held.find(each)) >= 0]
        if ends:
            end, self.found = min(ends)
            self._held = ""
            return held[: end - len(self.found)]
        keep = next(
            (
                length
                for length in range(min(self._longest - 1, len(held)), 0, -1)
                if any(each.startswith(held[-length:]) for each in self._strings)
            ),
            0,
        )
        shown = len(held) - keep
        self._held = held[shown:]
        return held[:shown]

    def flush(self) -> str:
        """What was held, once nothing more comes."""
        held, self._held = self._held, ""
        return held
