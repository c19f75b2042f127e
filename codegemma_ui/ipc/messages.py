"""What crosses the process line: requests, events and status, as dataclasses and as flat JSON objects.

One generation is a stream of events: one `prompt`, any number of `prefill`, any number of `token`, then
exactly one of `done`, `cancelled`, `error`. The page, the shell, the HTTP API and the tests all read these;
nobody parses text that another part formatted. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, get_args

from codegemma_ui import errors, fim
from codegemma_ui.errors import BadInput, PlaygroundError
from codegemma_ui.fim import DEFAULT_MAX_LENGTH
from codegemma_ui.presets.memory import Narrowed
from codegemma_ui.settings import DEFAULT_TIME_LIMIT_S

StopReason = Literal["stop_token", "max_length", "time_limit", "scored", "repetition", "server"]
State = Literal[
    "starting", "downloading", "loading", "warming", "ready", "busy", "asleep", "failed"
]
STATES: tuple[State, ...] = get_args(State)

# Requests


@dataclass(frozen=True, kw_only=True)
class CompletionRequest:
    """What a person asks for.

    Attributes:
        prefix: text before the cursor.
        suffix: text after the cursor.
        max_length: prompt and middle together, in tokens, as in KerasHub's `generate()`.
        temperature: 0 is greedy.
        top_k: sample from the k likeliest tokens; 0 is off.
        top_p: sample from the likeliest tokens that hold this probability; 1 is off.
        seed: the same seed repeats the same sample; None draws one.
        layout: prompt order, one of `fim.LAYOUTS`.
        time_limit_s: seconds from the first dispatch to the last token.
        path: of the file that is being written, for the model to read before it.
        files: other files of the same project, at most `MAX_FILES` with `MAX_FILES_CHARACTERS` together, for
            the model to read before that.
        forced: what the middle begins with, however likely: text, or token ids, stop tokens among them.
        score: tell how likely `forced` is, and write nothing after it.
        stop_on_repetition: stop where the model writes the same again and again (`repetition`). What is
            forced never counts.
    """

    prefix: str = ""
    suffix: str = ""
    max_length: int = DEFAULT_MAX_LENGTH
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int | None = None
    layout: fim.Layout = "psm"
    time_limit_s: float = DEFAULT_TIME_LIMIT_S
    path: str = ""
    files: tuple[fim.File, ...] = ()
    forced: str | tuple[int, ...] = ()
    score: bool = False
    stop_on_repetition: bool = True

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> CompletionRequest:
        """The request of what `asdict` makes of one, through JSON or not."""
        forced = raw.get("forced", ())
        return cls(
            **{
                **raw,
                "files": tuple(fim.File(**each) for each in raw.get("files", ())),
                "forced": forced if isinstance(forced, str) else tuple(forced),
            }
        )


MAX_TOP_K = 1000
MAX_TEMPERATURE = 5.0
MAX_SEED = 2**32 - 1
MAX_TOKEN_ID = 2**31 - 1
MAX_FILES = 8
MAX_FILES_CHARACTERS = fim.MAX_SIDE_CHARACTERS
MAX_PATH_CHARACTERS = 500


def parse_request(raw: Mapping[str, object], context_length: int) -> CompletionRequest:
    """The one place where foreign values become a request: page, shell and HTTP come through here.

    Args:
        raw: the fields of `CompletionRequest`; missing or None means the default.
        context_length: the loaded preset's trained context in tokens, the most `max_length` may be.

    Raises:
        BadInput: names the field, what was expected and what came.
    """
    unknown = set(raw) - {one.name for one in fields(CompletionRequest)}
    if unknown:
        raise BadInput(f"Unknown setting. Received: {', '.join(sorted(map(repr, unknown)))}")
    given = {name: value for name, value in raw.items() if value is not None}
    default = CompletionRequest()
    seed = given.get("seed")
    return CompletionRequest(
        prefix=_text(given, "prefix"),
        suffix=_text(given, "suffix"),
        max_length=_integer(
            given, "max_length", fim.MIN_MAX_LENGTH, context_length, default.max_length
        ),
        temperature=_number(given, "temperature", 0.0, MAX_TEMPERATURE, default.temperature),
        top_k=_integer(given, "top_k", 0, MAX_TOP_K, default.top_k),
        top_p=_number(given, "top_p", 0.0, 1.0, default.top_p),
        seed=None if seed is None else _integer(given, "seed", 0, MAX_SEED, 0),
        layout=_layout(given.get("layout", default.layout)),
        time_limit_s=_number(given, "time_limit_s", 0.1, 3600.0, default.time_limit_s),
        path=_path(given.get("path", "")),
        files=_files(given.get("files", ())),
        forced=_forced(given, context_length),
        score=_flag(given, "score", default.score),
        stop_on_repetition=_flag(given, "stop_on_repetition", default.stop_on_repetition),
    )


def check_length(request: CompletionRequest, context_length: int) -> None:
    """Check the lengths that a model bounds, of a request that is otherwise right.

    Raises:
        BadInput: as `parse_request`.
    """
    lengths = {"max_length": request.max_length, "forced": request.forced}
    _integer(lengths, "max_length", fim.MIN_MAX_LENGTH, context_length, request.max_length)
    _forced(lengths, context_length)


def _text(raw: Mapping[str, object], name: str) -> str:
    value = raw.get(name, "")
    if not isinstance(value, str):
        raise BadInput(f"{name} must be a string. Received: {type(value).__name__}")
    if len(value) > fim.MAX_SIDE_CHARACTERS:
        raise BadInput(
            f"{name} may have at most {fim.MAX_SIDE_CHARACTERS:,} characters. "
            f"Received: {len(value):,}",
            "Keep the part that stands nearest to the cursor.",
        )
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise BadInput(f"{name} must be valid Unicode. Received: a lone surrogate")
    return value


def _number(
    raw: Mapping[str, object], name: str, least: float, most: float, default: float
) -> float:
    value = raw.get(name, default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:  # type: ignore[operator]  # nan fails too
        raise BadInput(
            f"{name} must be a number from {least:g} to {most:g}. Received: {_shown(value)}"
        )
    return float(value)  # type: ignore[arg-type]


def _integer(raw: Mapping[str, object], name: str, least: int, most: int, default: int) -> int:
    value = raw.get(name, default)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # sliders and JSON clients send 128.0
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise BadInput(
            f"{name} must be a whole number from {least} to {most}. Received: {_shown(value)}"
        )
    return value


def _layout(value: object) -> fim.Layout:
    for layout in fim.LAYOUTS:
        if value == layout:
            return layout
    raise BadInput(f"layout must be one of {', '.join(fim.LAYOUTS)}. Received: {_shown(value)}")


def _path(value: object) -> str:
    path = _text({"path": value}, "path")
    if len(path) > MAX_PATH_CHARACTERS or any(mark in path for mark in "\r\n"):
        raise BadInput(
            f"path must be one line of at most {MAX_PATH_CHARACTERS} characters. Received: {_shown(path)}"
        )
    return path


def _files(value: object) -> tuple[fim.File, ...]:
    if not isinstance(value, list | tuple) or len(value) > MAX_FILES:
        raise BadInput(f"files must be a list of at most {MAX_FILES}. Received: {_shown(value)}")
    files = []
    for one in value:
        if not isinstance(one, Mapping) or not set(one) <= {"path", "text"}:
            raise BadInput(
                f'Each of files must be like {{"path": "a.py", "text": "…"}}. Received: {_shown(one)}'
            )
        files.append(fim.File(_path(one.get("path", "")), _text(one, "text")))
    characters = sum(len(one.text) for one in files)
    if characters > MAX_FILES_CHARACTERS:
        raise BadInput(
            f"files may have at most {MAX_FILES_CHARACTERS:,} characters together. "
            f"Received: {characters:,}"
        )
    return tuple(files)


def _forced(raw: Mapping[str, object], most: int) -> str | tuple[int, ...]:
    value = raw.get("forced", ())
    if isinstance(value, str):
        return _text(raw, "forced")
    expected = f"forced must be text or a list of at most {most:,} token ids"
    if not isinstance(value, list | tuple):
        raise BadInput(f"{expected}. Received: {_shown(value)}")
    if len(value) > most:
        raise BadInput(f"{expected}. Received: {len(value):,} of them")
    if not all(type(one) is int and 0 <= one <= MAX_TOKEN_ID for one in value):
        raise BadInput(f"{expected}. Received: {_shown(value)}")
    return tuple(value)


def _flag(raw: Mapping[str, object], name: str, default: bool) -> bool:
    value = raw.get(name, default)
    if not isinstance(value, bool):
        raise BadInput(f"{name} must be true or false. Received: {_shown(value)}")
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


# Events


@dataclass(frozen=True)
class Alternative:
    """A token the model might have chosen: one of the five likeliest."""

    id: int
    text: str
    logprob: float


@dataclass(frozen=True, kw_only=True)
class PromptEvent:
    """The prompt as the model receives it.

    Attributes:
        prompt: from the first control token to `<|fim_middle|>`, without `<bos>`.
        prompt_tokens: tokens, `<bos>` counted.
        token_ids: theirs.
        roles: "bos" or one of `fim.Role`, of each.
        forced_tokens: tokens that the middle begins with because they were asked for.
    """

    event: ClassVar[str] = "prompt"
    prompt: str
    prompt_tokens: int
    max_length: int
    trimmed_prefix_tokens: int
    trimmed_suffix_tokens: int
    trimmed_context_tokens: int = 0
    token_ids: tuple[int, ...] = ()
    roles: tuple[str, ...] = ()
    forced_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class PrefillEvent:
    """How far the prefill is, where it takes more than one pass and a moment; at most four come a second.

    Attributes:
        prefilled_tokens: put through the model so far.
        total_tokens: to be put through it: of the prompt and what is forced, what the prefix cache lacks.
    """

    event: ClassVar[str] = "prefill"
    prefilled_tokens: int
    total_tokens: int


@dataclass(frozen=True, kw_only=True)
class TokenEvent:
    """One generated token.

    Attributes:
        text: the whole characters that this token completes. Those of tokens that are not past the end join
            to the middle; a stop token has none.
        logprob: natural logarithm of the model's probability for it, before any sampler setting; None where
            a server does not tell it.
        alternatives: the five likeliest tokens, likeliest first; none where a server does not tell them.
        piece: as the vocabulary writes it: `<0xEA>` for a byte, its name for a control token.
        stop_probability: how likely it was that the middle ended here, at any stop token; None where a server
            does not tell it.
        forced: it was asked for, not chosen.
        past_end: a forced stop token stands before it.
    """

    event: ClassVar[str] = "token"
    index: int
    id: int
    text: str
    logprob: float | None
    alternatives: tuple[Alternative, ...]
    piece: str = ""
    stop_probability: float | None = None
    forced: bool = False
    past_end: bool = False


def logprob_of(tokens: Iterable[TokenEvent]) -> float | None:
    """Of all tokens together; None where one is not known."""
    total = 0.0
    for token in tokens:
        if token.logprob is None:
            return None
        total += token.logprob
    return total


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A generation so far; `done` and `cancelled` carry it, and HTTP sends it with each update.

    Attributes:
        raw_output: all that was written, control tokens by their names.
        middle: up to the first stop token.
        stop_reason: "repetition" where the model wrote the same again and again, all of which the middle
            keeps, since it has been shown: whoever wants less cuts it, and no update took back what another
            told. "server" where a server ended it by itself, without a stop token and before `max_length`.
        token_ids: of the raw output.
        logprob: of all its tokens together; None where a server did not tell all of them.
    """

    prompt: str | None = None
    raw_output: str | None = None
    middle: str | None = None
    program: str | None = None
    stop_reason: StopReason | None = None
    stop_token: str | None = None
    token_ids: tuple[int, ...] | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    logprob: float | None = None
    ttft_s: float | None = None
    tokens_per_s: float | None = None
    preset: str | None = None
    backend: str | None = None
    dtype: str | None = None


