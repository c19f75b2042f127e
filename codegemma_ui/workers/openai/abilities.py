"""Detect what a server supports with trial requests: a short completion from text, from ids, and an echo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import openai

from codegemma_ui import fim
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.workers.openai.answers import ALTERNATIVES
from codegemma_ui.workers.openai.failures import protocol_error
from codegemma_ui.workers.openai.server import ServedModel, Server

TRIAL = ("def add(a, b):\n    return ", "\n\nprint('한글 😀', add(1, 2))\n")
"""Texts that two vocabularies are unlikely to split into the same number of tokens."""

_REFUSALS = (400, 422)
"""HTTP statuses for a parameter that a server does not accept."""


@dataclass(frozen=True)
class Abilities:
    """Features supported by a server.

    Attributes:
        model: the model it serves.
        extras: whether it accepts parameters beyond OpenAI's, including `top_k`.
        logprobs: whether it returns log probabilities.
        same_vocabulary: whether it splits a text into as many tokens as the preset; None if it reports no
            count.
        token_ids: whether it accepts a prompt as the preset's token ids.
        score: whether it returns log probabilities of a prompt's tokens.
        counted: its and the preset's token counts of the trial; None as above.
    """

    model: ServedModel
    extras: bool
    logprobs: bool
    same_vocabulary: bool | None
    token_ids: bool
    score: bool
    counted: tuple[int, int] | None

    @property
    def lacks(self) -> tuple[str, ...]:
        """Missing features, of `messages.LACKS`."""
        has = {
            "logprobs": self.logprobs,
            "stop_probability": False,  # five alternatives do not include all stop tokens
            "token_ids": self.token_ids,
            "score": self.score,
            "top_k": self.extras and self.model.server != "server",
        }
        return tuple(name for name, there in has.items() if not there)


def extras(model: ServedModel, vocabulary: Vocabulary, *, same_ids: bool) -> dict[str, Any]:
    """Return the server-specific parameters to send with each request.

    They disable what a server's settings or a model's `generation_config.json` may set otherwise.
    """
    match model.server:
        case "llama.cpp":
            return {"min_p": 0, "samplers": ["temperature", "top_k", "top_p"]}
        case "vLLM":
            parameters: dict[str, Any] = {
                "min_p": 0,
                "repetition_penalty": 1,
                "skip_special_tokens": False,
            }
            if same_ids:
                parameters |= {
                    "stop_token_ids": sorted(vocabulary.stop_ids),
                    "return_tokens_as_token_ids": True,
                    "return_token_ids": True,
                }
            return parameters
    return {}


async def examine(
    server: Server, vocabulary: Vocabulary, report: Callable[[float], None]
) -> Abilities:
    """Send the trial requests to a server.

    Args:
        report: called with the progress, from 0 to 1.

    Raises:
        ServerError, openai.OpenAIError: the server cannot be used at all.
    """
    model = await server.model()
    report(0.25)
    prompt = vocabulary.prompt(*TRIAL, max_length=256)
    body: dict[str, Any] = {
        "model": model.id,
        "prompt": prompt.text,
        "max_tokens": 1,
        "temperature": 0,
        "stop": list(fim.FIM_TOKENS),
    }
    own = extras(model, vocabulary, same_ids=False) | {"top_k": 0}
    takes_extras, logprobs = True, True
    answer = await _tried(server, {**body, "logprobs": ALTERNATIVES}, own)
    if answer is None:
        takes_extras = False
        answer = await _tried(server, {**body, "logprobs": ALTERNATIVES}, {})
    if answer is None:
        answer, logprobs = await server.ask(body, {}), False
    report(0.5)
    own = own if takes_extras else {}
    counted = _counted(answer, len(prompt.tokens))
    same = None if counted is None else counted[0] == counted[1]
    token_ids = False
    if same:
        as_ids = await _tried(server, {**body, "prompt": list(prompt.token_ids)}, own)
        token_ids = as_ids is not None and _counted(as_ids, counted[1] if counted else 0) == counted
    report(0.75)
    logprobs = logprobs and _has_logprobs(answer)
    score = False
    if token_ids and logprobs:
        score = await _tells_of_prompts(server, body, prompt.token_ids, own)
    report(1.0)
    return Abilities(model, takes_extras, logprobs, same, token_ids, score, counted)


async def _tried(server: Server, body: Mapping[str, Any], extra: Mapping[str, Any]) -> Any | None:
    """Return the answer, or None if the server does not accept the request."""
    try:
        return await server.ask(body, extra)
    except openai.APIStatusError as error:
        if error.status_code in _REFUSALS:
            return None
        raise


async def _tells_of_prompts(
    server: Server, body: Mapping[str, Any], ids: tuple[int, ...], extra: Mapping[str, Any]
) -> bool:
    trial = {**body, "prompt": list(ids), "echo": True, "max_tokens": 0, "logprobs": ALTERNATIVES}
    try:
        answer = await _tried(server, trial, extra)
        return answer is not None and len(echoed(answer)) >= len(ids)
    except openai.InternalServerError:  # some fail instead of refusing
        return False


def echoed(answer: Any) -> list[tuple[str, float | None]]:
    """Return the tokens of an echoed prompt with their log probabilities."""
    logprobs = choice_of(answer).get("logprobs") or {}
    tokens, likely = logprobs.get("tokens"), logprobs.get("token_logprobs")
    return list(zip(tokens, likely, strict=True)) if tokens and likely else []


def choice_of(answer: Any) -> dict[str, Any]:
    """Return the single choice of an answer.

    Raises:
        ServerError: there is none.
    """
    try:
        found: dict[str, Any] = answer.choices[0].model_dump(warnings=False)
    except (AttributeError, TypeError, IndexError) as error:
        raise protocol_error("no completion") from error
    return found


def _counted(answer: Any, ours: int) -> tuple[int, int] | None:
    choice_of(answer)
    theirs = getattr(answer.usage, "prompt_tokens", None) if answer.usage else None
    return (theirs, ours) if isinstance(theirs, int) else None


def _has_logprobs(answer: Any) -> bool:
    logprobs = choice_of(answer).get("logprobs") or {}
    return bool(logprobs.get("content") or logprobs.get("token_logprobs"))
