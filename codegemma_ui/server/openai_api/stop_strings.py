"""Stop strings: end a text before the first one, without showing a part of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence


class StopStrings:
    """Cuts a text that arrives in arbitrary pieces before the first complete stop string.

    Args:
        strings: the stop strings, none of them empty.

    Attributes:
        found: the stop string that was found, if any.
    """

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = strings
        self._longest = max(map(len, strings), default=0)
        self._held = ""
        self.found: str | None = None

    def feed(self, text: str) -> str:
        """Return the text that can be shown now; the rest may begin a stop string, and is held back."""
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
        """Return the text held back, once no more arrives."""
        held, self._held = self._held, ""
        return held