@dataclass(frozen=True, kw_only=True)
class DoneEvent(Completion):
    """The model stopped; every field but `stop_token`, `logprob` and the speeds is set."""

    event: ClassVar[str] = "done"


@dataclass(frozen=True, kw_only=True)
class CancelledEvent(Completion):
    """A person stopped it; what was generated is kept, `stop_reason` is None."""

    event: ClassVar[str] = "cancelled"


@dataclass(frozen=True, kw_only=True)
class ErrorEvent:
    """It could not be done. `hint` says what to do next."""

    event: ClassVar[str] = "error"
    code: str
    message: str
    hint: str = ""

    @classmethod
    def of(cls, error: PlaygroundError) -> ErrorEvent:
        """The event that tells of an error."""
        return cls(**error.to_dict())

    def error(self) -> PlaygroundError:
        """Return the error that the event tells of."""
        return errors.from_dict(vars(self))


Event = PromptEvent | PrefillEvent | TokenEvent | DoneEvent | CancelledEvent | ErrorEvent
LAST_EVENTS = (DoneEvent, CancelledEvent, ErrorEvent)
_EVENTS: dict[str, Any] = {
    one.event: one
    for one in (PromptEvent, PrefillEvent, TokenEvent, DoneEvent, CancelledEvent, ErrorEvent)
}


