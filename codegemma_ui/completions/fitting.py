"""The `max_length` that a request needs for a number of new tokens, with nothing of its texts cut. Pure."""

from __future__ import annotations

from codegemma_ui import fim
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import CompletionRequest


def fitting(
    request: CompletionRequest, vocabulary: Vocabulary, new_tokens: int, context_length: int
) -> int:
    """Return the least `max_length` that leaves room for `new_tokens`, at most the context, in tokens.

    Args:
        request: its own `max_length` does not count.
        vocabulary: of the model.
        context_length: of the model, in tokens.
    """
    path = request.path
    # A path longer than a quarter of max_length is left out; this must not depend on new_tokens.
    for_path = 4 * vocabulary.count(f"{path}\n") + fim.MIN_ROOM + 4 if path else 0
    wanted = prompt_tokens(request, vocabulary) + max(new_tokens, fim.MIN_ROOM)
    return min(context_length, max(wanted, for_path, fim.MIN_MAX_LENGTH))


def prompt_tokens(request: CompletionRequest, vocabulary: Vocabulary) -> int:
    """Return the number of tokens of the whole prompt, with `<bos>`, control tokens and forced ids."""
    sides = vocabulary.count(request.prefix)
    if request.layout != "ltr":
        sides += 3 + vocabulary.count(request.suffix)
    paths = [one.path for one in request.files if one.path]
    paths += [request.path] if request.path else []
    return (
        1
        + sides
        + len(request.forced)
        + sum(vocabulary.count(f"{path}\n") for path in paths)
        + sum(vocabulary.count(one.text) + 1 for one in request.files)
    )
