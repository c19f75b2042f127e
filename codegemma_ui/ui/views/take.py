"""Share: the completion in view as code, as a link, as a file; and opening a link or a file.

The page holds the recording of the completion in view (`recorded`). The link and the file are created from it
in the browser; the code is written here, on request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from codegemma_ui import installation
from codegemma_ui.completions.recording import Recording
from codegemma_ui.completions.snippets import TOOLS, Snippet
from codegemma_ui.ui.render import escape
from codegemma_ui.ui.strings import Language, text
from codegemma_ui.ui.views import as_json, shell

NAME = "take"

WORDS = (
    *("take_nothing", "take_code", "take_tools", "take_writing", "take_script"),
    *("take_link", "take_link_size", "take_link_long", "take_link_old", "take_copy_link"),
    *("take_file", "take_file_says", "take_download", "take_open", "take_too_large"),
    *("copy", "copied", "copy_by_hand", "download", "plain_text"),
)

NOTES = (
    *("spelled", "joined", "blocks", "chosen", "drawn", "undrawn"),
    *("rounded", "int8", "served", "stopped", "login", "serving"),
)
"""Keys of `Snippet.notes`, and "serving": the playground currently serves another model."""


@dataclass(frozen=True)
class Code:
    """The code of the completion in view.

    Attributes:
        of: the page's number of the request.
        snippets: the scripts; none if there is a `refusal`.
        refusal: the reason why there are none.
    """

    of: int
    snippets: tuple[Snippet, ...] = ()
    refusal: str = ""


@dataclass(frozen=True)
class Unfinished:
    """A completion without a recording; the page keeps it with its text so far.

    Attributes:
        request: as it was sent.
        ending: the program's line ending, "LF" or "CRLF".
        preset: its model.
        error: the error that ended it, as `code`, `message` and `hint`; None while it runs.
    """

    request: Mapping[str, Any]
    ending: str
    preset: str | None
    error: Mapping[str, str] | None = None


def view(language: Language, code: Code | None = None, further: Iterable[str] = ()) -> str:
    """Return the view; without code, the page requests it.

    Args:
        further: notes on the use of this playground's API.
    """
    facts: dict[str, Any] = {"of": None, "code": None, "refusal": ""}
    if code is not None:
        scripts = [_script(one, further, language) for one in code.snippets]
        facts = {"of": code.of, "code": scripts, "refusal": code.refusal}
    return shell(NAME, language, facts)


def _script(snippet: Snippet, further: Iterable[str], language: Language) -> dict[str, Any]:
    place = "take_prepare" if installation.in_checkout() else "take_prepare_installed"
    notes = [*snippet.notes, *(further if snippet.tool == "curl" else ())]
    return {
        "tool": TOOLS[snippet.tool],
        "file": snippet.file,
        "text": snippet.text,
        "prepare": list(snippet.prepare),
        "place": text(place, language),
        "notes": [text(f"take_note_{note}", language) for note in notes],
    }


def recorded(
    recording: Recording | None,
    *,
    unfinished: Unfinished | None = None,
    opened: bool = False,
    ready: bool = False,
) -> str:
    """Return the completion in view for the page's scripts, hidden.

    Args:
        recording: None if the completion in view has not ended well.
        unfinished: what is known of it then.
        opened: whether it came from a link or a file.
        ready: whether the page has just been filled for the first time, so that an address may be opened.
    """
    known = {
        "recording": recording.to_dict() if recording else None,
        "unfinished": asdict(unfinished) if unfinished else None,
        "opened": opened,
        "ready": ready,
    }
    facts = escape(as_json(known))
    return f'<section class="view" data-view="recorded"><div class="facts" hidden>{facts}</div></section>'
