"""What every place that presets come from must answer, and what two of them share."""

import stat
from pathlib import Path
from typing import Protocol

from codegemma_ui.download.words import error_of

ANSWER_SECONDS = 30.0  # a listing with no answer after this long: the site cannot be reached


class Source(Protocol):
    """One place that presets come from. Every method may raise the exceptions of its library."""

    words: dict[str, str]  # the fields of `WORDS`
    only: str | None  # the one file that is wanted, by its path inside the preset; None wants all

    def cached(self) -> Path | None:
        """The folder if all that is wanted is on the disk already, found without the network."""

    def has_key(self) -> bool:
        """Whether a key is set, valid or not."""

    def listing(self) -> dict[str, int]:
        """The preset's files: path inside the preset -> bytes (0: not known)."""

    def folder(self) -> Path:
        """Where the bytes go; it need not exist yet."""

    def received_bytes(self) -> int:
        """How much of the preset is on the disk. Safe while another thread is in `fetch`."""

    def fetch(self) -> Path:
        """Fetch what is missing of what is wanted; return the preset's folder."""

    def discard(self, preset: Path, name: str) -> None:
        """Remove one file so that the next `fetch` brings it again."""


def check_key(key: str, words: dict[str, str]) -> None:
    """Refuse what HTTP cannot carry: http.client and httpx2 would, and one of them quotes it."""
    if not (key.isascii() and key.isprintable()):
        raise error_of("bad_credentials", words, "a key with a line break or a letter no key has")


def size_on_disk(path: Path) -> int:
    """The bytes of a file; 0 for a folder, and for a file that is not there."""
    try:
        found = path.stat()
    except OSError:  # moved into place just now
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0
