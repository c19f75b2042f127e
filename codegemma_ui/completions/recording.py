"""A completion as one JSON object: request, prompt, generated tokens, and stop reason.

A page stores its branches in this form, and "share" packs one into a URL, which shows the same completion
without a model. Incoming recordings are untrusted: everything is validated. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import Any, Literal, get_args

from codegemma_ui import fim
from codegemma_ui.errors import BadInput
from codegemma_ui.fim.vocabulary import Prompt, PromptToken
from codegemma_ui.ipc.messages import (
    Alternative,
    CancelledEvent,
    CompletionRequest,
    DoneEvent,
    StopReason,
    TokenEvent,
    event_from_dict,
    logprob_of,
    parse_request,
)

VERSION = 1
ENDINGS = ("LF", "CRLF")

_FORCED, _PAST_END = 1, 2
_ROLES = ("bos", *get_args(fim.Role))
_WORDS = ("raw_output", "stop_reason", "stop_token", "preset", "backend", "dtype")
_NUMBERS = ("ttft_s", "tokens_per_s")

LONGEST = 1 << 17
"""Tokens; longer than the trained context of any preset."""


@dataclass(frozen=True)
class Recording:
    """One finished completion.

    Attributes:
        request: the original request.
        ending: line ending of the program, "LF" or "CRLF".
        prompt: as the model received it.
        tokens: as the model returned them, including forced ones.
        last: the final event.
    """

    request: CompletionRequest
    ending: str
    prompt: Prompt
    tokens: tuple[TokenEvent, ...]
    last: DoneEvent | CancelledEvent

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON, with lists for frequent items: `prompt` holds `[id, piece, role, start, end]`,
        `tokens` `[id, piece, text, logprob, stop probability, flags, [[id, piece, logprob], …]]`, where flags
        are 1 for forced and 2 for past the end. Null is a value that a server did not send."""
        request = asdict(self.request)
        del request["time_limit_s"], request["score"]
        prompt = self.prompt
        return {
            "version": VERSION,
            "request": request,
            "ending": self.ending,
            "segments": [[part.role, part.text] for part in prompt.segments],
            "prompt": [
                [token.id, token.piece, token.role, token.start, token.end]
                for token in prompt.tokens
            ],
            "trimmed": [
                prompt.trimmed_prefix_tokens,
                prompt.trimmed_suffix_tokens,
                prompt.trimmed_context_tokens,
            ],
            "tokens": [_written(token) for token in self.tokens],
            "last": {
                "event": self.last.event,
                **{name: getattr(self.last, name) for name in (*_WORDS, *_NUMBERS)},
            },
        }


def _written(token: TokenEvent) -> list[Any]:
    flags = _FORCED * token.forced + _PAST_END * token.past_end
    others = [[one.id, one.text, round(one.logprob, 4)] for one in token.alternatives]
    return [
        *(token.id, token.piece, token.text),
        *(_rounded(token.logprob, 4), _rounded(token.stop_probability, 6), flags, others),
    ]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


class Unshowable(BadInput):
    """A recording contains a value that cannot be shown.

    Args:
        why: which one; see `_check_text` and `_check_reason`.
    """

    def __init__(self, message: str, why: Literal["half_character", "stop_reason"]) -> None:
        super().__init__(message)
        self.why = why


def from_dict(raw: Mapping[str, Any]) -> Recording:
    """Parse a recording.

    Raises:
        Unshowable: it contains what no page can show.
        BadInput: it is not a recording, or of another version.
    """
    try:
        _check_text(raw)
        return _read(raw)
    except BadInput:
        raise
    except (
        *(KeyError, TypeError, ValueError, AttributeError),
        *(OverflowError, RecursionError),
    ) as error:
        raise BadInput(
            "A recording must be one that this playground wrote. "
            f"Received: another object ({type(error).__name__})"
        ) from error


def _check_text(raw: Mapping[str, Any]) -> None:
    """Check for lone surrogates anywhere, field names included: JSON can contain what no encoding can.

    Raises:
        Unshowable: there is one.
    """
    try:
        json.dumps(raw, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        message = "A recording must contain whole characters. Received: a lone surrogate"
        raise Unshowable(message, "half_character") from error


def _check_reason(last: DoneEvent | CancelledEvent) -> None:
    """Raise `Unshowable` if the stop reason is unknown."""
    known: tuple[str | None, ...] = get_args(StopReason)
    if isinstance(last, CancelledEvent):
        known = (*known, None)
    if last.stop_reason not in known:
        message = f"stop_reason must be one of {', '.join(get_args(StopReason))}. Received: a different one"
        raise Unshowable(message, "stop_reason")


def _read(raw: Mapping[str, Any]) -> Recording:
    if raw["version"] != VERSION:
        raise BadInput(f"A recording must be of version {VERSION}. Received: a different one")
    request = parse_request(raw["request"], LONGEST)
    if raw["ending"] not in ENDINGS:
        raise ValueError(raw["ending"])
    tokens = tuple(_token(index, one) for index, one in enumerate(raw["tokens"]))
    prefix_cut, suffix_cut, context_cut = (_whole(one) for one in raw["trimmed"])
    prompt = Prompt(
        tokens=tuple(_prompt_token(*one) for one in raw["prompt"]),
        segments=tuple(fim.Segment(_role(role), _word(text)) for role, text in raw["segments"]),
        trimmed_prefix_tokens=prefix_cut,
        trimmed_suffix_tokens=suffix_cut,
        trimmed_context_tokens=context_cut,
    )
    raw_last = raw["last"]
    words = {name: _word(raw_last[name]) for name in _WORDS if raw_last[name] is not None}
    numbers = {name: _number(raw_last[name]) for name in _NUMBERS if raw_last[name] is not None}
    last = event_from_dict({"event": raw_last["event"], **words, **numbers})
    if not isinstance(last, DoneEvent | CancelledEvent):
        raise TypeError(last.event)
    _check_reason(last)
    middle = "".join(token.text for token in tokens if not token.past_end)
    last = replace(
        last,
        prompt=prompt.text,
        middle=middle,
        program=fim.splice(request.prefix, middle, request.suffix),
        token_ids=tuple(token.id for token in tokens),
        prompt_tokens=len(prompt.tokens),
        completion_tokens=len(tokens),
        logprob=logprob_of(tokens),
    )
    return Recording(request, raw["ending"], prompt, tokens, last)


def _token(index: int, one: Sequence[Any]) -> TokenEvent:
    token_id, piece, text, logprob, stop, flags, others = one
    return TokenEvent(
        index=index,
        id=_whole(token_id),
        text=_word(text),
        logprob=None if logprob is None else _number(logprob),
        alternatives=tuple(
            Alternative(_whole(each), _word(name), _number(likely)) for each, name, likely in others
        ),
        piece=_word(piece),
        stop_probability=None if stop is None else _number(stop),
        forced=bool(_whole(flags) & _FORCED),
        past_end=bool(_whole(flags) & _PAST_END),
    )


def _prompt_token(token_id: Any, piece: Any, role: Any, start: Any, end: Any) -> PromptToken:
    if role not in _ROLES:
        raise ValueError(role)
    return PromptToken(_whole(token_id), _word(piece), role, _whole(start), _whole(end))


def _role(value: Any) -> fim.Role:
    for role in get_args(fim.Role):
        if value == role:
            found: fim.Role = role
            return found
    raise ValueError(value)


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise TypeError(type(value).__name__)
    return value


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
        raise TypeError(type(value).__name__)
    return float(value)


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(type(value).__name__)
    return value
