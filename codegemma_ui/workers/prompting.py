"""Request handling common to all workers: forced tokens and the `prompt` event. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from codegemma_ui.errors import BadInput
from codegemma_ui.fim.vocabulary import Prompt, Vocabulary
from codegemma_ui.ipc.messages import CompletionRequest, PromptEvent


def forced_ids(request: CompletionRequest, vocabulary: Vocabulary) -> tuple[int, ...]:
    """Return the tokens that the middle must begin with.

    Raises:
        BadInput: an id is outside the vocabulary.
    """
    if isinstance(request.forced, str):
        return tuple(vocabulary.encode(request.forced))
    if any(token_id >= vocabulary.size for token_id in request.forced):
        raise BadInput(
            f"forced must be ids below {vocabulary.size}, the size of the vocabulary. "
            f"Received: {max(request.forced)}"
        )
    return request.forced


def prompt_event(request: CompletionRequest, prompt: Prompt, forced: Sequence[int]) -> PromptEvent:
    """Return the event that describes the prompt.

    Raises:
        BadInput: the forced tokens do not fit beside it.
    """
    room = request.max_length - len(prompt.tokens)
    if len(forced) > room:
        raise BadInput(
            f"forced must fit in max_length beside the prompt: {room} tokens. Received: {len(forced)}",
            "Raise max_length.",
        )
    return PromptEvent(
        prompt=prompt.text,
        prompt_tokens=len(prompt.tokens),
        max_length=request.max_length,
        trimmed_prefix_tokens=prompt.trimmed_prefix_tokens,
        trimmed_suffix_tokens=prompt.trimmed_suffix_tokens,
        trimmed_context_tokens=prompt.trimmed_context_tokens,
        token_ids=prompt.token_ids,
        roles=tuple(token.role for token in prompt.tokens),
        forced_tokens=len(forced),
    )