def event_to_dict(event: Event) -> dict[str, Any]:
    """A flat JSON object with `event` first."""
    # Not `asdict`, which copies every value of every level: half of what sending a token cost.
    values = {"event": event.event, **vars(event)}
    if isinstance(event, TokenEvent):
        values["alternatives"] = [vars(each) for each in event.alternatives]
    return values


def event_from_dict(raw: Mapping[str, Any]) -> Event:
    """The event of a flat object; keys that are not the event's own are ignored.

    Raises:
        ValueError: if `event` is not a known name.
    """
    kind = _EVENTS.get(raw.get("event", ""))
    if kind is None:
        raise ValueError(f"event must be one of {', '.join(_EVENTS)}. Received: {raw!r}")
    values = {one.name: raw[one.name] for one in fields(kind) if one.name in raw}
    if kind is TokenEvent:
        values["alternatives"] = tuple(Alternative(**each) for each in values["alternatives"])
    for name in ("token_ids", "roles"):
        if values.get(name) is not None:
            values[name] = tuple(values[name])
    event: Event = kind(**values)
    return event


# Status

AS_SERVED = "as served"
"""The precision of a server's model: no server says in which one it computes."""

LACKS = ("logprobs", "stop_probability", "token_ids", "score", "top_k")
"""What a server may lack that the local engine has: log probabilities of tokens and of alternatives; how
likely an end was at each; prompts as token ids; scoring what is given; the setting `top_k`."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a worker says of itself once its model is up.

    Attributes:
        device: as a person reads it, such as "CPU" or "NVIDIA L4".
        parameters: number of weights.
        memory_bytes: resident memory of the worker, plus device memory where one can tell.
        context_length: the most `max_length` may be.
        summary: the model's own `summary()`.
        note: what a person should know, such as a step that runs without compilation; or None.
        lacks: what it cannot do or does not tell, of `LACKS`.
        at_once: how many requests it serves side by side; 1 where its backend takes one at a time.
    """

    preset: str
    backend: str
    dtype: str
    device: str
    parameters: int
    memory_bytes: int
    context_length: int
    summary: str
    note: str | None = None
    lacks: tuple[str, ...] = ()
    at_once: int = 1


