"""The request that a page's controls make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codegemma_ui import fim
from codegemma_ui.client.client import EngineClient
from codegemma_ui.completions.fitting import fitting
from codegemma_ui.completions.recording import LONGEST
from codegemma_ui.errors import BadInput
from codegemma_ui.fim import DEFAULT_MAX_LENGTH
from codegemma_ui.ipc.messages import CompletionRequest, parse_request
from codegemma_ui.settings import Settings
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.events import Updates

STEP = 64
"""A length that follows the text is a multiple of this, so that it does not change with each key."""


def asked_by(page: Page) -> dict[str, Any]:
    """Return the controls that make a request, by its fields, and `auto_length`."""
    return {
        "auto_length": page.auto_length,
        "prefix": page.before,
        "suffix": page.after,
        "max_length": page.max_length,
        "temperature": page.temperature,
        "top_k": page.top_k,
        "top_p": page.top_p,
        "seed": page.seed,
        "stop_on_repetition": page.stop_on_repetition,
        "one_line": page.one_line,
        "stop": page.stop_strings,
        "layout": page.layout,
        "path": page.path,
        "files": page.files,
    }


def request_of(
    page: Page, client: EngineClient, given: Sequence[Any], **instead: str
) -> dict[str, Any]:
    """Return the fields of the request, unchecked but for the length of its texts.

    Args:
        given: the values of `asked_by`.
        instead: `prefix` and `suffix`, if they are not those of the editors.

    Raises:
        BadInput: a text is too long to be shown or kept, which takes many times its size.
    """
    raw = dict(zip(asked_by(page), given, strict=True)) | instead
    auto = raw.pop("auto_length")
    sides = {side: raw[side] for side in ("prefix", "suffix")}
    if any(len(str(text or "")) > fim.MAX_SIDE_CHARACTERS for text in sides.values()):
        parse_request(sides, LONGEST)
    if auto:
        raw["max_length"] = followed(raw, client)
    return raw


def for_typing(raw: Mapping[str, Any], client: EngineClient) -> dict[str, Any]:
    """Return what a pause in typing asks: in SPM order, where PSM is chosen and the model knows both.

    Then the suffix comes first, and of a prompt like the one before only what was typed since is read.
    """
    spm = raw["layout"] == "psm" and trained(client, client.status().preset, "spm")
    return {**raw, "layout": "spm"} if spm else dict(raw)


def trained(client: EngineClient, name: str | None, layout: fim.Layout) -> bool:
    """Return whether a model was trained on prompts of this order; of an unknown model, yes."""
    return all(preset.knows(layout) for preset in client.presets() if preset.name == name)


def follow_again(page: Page, settings: Settings) -> Updates:
    """Return the update that lets max_length follow the text again, unless the operator has fixed it."""
    return {page.auto_length: True} if settings.max_length is None else {}


def followed(raw: Mapping[str, Any], client: EngineClient) -> int:
    """Return the `max_length` of a request that follows its text: the prompt and at least 128 new tokens fit,
    up to the model's context."""
    context_length = client.status().context_length
    texts = {name: raw[name] for name in ("prefix", "suffix", "layout", "path", "files")}
    try:
        request = parse_request(texts, LONGEST)
    except BadInput:  # it is refused anyway
        request = CompletionRequest()
    least = fitting(request, client.vocabulary(), DEFAULT_MAX_LENGTH, context_length)
    return min(context_length, -(-least // STEP) * STEP)
