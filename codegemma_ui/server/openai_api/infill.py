"""llama.cpp's `/infill`: the request and response format of llama.vscode and llama.vim.

Source: https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md; a test compares the keys of
the response with llama.cpp's own server. Two differences: `n_cmpl` gets one completion, as from servers older
than that option; and of the sampling options `temperature`, `top_k` and `top_p` are supported, while min_p,
penalties, the order of samplers and `n_indent` are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codegemma_ui.ipc import checks
from codegemma_ui.ipc.messages import MAX_FILES, MAX_FILES_CHARACTERS
from codegemma_ui.server.openai_api import fields, neutral
from codegemma_ui.server.openai_api.ask import Ask
from codegemma_ui.server.openai_api.problems import Problem
from codegemma_ui.server.openai_api.writing import Piece, Writing

DEFAULTS = {"temperature": 0.8, "top_p": 0.95}
DEFAULT_TOP_K = 40

RANDOM_SEED = 2**32 - 1
"""llama.cpp's value for a random seed, also written as -1, which has the same bits."""

_MISSING = object()

_REPORTED_SETTINGS = ("temperature", "top_k", "top_p", "seed")

_UNSUPPORTED = ("grammar", "json_schema", "logit_bias", "lora", "ignore_eos", "n_probs")
"""Options that would change the response: refused unless they are at a value without effect."""


class InfillForm:
    """One request, and the objects of its response.

    Args:
        given: the body.
        served: the name of the served model.
        context_length: of that model, in tokens.

    Raises:
        Problem: states what was expected and what was received.
    """

    closing = b""

    def __init__(self, given: Mapping[str, Any], served: str, context_length: int) -> None:
        for name in _UNSUPPORTED:
            if not neutral.is_neutral(given, name):
                raise Problem.wrong(name, f"{name} is not supported here.", "not_supported")
        fields.check_model(given, served)
        self.stream = fields.flag(given, "stream")
        self._served = served
        self._ids = fields.flag(given, "return_tokens")
        self._reports_progress = fields.flag(given, "return_progress")
        self._paths = fields.names(given, "response_fields")
        self._context_length = context_length
        files, self._dropped = _files(given)
        seed = fields.seed(given)
        request = {
            "prefix": fields.text(given, "input_prefix") + fields.text(given, "prompt"),
            "suffix": fields.text(given, "input_suffix"),
            "files": files,
            **{
                name: default if (value := given.get(name)) is None else value
                for name, default in DEFAULTS.items()
            },
            "top_k": fields.top_k(given, DEFAULT_TOP_K),
            "seed": None if seed == RANDOM_SEED else seed,
            "stop_on_repetition": given.get("stop_on_repetition"),
        }
        predict = fields.whole(given, "n_predict", -1, -1, fields.MAX_COUNT)
        # With 0 llama.cpp prefills the prompt, to cache it for the next request, and writes one token.
        self.ask = Ask(
            request=request,
            max_tokens=fields.MAX_COUNT if predict < 0 else max(predict, 1),
            stops=fields.stops(given),
            line_time_s=fields.line_time_s(given),
            cuts=True,
        )

    def whole(self, piece: Piece, writing: Writing) -> dict[str, Any]:
        """Return the whole response."""
        answer = {**self._end(writing), "content": piece.text, "tokens": self._ids_of(piece)}
        return _chosen(answer, self._paths)

    def tells(self, piece: Piece) -> bool:
        """Return whether a stream has a chunk for a piece: for each token, even if its text is held back."""
        return piece.progress is None or self._reports_progress

    def part(self, piece: Piece) -> dict[str, Any]:
        """Return a chunk of a stream."""
        part = {
            "index": 0,
            "content": piece.text,
            "tokens": [token.id for token, _ in piece.tokens],
            "stop": False,
        }
        return part if piece.progress is None else {**part, "prompt_progress": vars(piece.progress)}

    def last(self, writing: Writing) -> list[dict[str, Any]]:
        """Return the chunk that ends a stream, the only one that `response_fields` applies to."""
        return [_chosen(self._end(writing), self._paths)]

    def _ids_of(self, piece: Piece) -> list[int]:
        return [token.id for token, _ in piece.tokens] if self._ids else []

    def _end(self, writing: Writing) -> dict[str, Any]:
        return {
            "index": 0,
            "content": "",
            "tokens": [],
            "id_slot": 0,
            "stop": True,
            "model": self._served,
            "tokens_predicted": writing.count,
            "tokens_evaluated": writing.prompt_tokens,
            "generation_settings": {
                "n_ctx": self._context_length,
                **{name: self.ask.request[name] for name in _REPORTED_SETTINGS},
            },
            "prompt": writing.prompt.prompt if writing.prompt else "",
            "has_new_line": writing.has_line_break,
            "truncated": writing.was_cut or self._dropped,
            "stop_type": writing.ended,
            "stopping_word": writing.stopping_word,
            "tokens_cached": writing.prompt_tokens + writing.count,
            "timings": _timings(writing),
        }


def _chosen(answer: dict[str, Any], paths: tuple[str, ...]) -> dict[str, Any]:
    """Return the requested fields of a response, or all if none were requested.

    As in llama.cpp, "a/b" is the field b of the object a, returned under this whole name; missing fields are
    left out.
    """
    if not paths:
        return answer
    chosen: dict[str, Any] = {}
    for path in paths:
        value: Any = answer
        for name in path.split("/"):
            value = value.get(name, _MISSING) if isinstance(value, dict) else _MISSING
        if value is not _MISSING:
            chosen[path] = value
    return chosen


def _files(given: Mapping[str, Any]) -> tuple[list[dict[str, Any]], bool]:
    """Return `input_extra` as our `files`, and whether some were dropped: llama.vscode sends up to 16 chunks,
    newest last. If there are too many or they are too long, the newest are kept."""
    extra = given.get("input_extra") or []
    if not isinstance(extra, list) or not all(isinstance(each, dict) for each in extra):
        raise Problem.wrong(
            "input_extra",
            'input_extra must be a list of objects like {"filename": "a.py", "text": "…"}. '
            f"Received: {checks.shown(extra)}",
        )
    newest: list[dict[str, Any]] = []
    room = MAX_FILES_CHARACTERS
    for each in reversed(extra[-MAX_FILES:]):
        file = {"path": fields.text(each, "filename"), "text": fields.text(each, "text")}
        room -= len(file["text"])
        if room < 0:
            break
        newest.append(file)
    return newest[::-1], len(extra) > len(newest)


def _timings(writing: Writing) -> dict[str, float | int]:
    """Return milliseconds and tokens per second of prefill and decode."""
    timings: dict[str, float | int] = {}
    for name, tokens, seconds in (
        ("prompt", writing.prompt_tokens, writing.first_s - writing.began_s),
        ("predicted", writing.count, writing.latest_s - writing.first_s),
    ):
        spent = max(seconds, 0.0)
        timings |= {
            f"{name}_n": tokens,
            f"{name}_ms": round(1000 * spent, 3),
            f"{name}_per_token_ms": round(1000 * spent / max(tokens, 1), 3),
            f"{name}_per_second": round(tokens / spent, 3) if spent > 0 else 0.0,
        }
    return timings