@dataclass(frozen=True, kw_only=True)
class Status:
    """The state of the playground at one moment; `/status` returns it.

    Attributes:
        state: what the engine does now. During a switch it speaks of the new model. "asleep" is a model that
            left memory because nobody asked for it; the next request loads it again.
        preset, backend, dtype: the loaded model, or the one on its way while none is loaded.
        device, parameters, memory_bytes, context_length, summary, note, lacks, at_once: as in `Loaded`.
        serving: requests that the model works on.
        queue_length: requests that wait.
        phase: the step of a start or switch: "downloading", "waiting" (for a running completion),
            "stopping" (the old worker), "loading", "warming". While busy: "ending" where a completion was
            stopped and the engine has not let go of it yet, "scoring", "prefill" before the first token.
            "quiet" where the model's process does not answer any more. Else None.
        progress: from 0 to 1 while downloading, loading or warming, where known.
        compilations: programs that the model's process has compiled; once `warm` is 1 no request adds any.
        warm: the share of its programs that are compiled, from 0 to 1; None while no model is loaded.
        switching_to: `{"preset": …, "backend": …, "dtype": …}` during a start or switch, else None.
        returns_to: the same of what comes back where that fails or is cancelled; None where nothing does.
        tokens_per_s: how fast the last completion was written; None until one was.
        narrowed: why "auto" is int8 or int4 for the loaded model; None where memory did not decide.
        faster_backend: an installed backend that is clearly faster for the loaded model, or None.
        error: `{"code": …, "message": …, "hint": …}` of the last failed start or switch, until the
            next one.
        retry_in_s: seconds until a model whose process kept ending is loaded again; None where it is not.
    """

    state: State = "starting"
    preset: str | None = None
    backend: str | None = None
    dtype: str | None = None
    device: str | None = None
    parameters: int | None = None
    memory_bytes: int | None = None
    context_length: int = fim.MIN_MAX_LENGTH
    at_once: int = 1
    serving: int = 0
    queue_length: int = 0
    phase: str | None = None
    progress: float | None = None
    switching_to: dict[str, str] | None = None
    returns_to: dict[str, str] | None = None
    tokens_per_s: float | None = None
    narrowed: Narrowed | None = None
    faster_backend: str | None = None
    error: dict[str, str] | None = None
    retry_in_s: float | None = None
    note: str | None = None
    compilations: int | None = None
    warm: float | None = None
    lacks: tuple[str, ...] = ()
    summary: str | None = field(default=None, repr=False)


_encoder = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def to_json(value: Mapping[str, Any]) -> str:
    """One line of JSON; non-ASCII stays escaped so that any pipe can carry it."""
    return _encoder.encode(value)
