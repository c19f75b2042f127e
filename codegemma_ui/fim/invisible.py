"""Find characters that are invisible in an editor, except where they are legitimate. Pure.

They come with text from web pages, word processors and chats. In a program a no-break space is not a space, a
zero-width one changes a name, and a bidirectional override shows a line in another order than it runs in
(https://trojansource.codes/). Models have hardly seen any of them in code.

Some are legitimate: joiners within an emoji or between letters of Arabic and Indic scripts, variation
selectors after characters that vary, direction marks in a right-to-left line.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from codegemma_ui.fim import BYTE_ORDER_MARK

_SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_LINE_BREAKS = "\u0085\u2028\u2029"
_CONTROLS = "\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f"  # except tab, LF and CR
_JOINERS = "\u200c\u200d"
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_DIRECTIONS = "\u061c\u200e\u200f"
_FILLERS = "\u115f\u1160"  # for Hangul syllables written letter by letter
_OTHERS = (  # blank, or https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point
    "\u00ad\u034f\u17b4\u17b5\u180b-\u180f\u200b\u202a-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0"
    "\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
_ODD = _SPACES + _LINE_BREAKS + _CONTROLS + _JOINERS + _SELECTORS + _DIRECTIONS + _FILLERS + _OTHERS

_EMOJI = (  # https://www.unicode.org/reports/tr51/: may be one, be joined, or take a selector
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u2460-\u24ff\u25a0-\u27bf"
    "\u2900-\u297f\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_SKIN = "\U0001f3fb-\U0001f3ff"
_JOINED = (  # letters and signs of Arabic, Syriac, N'Ko, Indic scripts, Tibetan, Myanmar, Khmer, Mongolian
    "\u0600-\u060b\u060d-\u061a\u061d-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u17b3\u17b6-\u180a"
    "\u1810-\u18af\u1b00-\u1b7f\ua840-\ua87f\ua980-\ua9df\uaa60-\uaa7f\ufb50-\ufdff\ufe70-\ufefc"
    "\U00010ac0-\U00010aff\U00011000-\U000117ff"
)
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17b3\u17b6-\u17ff"  # Thai, Lao, Myanmar, Khmer
_IDEOGRAPHS = "\u3000-\u303f\u3400-\u9fff\uf900-\ufaff\uff01-\uff60\U00020000-\U0003ffff"
_JAMO = "\u1100-\u115e\u1161-\u11ff\ua960-\ua97c\ud7b0-\ud7fb"

_BELONGING = (
    "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]+\U000e007f",  # the flag of Scotland
    "[0-9#*]\ufe0f?\u20e3",
    f"[{_EMOJI}][{_SKIN}]?[\ufe0e\ufe0f]?(?:\u200d[{_EMOJI}][{_SKIN}]?\ufe0f?)*",
    rf"(?:\w|[{_JOINED}])\u200c(?=[{_JOINED}])",
    f"[{_JOINED}]\u200d",
    f"[{_UNSPACED}]\u200b(?=[{_UNSPACED}])",
    f"[{_IDEOGRAPHS}][{_SELECTORS}]",
    "[0\u2190-\u22ff\u2a00-\u2aff\u1000-\u109f\ua840-\ua87f\uaa60-\uaa7f]\ufe00",
    "[\u1810-\u18af][\u180b-\u180f]",
    f"(?<=[{_JAMO}])[{_FILLERS}]|[{_FILLERS}](?=[{_JAMO}])",
    "\u2800+(?=[\u2801-\u28ff])|(?<=[\u2801-\u28ff])\u2800+",
    r"^\f+",  # a page break between parts of a file
)
_EITHER = re.compile(f"(?:{'|'.join(_BELONGING)})|(?P<odd>[{_ODD}])", re.MULTILINE)
_ANY_ODD = re.compile(f"[{_ODD}]")
_SPACE, _LINE_BREAK = re.compile(f"[{_SPACES}]"), re.compile(f"[{_LINE_BREAKS}]")
_DIRECTION = re.compile(f"[{_DIRECTIONS}]")
_RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u060b\u060d-\u061a\u061d-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff"
    "\U0001e800-\U0001efff]"
)


@dataclass(frozen=True)
class Invisible:
    """One invisible character.

    Attributes:
        at: offset in the text.
        plain: replacement: a space, a line break, or nothing.
    """

    at: int
    character: str
    plain: str


def find(text: str) -> Iterator[Invisible]:
    """Yield the invisible characters of a text that are not legitimate."""
    if not _ANY_ODD.search(text):
        return
    for match in _EITHER.finditer(text):
        character = match["odd"]
        if character is None or (_DIRECTION.match(character) and _turns(text, match.start())):
            continue
        plain = " " if _SPACE.match(character) else "\n" if _LINE_BREAK.match(character) else ""
        yield Invisible(match.start(), character, plain)


def _turns(text: str, at: int) -> bool:
    """Return whether the line at an offset contains right-to-left text."""
    end = text.find("\n", at)
    return bool(
        _RIGHT_TO_LEFT.search(text, text.rfind("\n", 0, at) + 1, end if end >= 0 else len(text))
    )


def name_of(character: str) -> str:
    """Return the form `U+200B ZERO WIDTH SPACE`; a control character has its number only."""
    own = "BYTE ORDER MARK" if character == BYTE_ORDER_MARK else unicodedata.name(character, "")
    return f"U+{ord(character):04X} {own}".rstrip()
