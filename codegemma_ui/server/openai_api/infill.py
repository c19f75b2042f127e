"""llama.cpp's `/infill`: the request as llama.vscode and llama.vim send it, and the answer as they read it.

Source: https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md; a test holds the answer's
keys against llama.cpp's own server. Two things are not as there: `n_cmpl` gets one completion, as from
servers older than that option, and of the sampling options `temperature`, `top_k` and `top_p` are taken,
while min_p, penalties, the order of samplers and `n_indent` are left out.
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
"""How llama.cpp writes that a seed is to be drawn, beside -1, which has the same bits."""

_MISSING = object()

_TOLD_SETTINGS = ("temperature", "top_k", "top_p", "seed")

_NOT_DONE = ("grammar", "json_schema", "logit_bias", "lora", "ignore_eos", "n_probs")
"""What would change the answer: refused where it asks for something."""


class Form:
    """One request, and the objects of its answer.

    Args:
        given: the body.
        served: the name of the model that answers.
        context_length: its, in tokens.

    Raises:
        Problem: names what was expected and what came.
    """

    closing = b""

    def __init__(self, given: Mapping[str, Any], served: str, context_length: int) -> None:
        for name in _NOT_DONE:
            if not neutral.is_neutral(given, name):
                raise Problem.wrong(name, f"{name} is not supported here.", "not_supported")
        fields.check_model(given, served)
        self.stream = fields.flag(given, "stream")
        self._served = served
        self._ids = fields.flag(given, "return_tokens")
        self._tells_progress = fields.flag(given, "return_progress")
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
        # With 0 llama.cpp reads the prompt, for the next request to find it read, and writes one token too.
        self.ask = Ask(
            request=request,
            max_tokens=fields.MAX_COUNT if predict < 0 else max(predict, 1),
            stops=fields.stops(given),
            line_time_s=fields.line_time_s(given),
            cuts=True,
        )

    def whole(self, piece: Piece, writing: Writing) -> dict[str, Any]:
        """The answer at once."""
        answer = {**self._end(writing), "content": piece.text, "tokens": self._ids_of(piece)}
        return _chosen(answer, self._paths)

    def tells(self, piece: Piece) -> bool:
        """Whether a stream has a chunk for a piece: for each token, even where its text waits."""
        return piece.progress is None or self._tells_progress

    def part(self, piece: Piece) -> dict[str, Any]:
        """A chunk of a stream."""
        part = {
            "index": 0,
            "content": piece.text,
            "tokens": [token.id for token, _ in piece.tokens],
            "stop": False,
        }
        return part if piece.progress is None else {**part, "prompt_progress": vars(piece.progress)}

    def last(self, writing: Writing) -> list[dict[str, Any]]:
        """The chunk that ends a stream, the only one of it that `response_fields` is about."""
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
                **{name: self.ask.request[name] for name in _TOLD_SETTINGS},
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
    """Those fields of an answer that were asked for, all of them where none was.

    As llama.cpp does it: "a/b" is the field b of the object a, told under this whole name; what there is not
    is left out.
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
    """`input_extra` as our `files`, and whether some were left out: llama.vscode keeps up to 16 chunks, the
    newest last. Of too many or too long ones the newest are kept."""
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
    """Milliseconds, and tokens a second, of reading the prompt and of writing."""
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
