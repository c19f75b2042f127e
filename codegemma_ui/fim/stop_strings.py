"""Stop strings: end a text before the first one, without showing a part of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_TEXT = re.compile(r"\S")
_LINE_BREAK = re.compile(r"[\r\n]")


class StopStrings:
    """Cuts a text that arrives in arbitrary pieces before the first complete stop string.

    Args:
        strings: the stop strings, none of them empty.
        one_line: whether the first line break after something visible is one too.

    Attributes:
        found: the stop string that was found, if any.
    """

    def __init__(self, strings: Sequence[str], *, one_line: bool = False) -> None:
        self._strings, self._one_line = strings, one_line
        self._longest = max(map(len, strings), default=0)
        self._held = ""
        self._has_text = False
        self.found: str | None = None

    @property
    def ends_line(self) -> bool:
        """Whether it was the end of the one line that ended it."""
        return self._one_line and self.found is not None and self.found in "\r\n"

    def skip(self, text: str) -> None:
        """Take text that comes before and cannot end it."""
        self._has_text = self._has_text or _TEXT.search(text) is not None

    def feed(self, text: str) -> str:
        """Return the text that can be shown now; the rest may begin a stop string, and is held back."""
        held = self._held + text
        ends = list(self._ends(held))
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
        shown = held[: len(held) - keep]
        self._held = held[len(shown) :]
        self.skip(shown)
        return shown

    def _ends(self, held: str) -> Iterator[tuple[int, str]]:
        """Yield the end of each complete stop string, and the string."""
        for each in self._strings:
            if (at := held.find(each)) >= 0:
                yield at + len(each), each
        if not self._one_line:
            return
        visible = None if self._has_text else _TEXT.search(held)
        if self._has_text or visible:
            line_break = _LINE_BREAK.search(held, visible.end() if visible else 0)
            if line_break:
                yield line_break.end(), line_break.group()

    def flush(self) -> str:
        """Return the text held back, once no more arrives."""
        held, self._held = self._held, ""
        return held
