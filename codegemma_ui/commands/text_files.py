"""Decoding of users' text files: UTF-8 with or without a byte-order mark, UTF-16 and UTF-32 with one."""

from __future__ import annotations

import codecs

from codegemma_ui.errors import BadInput

_MARKED = (  # UTF-32 first: its little-endian mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode(content: bytes, source: str) -> str:
    """Decode a file; a byte-order mark stays at its start, as U+FEFF, whatever the encoding.

    Args:
        content: the whole file.
        source: its name in error messages.

    Raises:
        BadInput: it has another encoding, or is damaged; says where.
    """
    encoding = next((name for mark, name in _MARKED if content.startswith(mark)), "utf-8")
    try:
        if encoding == "utf-8" and _looks_like_utf16(content):
            raise _refusal(source, "a NUL in every second byte, as UTF-16 has it, and no mark")
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        lines = content.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{content[error.start]:02X} at offset {error.start} (line {lines}), "
        raise _refusal(source, f"{found}where {encoding.upper()} cannot have it") from error


def _looks_like_utf16(content: bytes) -> bool:
    """Return whether it is probably UTF-16 without a mark, in which every second byte of ASCII is NUL.

    Such a file is valid UTF-8, but hardly any UTF-8 text contains even one NUL.
    """
    even, odd = content[0::2].count(0), content[1::2].count(0)
    units = len(content) // 2
    return len(content) % 2 == 0 and min(even, odd) == 0 and 2 * max(even, odd) > units


def _refusal(source: str, received: str) -> BadInput:
    return BadInput(
        f"{source} must be text in UTF-8, or in UTF-16 or UTF-32 with a byte-order mark. "
        f"Received: {received}.",
        "Save it as UTF-8, with an editor or `iconv -f ENCODING -t UTF-8`.",
    )
