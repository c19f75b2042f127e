"""Turn one task into one middle: trim the prompt to leave room for the middle, and run the engine greedily.

It uses `EngineClient`, like the page and the CLI, so that it measures what users get. Every task has its own
`max_length`. Nothing compiles for that: the engine's shapes depend on a few chunk and cache lengths, not on
`max_length`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from codegemma_ui import fim
from codegemma_ui.client.client import EngineClient
from codegemma_ui.commands.evaluate.tasks import Task
from codegemma_ui.errors import BadInput, EngineError
from codegemma_ui.fim.vocabulary import Prompt, Vocabulary
from codegemma_ui.ipc.messages import DoneEvent, ErrorEvent, Event, TokenEvent

DEFAULT_MAX_NEW_TOKENS = 96


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Settings of all tasks.

    Attributes:
        max_new_tokens: maximum tokens of a middle, including the stop token.
        hide_suffix: use an empty suffix, which shows what the suffix is worth.
    """

    max_new_tokens: int = DEFAULT_MAX_NEW_TOKENS
    layout: fim.Layout = "psm"
    hide_suffix: bool = False


@dataclass(frozen=True, kw_only=True)
class InfilledMiddle:
    """A generated middle.

    Attributes:
        stop_token: the token that ended it, or None if it reached `max_new_tokens`.
        trimmed_tokens: tokens cut from both sides of the prompt.
        seconds: from the request to its last event.
    """

    text: str
    stop_token: str | None
    prompt_tokens: int
    completion_tokens: int
    trimmed_tokens: int
    seconds: float


def check_room(max_new_tokens: int, context_length: int) -> None:
    """Check that a context holds such a middle and a prompt.

    Raises:
        BadInput: it does not.
    """
    most = context_length - (fim.MIN_MAX_LENGTH - fim.MIN_ROOM)
    if not 1 <= max_new_tokens <= most:
        raise BadInput(
            f"--max-new-tokens must be a whole number from 1 to {most}, for a context of "
            f"{context_length} tokens. Received: {max_new_tokens}"
        )


def fit(
    vocabulary: Vocabulary, task: Task, setup: Setup, context_length: int
) -> tuple[Prompt, str, str]:
    """Trim a task's sides so that the prompt and `max_new_tokens` fit the context.

    Returns:
        The prompt, and the prefix and suffix in it: the text nearest to the gap.
    """
    room = max(setup.max_new_tokens, fim.MIN_ROOM)  # the engine always keeps that much free
    max_length = context_length - room + fim.MIN_ROOM
    prompt = vocabulary.prompt(
        task.prompt[-fim.MAX_SIDE_CHARACTERS :],
        task.suffix[: fim.MAX_SIDE_CHARACTERS],
        max_length,
        setup.layout,
        steady=False,  # there is no typing
    )
    sides = fim.sides_of(prompt.segments)
    if setup.hide_suffix:  # with the same prefix: a longer one would hide what the suffix is worth
        sides = replace(sides, suffix="")
        prompt = vocabulary.prompt(sides.prefix, "", max_length, setup.layout, steady=False)
    return prompt, sides.prefix, sides.suffix


async def score(client: EngineClient, task: Task, setup: Setup) -> list[float]:
    """Score the original text of the gap with the loaded engine (teacher forcing).

    Args:
        setup: as for `infill`, so that the prompt is the same.

    Returns:
        For each token of the middle, and for the `<|file_separator|>` that ends it, the natural logarithm of
        its probability after the prompt and the tokens before it.

    Raises:
        EngineError: the engine failed.
    """
    vocabulary = client.vocabulary()
    end = vocabulary.control_id(fim.FILE_SEPARATOR)
    forced = [*vocabulary.encode(task.canonical_solution), end]
    if len(forced) > setup.max_new_tokens:
        setup = replace(setup, max_new_tokens=len(forced))
    _, tokens, _ = await _ask(client, task, setup, {"forced": forced, "score": True})
    return [token.logprob for token in tokens if token.logprob is not None]


async def infill(client: EngineClient, task: Task, setup: Setup) -> InfilledMiddle:
    """Generate one middle with the loaded engine.

    Raises:
        EngineError: the engine failed, or the middle hit the time limit: such a middle would say more about
            the machine than about the model.
    """
    started = time.perf_counter()
    prompt, tokens, last = await _ask(client, task, setup, {})
    pieces = [token.text for token in tokens]
    if last.stop_reason == "time_limit":
        raise EngineError(
            f"{task.task_id}: a middle must be done within the time limit. "
            f"Received: {len(pieces)} tokens in {client.settings.time_limit_s:g} s.",
            "Raise --time-limit, or choose a smaller model.",
        )
    # For a short prompt `max_length` exceeds the target, because the engine has a minimum.
    within = len(pieces) <= setup.max_new_tokens
    return InfilledMiddle(
        text=last.middle or "" if within else "".join(pieces[: setup.max_new_tokens]),
        stop_token=last.stop_token if within else None,
        prompt_tokens=len(prompt.token_ids),
        completion_tokens=min(len(pieces), setup.max_new_tokens),
        trimmed_tokens=prompt.trimmed_prefix_tokens + prompt.trimmed_suffix_tokens,
        seconds=time.perf_counter() - started,
    )


async def _ask(
    client: EngineClient, task: Task, setup: Setup, more: Mapping[str, object]
) -> tuple[Prompt, list[TokenEvent], DoneEvent]:
    """Run a task greedily; return its prompt, the tokens received, and the last event."""
    prompt, prefix, suffix = fit(client.vocabulary(), task, setup, client.status().context_length)
    room = max(setup.max_new_tokens, fim.MIN_ROOM)
    raw = {
        "prefix": prefix,
        "suffix": suffix,
        "max_length": max(len(prompt.token_ids) + room, fim.MIN_MAX_LENGTH),
        "temperature": 0.0,
        "layout": setup.layout,
        "stop_on_repetition": False,  # the model alone is evaluated
        **more,
    }
    tokens: list[TokenEvent] = []
    last: Event | None = None
    async for last in client.complete(raw):
        if isinstance(last, TokenEvent):
            tokens.append(last)
    if isinstance(last, ErrorEvent):
        raise EngineError(f"{task.task_id}: {last.message}", last.hint, last.code)
    if not isinstance(last, DoneEvent):
        raise EngineError(f"{task.task_id}: the completion was cancelled.")
    return prompt, tokens, last
