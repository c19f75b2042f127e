"""Other files of the project in one text field, in the model's prompt format.

The format is that of the CodeGemma report (section 2.1, figure 3): a file's path on a line of its own, its
text, `<|file_separator|>`, the next file. In this field, unlike in an editor, the separator's name separates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import gradio as gr

from codegemma_ui.fim import BYTE_ORDER_MARK, FILE_SEPARATOR


class ContextFiles(gr.Textbox):
    """A text box whose value is a list of files, `{"path": …, "text": …}` each, or a text as it was typed."""

    def preprocess(self, payload: str | None) -> list[dict[str, str]]:  # type: ignore[override]
        return read(payload)

    def postprocess(self, value: Iterable[Mapping[str, str]] | str | None) -> str:  # type: ignore[override]
        return value if isinstance(value, str) else write(value or ())

    def get_block_name(self) -> str:
        return "textbox"


def read(text: str | None) -> list[dict[str, str]]:
    """Parse a text into files.

    Blank lines before a path are ignored, and so is a byte-order mark before it or at the start of a file;
    the rest of a file is kept byte for byte.

    Returns:
        `{"path": …, "text": …}` of each, as `messages.CompletionRequest.files` takes them.
    """
    files = []
    for part in (text or "").split(FILE_SEPARATOR):
        path, _, rest = part.lstrip(f"\r\n{BYTE_ORDER_MARK}").partition("\n")
        rest = rest.removeprefix(BYTE_ORDER_MARK)
        if path.strip() or rest.strip():
            files.append({"path": path.strip(), "text": rest})
    return files


def write(files: Iterable[Mapping[str, str]]) -> str:
    """Return the text of files; the inverse of `read`."""
    return f"{FILE_SEPARATOR}\n".join(f"{one['path']}\n{one['text']}" for one in files)
