"""Interface of download sites, and helpers for two of them."""

import stat
from pathlib import Path
from typing import Protocol

from codegemma_ui.download.error_messages import error_of

ANSWER_SECONDS = 30.0  # a site that has not returned a listing by then is unreachable


class Source(Protocol):
    """A site that hosts presets. Every method may raise the exceptions of its library."""

    words: dict[str, str]  # message fields for `WORDS`
    only: str | None  # path inside the preset of the only file needed; None for all

    def cached(self) -> Path | None:
        """Return the folder if everything needed is on disk, without using the network."""

    def has_key(self) -> bool:
        """Return whether a key is set, valid or not."""

    def listing(self) -> dict[str, int]:
        """Return the preset's files: path inside the preset -> bytes (0: unknown)."""

    def folder(self) -> Path:
        """Return the target folder; it need not exist yet."""

    def received_bytes(self) -> int:
        """Return the bytes of the preset on disk. Safe while another thread is in `fetch`."""

    def fetch(self) -> Path:
        """Download what is missing; return the preset's folder."""

    def discard(self, preset: Path, name: str) -> None:
        """Remove one file so that the next `fetch` downloads it again."""


def check_key(key: str, words: dict[str, str]) -> None:
    """Refuse keys that HTTP cannot carry. http.client and httpx2 would too, but one of them quotes it."""
    if not (key.isascii() and key.isprintable()):
        raise error_of("bad_credentials", words, "a key with a line break or a letter no key has")


def size_on_disk(path: Path) -> int:
    """Return the bytes of a file; 0 for a folder or a missing file."""
    try:
        found = path.stat()
    except OSError:  # just moved into place
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0
