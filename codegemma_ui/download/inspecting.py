"""Refuse what cannot be loaded, based on the listing and the small files, before downloading the weights."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from codegemma_ui import presets
from codegemma_ui.download.error_messages import DownloadError, error_of
from codegemma_ui.fim.vocabulary import (
    TOKENIZER_MODEL,
    VOCABULARY_FILE,
    NotForFim,
    Vocabulary,
    vocabulary_file,
)
from codegemma_ui.presets import model_format
from codegemma_ui.presets.model_format import CONFIG_FILE

SMALL_FILES = (CONFIG_FILE, VOCABULARY_FILE.as_posix(), TOKENIZER_MODEL.as_posix())
"""Files that show whether a KerasHub preset supports fill-in-the-middle: kilobytes, and 4 MB for CodeGemma's
vocabulary."""


def check_listing(handle: str, words: dict[str, str], names: Iterable[str]) -> None:
    """Refuse other formats.

    Args:
        handle: handle as the user gave it.
        words: message fields of its source.
        names: names of all files.

    Raises:
        DownloadError: another format, or no config.json.
    """
    names = list(names)
    seen = model_format.format_of(names)
    if not seen.loadable:
        raise other_format(handle, words, str(seen))
    if CONFIG_FILE not in names:
        raise error_of("preset_not_found", words, f"a model without {CONFIG_FILE}")
    if seen.format == "transformers" and TOKENIZER_MODEL.as_posix() not in names:
        raise other_format(handle, words, f"{seen} without {TOKENIZER_MODEL}")


def check_folder(handle: str, words: dict[str, str], folder: Path) -> None:
    """Refuse a folder that cannot be loaded, according to those of its small files that are present.

    Raises:
        DownloadError: another format, another architecture, or a vocabulary without FIM control tokens.
    """
    wrong = None
    with contextlib.suppress(OSError):
        wrong = model_format.wrong_at(folder)
    if wrong is not None:
        raise other_format(handle, words, wrong)
    if vocabulary_file(folder).is_file():
        try:
            Vocabulary(folder)
        except NotForFim as error:
            fields = {"handle": handle, **words, "instead": presets.instead_of(handle)}
            raise error_of("no_fim_tokens", fields, str(error)) from error
        except (ValueError, RuntimeError, OSError):
            pass  # no vocabulary at all, which loading reports


def other_format(handle: str, words: dict[str, str], received: str) -> DownloadError:
    """Return the error for a format that cannot be loaded, with a suggestion."""
    fields = {"handle": handle, **words, "expected": model_format.EXPECTED}
    return error_of("other_format", {**fields, "instead": presets.instead_of(handle)}, received)
