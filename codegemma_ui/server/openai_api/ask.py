"""A tool's completion request, independent of its format, and its conversion to our own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from codegemma_ui import fim
from codegemma_ui.completions.fitting import fitting, prompt_tokens
from codegemma_ui.errors import BadInput
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import CompletionRequest, parse_request
from codegemma_ui.server.openai_api.problems import Problem

ROOM_SHARE = 4
"""When a prompt is cut to fit, up to 1/4 of the context stays free for the middle."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A requested completion.

    Attributes:
        request: fields of `messages.CompletionRequest` without `max_length`, unchecked.
        max_tokens: maximum number of generated tokens.
        stops: stop strings.
        line_time_s: seconds after the first token from which a line break ends it.
        cuts: whether a prompt that is too long is cut instead of refused.
    """

    request: Mapping[str, Any]
    max_tokens: int
    stops: tuple[str, ...] = ()
    line_time_s: float | None = None
    cuts: bool = False


def fields_for(
    ask: Ask, vocabulary: Vocabulary, context_length: int
) -> tuple[dict[str, Any], bool]:
    """Return all fields of the request, and whether its texts were cut. `max_length` counts prompt and
    middle; other tools count the middle only.

    Args:
        vocabulary: of the served model.
        context_length: of the served model, in tokens.

    Raises:
        Problem: a field is invalid, or the prompt does not fit.
    """
    try:
        request = parse_request(ask.request, context_length)
    except BadInput as error:
        raise Problem.bad_input(error) from None
    most = context_length - fim.MIN_ROOM
    prompt = prompt_tokens(request, vocabulary)
    given = dict(ask.request)
    if prompt > most and not ask.cuts:
        raise Problem.wrong(
            "prompt",
            f"The prompt may have at most {most} tokens, which leaves {fim.MIN_ROOM} of the model's "
            f"{context_length} for the completion. Received: {prompt}",
            "context_length_exceeded",
        )
    room = max(fim.MIN_ROOM, min(ask.max_tokens, context_length // ROOM_SHARE))
    cut = ask.cuts and prompt > context_length - room
    if cut:
        given |= _cut(request, vocabulary, context_length - room)
        return {**given, "max_length": context_length}, cut
    return {
        **given,
        "max_length": fitting(request, vocabulary, ask.max_tokens, context_length),
    }, cut


def _cut(request: CompletionRequest, vocabulary: Vocabulary, most: int) -> dict[str, Any]:
    """Return the texts of a prompt, cut to at most so many tokens by the usual rules."""
    prompt = vocabulary.prompt(
        request.prefix,
        request.suffix,
        most + fim.MIN_ROOM,
        request.layout,
        request.path,
        request.files,
    )
    return asdict(fim.sides_of(prompt.segments))
