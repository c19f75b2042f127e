"""What a tool asks for, whichever form it came in, and how it becomes a request of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from codegemma_ui import fim
from codegemma_ui.errors import BadInput
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import CompletionRequest, parse_request
from codegemma_ui.server.openai_api.problems import Problem

ROOM_SHARE = 4
"""Where a prompt is cut to fit, up to one in so many tokens of the context stays free for the middle."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A completion to be written.

    Attributes:
        request: fields of `messages.CompletionRequest` but `max_length`, unchecked.
        max_tokens: the most that may be written.
        stops: strings that end it.
        line_time_s: seconds after its first token from which a written line break ends it.
        cuts: whether a prompt that is too long is cut; else it is refused.
    """

    request: Mapping[str, Any]
    max_tokens: int
    stops: tuple[str, ...] = ()
    line_time_s: float | None = None
    cuts: bool = False


def fields_for(
    ask: Ask, vocabulary: Vocabulary, context_length: int
) -> tuple[dict[str, Any], bool]:
    """All fields of the request, and whether its texts were cut. `max_length` counts prompt and middle
    together, other tools the middle alone.

    Args:
        vocabulary: of the model that will answer.
        context_length: its, in tokens.

    Raises:
        Problem: something cannot be taken, or the prompt does not fit.
    """
    try:
        asked = parse_request(ask.request, context_length)
    except BadInput as error:
        raise Problem.bad_input(error) from None
    most = context_length - fim.MIN_ROOM
    prompt = _prompt_tokens(asked, vocabulary)
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
        given |= _cut(asked, vocabulary, context_length - room)
        prompt = context_length - room
    # A path that takes more than a quarter of the room is left out, which is not to depend on max_tokens.
    for_path = 4 * vocabulary.count(f"{asked.path}\n") + fim.MIN_ROOM + 4 if asked.path else 0
    wanted = max(prompt + max(ask.max_tokens, fim.MIN_ROOM), for_path, fim.MIN_MAX_LENGTH)
    return {**given, "max_length": min(context_length, wanted)}, cut


def _prompt_tokens(asked: CompletionRequest, vocabulary: Vocabulary) -> int:
    """Tokens of the whole prompt, `<bos>`, control tokens and what is forced counted."""
    sides = vocabulary.count(asked.prefix)
    if asked.layout != "ltr":
        sides += 3 + vocabulary.count(asked.suffix)
    paths = [one.path for one in asked.files if one.path] + ([asked.path] if asked.path else [])
    return (
        1
        + sides
        + len(asked.forced)
        + sum(vocabulary.count(f"{path}\n") for path in paths)
        + sum(vocabulary.count(one.text) + 1 for one in asked.files)
    )


def _cut(asked: CompletionRequest, vocabulary: Vocabulary, most: int) -> dict[str, Any]:
    """The texts of a prompt that has at most so many tokens, cut as they are everywhere here."""
    prompt = vocabulary.prompt(
        asked.prefix, asked.suffix, most + fim.MIN_ROOM, asked.layout, asked.path, asked.files
    )
    return asdict(fim.sides_of(prompt.segments))
