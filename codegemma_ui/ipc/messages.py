"""Messages between processes: requests, events and status, as dataclasses and as flat JSON objects.

One generation is a stream of events: one `prompt`, any number of `prefill`, any number of `token`, then
exactly one of `done`, `cancelled`, `error`. The page, the CLI, the HTTP API and the tests all read these;
none of them parses formatted text. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, get_args

from codegemma_ui import errors, fim
from codegemma_ui.errors import BadInput, PlaygroundError
from codegemma_ui.fim import DEFAULT_MAX_LENGTH
from codegemma_ui.ipc import checks
from codegemma_ui.presets.memory import Narrowed
from codegemma_ui.settings import DEFAULT_TIME_LIMIT_S

StopReason = Literal[
    "stop_token",
    "stop_string",
    "end_of_line",
    "max_length",
    "time_limit",
    "scored",
    "repetition",
    "server",
]
State = Literal[
    "starting", "downloading", "loading", "warming", "ready", "busy", "asleep", "failed"
]
STATES: tuple[State, ...] = get_args(State)

# Requests


@dataclass(frozen=True, kw_only=True)
class CompletionRequest:
    """A completion request.

    Attributes:
        prefix: text before the cursor.
        suffix: text after the cursor.
        max_length: prompt and middle together, in tokens, as in KerasHub's `generate()`.
        temperature: 0 is greedy.
        top_k: sample from the k likeliest tokens; 0 is off.
        top_p: sample from the likeliest tokens that hold this probability; 1 is off.
        seed: makes sampling repeatable; None for a random seed.
        layout: prompt order, one of `fim.LAYOUTS`.
        time_limit_s: seconds from the first dispatch to the last token.
        path: path of the file being edited, shown to the model before its text.
        files: other files of the same project, at most `MAX_FILES` with `MAX_FILES_CHARACTERS` together,
            shown to the model before that.
        forced: what the middle begins with, however unlikely: text, or token ids, stop tokens included.
        score: report the probabilities of `forced`, and generate nothing after it.
        stop_on_repetition: stop when the model repeats itself (`repetition`). Forced text does not count.
        one_line: end before the first line break after text (`end_of_line`); those that the middle begins
            with do not count, and forced ones neither.
        stop: texts; the middle ends before the first of them that the model writes (`stop_string`).
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
    one_line: bool = False
    stop: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> CompletionRequest:
        """Return the request for `asdict`'s result, possibly after a JSON round trip."""
        forced = raw.get("forced", ())
        return cls(
            **{
                **raw,
                "files": tuple(fim.File(**each) for each in raw.get("files", ())),
                "forced": forced if isinstance(forced, str) else tuple(forced),
                "stop": tuple(raw.get("stop", ())),
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
    """Parse untrusted values into a request; page, CLI and HTTP all use this function.

    Args:
        raw: the fields of `CompletionRequest`; missing or None means the default.
        context_length: context of the loaded preset in tokens, the upper limit of `max_length`.

    Raises:
        BadInput: names the field, the expected and the received value.
    """
    unknown = set(raw) - {one.name for one in fields(CompletionRequest)}
    if unknown:
        raise BadInput(f"Unknown setting. Received: {', '.join(sorted(map(repr, unknown)))}")
    given = {name: value for name, value in raw.items() if value is not None}
    default = CompletionRequest()

    def whole(name: str, least: int, most: int) -> int:
        return checks.whole(given.get(name, getattr(default, name)), name, least, most)

    def number(name: str, least: float, most: float) -> float:
        return checks.number(given.get(name, getattr(default, name)), name, least, most)

    def flag(name: str) -> bool:
        return checks.flag(given.get(name, getattr(default, name)), name)

    return CompletionRequest(
        prefix=_text(given, "prefix"),
        suffix=_text(given, "suffix"),
        max_length=whole("max_length", fim.MIN_MAX_LENGTH, context_length),
        temperature=number("temperature", 0.0, MAX_TEMPERATURE),
        top_k=whole("top_k", 0, MAX_TOP_K),
        top_p=number("top_p", 0.0, 1.0),
        seed=whole("seed", 0, MAX_SEED) if "seed" in given else None,
        layout=_layout(given.get("layout", default.layout)),
        time_limit_s=number("time_limit_s", 0.1, 3600.0),
        path=_path(given.get("path", "")),
        files=_files(given.get("files", ())),
        forced=_forced(given, context_length),
        score=flag("score"),
        stop_on_repetition=flag("stop_on_repetition"),
        one_line=flag("one_line"),
        stop=checks.stop_strings(given.get("stop", ()), "stop"),
    )


def check_length(request: CompletionRequest, context_length: int) -> None:
    """Check the lengths that a model bounds, of a request that is otherwise right.

    Raises:
        BadInput: as `parse_request`.
    """
    checks.whole(request.max_length, "max_length", fim.MIN_MAX_LENGTH, context_length)
    _forced({"forced": request.forced}, context_length)


def _text(raw: Mapping[str, object], name: str) -> str:
    value = checks.text(raw.get(name, ""), name)
    if len(value) > fim.MAX_SIDE_CHARACTERS:
        raise BadInput(
            f"{name} may have at most {fim.MAX_SIDE_CHARACTERS:,} characters. "
            f"Received: {len(value):,}",
            "Keep the part nearest to the cursor.",
        )
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise BadInput(f"{name} must be valid Unicode. Received: a lone surrogate")
    return value


def _layout(value: object) -> fim.Layout:
    for layout in fim.LAYOUTS:
        if value == layout:
            return layout
    raise BadInput(
        f"layout must be one of {', '.join(fim.LAYOUTS)}. Received: {checks.shown(value)}"
    )


def _path(value: object) -> str:
    path = _text({"path": value}, "path")
    if len(path) > MAX_PATH_CHARACTERS or any(mark in path for mark in "\r\n"):
        raise BadInput(
            f"path must be one line of at most {MAX_PATH_CHARACTERS} characters. "
            f"Received: {checks.shown(path)}"
        )
    return path


def _files(value: object) -> tuple[fim.File, ...]:
    if not isinstance(value, list | tuple) or len(value) > MAX_FILES:
        raise BadInput(
            f"files must be a list of at most {MAX_FILES}. Received: {checks.shown(value)}"
        )
    files = []
    for one in value:
        if not isinstance(one, Mapping) or not set(one) <= {"path", "text"}:
            raise BadInput(
                f'Each of files must be like {{"path": "a.py", "text": "…"}}. Received: {checks.shown(one)}'
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
        raise BadInput(f"{expected}. Received: {checks.shown(value)}")
    if len(value) > most:
        raise BadInput(f"{expected}. Received: {len(value):,} of them")
    if not all(type(one) is int and 0 <= one <= MAX_TOKEN_ID for one in value):
        raise BadInput(f"{expected}. Received: {checks.shown(value)}")
    return tuple(value)


# Events


@dataclass(frozen=True)
class Alternative:
    """One of the five likeliest tokens at a position."""

    id: int
    text: str
    logprob: float


@dataclass(frozen=True, kw_only=True)
class PromptEvent:
    """The prompt as the model receives it.

    Attributes:
        prompt: from the first control token to `<|fim_middle|>`, without `<bos>`.
        prompt_tokens: number of tokens, including `<bos>`.
        token_ids: their ids.
        roles: "bos" or one of `fim.Role`, one per token.
        forced_tokens: number of forced tokens at the start of the middle.
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
    """Progress of a prefill of more than one pass, sent at most four times a second.

    Attributes:
        prefilled_tokens: processed so far.
        total_tokens: to process: prompt and forced tokens not in the prefix cache.
    """

    event: ClassVar[str] = "prefill"
    prefilled_tokens: int
    total_tokens: int


@dataclass(frozen=True, kw_only=True)
class TokenEvent:
    """One generated token.

    Attributes:
        text: whole characters that this token completes; what may begin a stop string comes with the token
            that decides it. Those of tokens before the end join to the middle; a stop token has none, and a
            stop string neither.
        logprob: natural logarithm of the model's probability for it, before any sampling setting; None if a
            server does not send it.
        alternatives: the five likeliest tokens, likeliest first; empty if a server does not send them.
        piece: as in the vocabulary: `<0xEA>` for a byte, its name for a control token.
        stop_probability: probability that the middle ended here, with any stop token; None if a server does
            not send it.
        forced: whether it was given by the request instead of chosen.
        past_end: whether a forced stop token precedes it.
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
    """Return the logprob of all tokens together, or None if one is unknown."""
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
        raw_output: all output, with control tokens by name.
        middle: text up to the first stop token or stop string.
        stop_reason: "repetition" if the model repeated itself; the middle keeps all of it, since it has been
            shown: updates never take back earlier text, and clients may cut it. "server" if a server ended it
            without a stop token and before `max_length`.
        token_ids: ids of the raw output.
        logprob: sum over its tokens; None if a server did not send all of them.
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
    """The user stopped it; generated text is kept, `stop_reason` is None."""

    event: ClassVar[str] = "cancelled"


@dataclass(frozen=True, kw_only=True)
class ErrorEvent:
    """The request failed. `hint` says what to do next."""

    event: ClassVar[str] = "error"
    code: str
    message: str
    hint: str = ""

    @classmethod
    def of(cls, error: PlaygroundError) -> ErrorEvent:
        """Return the event for an error."""
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
    """Convert an event to a flat JSON object with `event` first."""
    # Not `asdict`, which copies every value at every level: half the cost of sending a token.
    values = {"event": event.event, **vars(event)}
    if isinstance(event, TokenEvent):
        values["alternatives"] = [vars(each) for each in event.alternatives]
    return values


_FIELDS = {kind: tuple(one.name for one in fields(kind)) for kind in _EVENTS.values()}


def event_from_dict(raw: Mapping[str, Any]) -> Event:
    """Parse the event of a flat object; unknown keys are ignored.

    Raises:
        ValueError: if `event` is not a known name.
    """
    kind = _EVENTS.get(raw.get("event", ""))
    if kind is None:
        raise ValueError(f"event must be one of {', '.join(_EVENTS)}. Received: {raw!r}")
    values = {name: raw[name] for name in _FIELDS[kind] if name in raw}
    if kind is TokenEvent:
        values["alternatives"] = tuple(Alternative(**each) for each in values["alternatives"])
    for name in ("token_ids", "roles"):
        if values.get(name) is not None:
            values[name] = tuple(values[name])
    event: Event = kind(**values)
    return event


# Status

AS_SERVED = "as served"
"""Precision of a server's model: servers do not report their own."""

LACKS = ("logprobs", "stop_probability", "token_ids", "score", "top_k")
"""Features of the local engine that a server may lack: log probabilities of tokens and alternatives; stop
probabilities; prompts as token ids; scoring of given tokens; the setting `top_k`."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A worker's description of its loaded model.

    Attributes:
        device: display name, such as "CPU" or "NVIDIA L4".
        parameters: number of weights.
        memory_bytes: resident memory of the worker, plus device memory where available.
        context_length: upper limit of `max_length`.
        summary: the model's own `summary()`.
        note: message for the user, such as a step that runs uncompiled; or None.
        lacks: unsupported features, of `LACKS`.
        at_once: number of concurrent requests; 1 if the backend takes one at a time.
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
        state: state of the engine. During a switch it refers to the new model. "asleep" is a model that was
            unloaded after a period without requests; the next request loads it again.
        preset, backend, dtype: the loaded model, or the one being loaded if none is.
        device, parameters, memory_bytes, context_length, summary, note, lacks, at_once: as in `Loaded`.
        serving: number of requests in progress.
        queue_length: number of waiting requests.
        phase: step of a start or switch: "downloading", "waiting" (for a running completion), "stopping" (the
            old worker), "loading", "warming". While busy: "ending" if a completion was stopped and the engine
            has not released it yet, "scoring", "prefill" before the first token. "quiet" if the worker has
            stopped responding. Else None.
        progress: from 0 to 1 while downloading, loading or warming, if known.
        compilations: programs that the worker has compiled; once `warm` is 1 no request adds any.
        warm: the share of its programs that are compiled, from 0 to 1; None while no model is loaded.
        switching_to: `{"preset": …, "backend": …, "dtype": …}` during a start or switch, else None.
        returns_to: the same for the model that is restored if the switch fails or is cancelled; None if none.
        tokens_per_s: speed of the last completion; None until there is one.
        narrowed: why "auto" is int8 or int4 for the loaded model; None if memory did not decide.
        faster_backend: an installed backend that is clearly faster for the loaded model, or None.
        error: `{"code": …, "message": …, "hint": …}` of the last failed start or switch, until the
            next one.
        retry_in_s: seconds until a model whose process kept crashing is loaded again; None if it is not.
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
    """Return one line of JSON, with non-ASCII escaped so that any pipe can carry it."""
    return _encoder.encode(value)
