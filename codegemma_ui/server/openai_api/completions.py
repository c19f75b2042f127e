"""OpenAI's legacy completions: the request and the response object.

Source: https://developers.openai.com/api/reference/resources/completions, and the types of the `openai`
package (3.57, `openai/types/completion*.py`). An unsupported option that would change the response is
refused, never ignored; options of other servers are accepted at values that have no effect (`neutral`).
Extensions: `top_k`, llama.cpp's `t_max_predict_ms`, more stop strings, a whole fill-in-the-middle prompt as
`prompt` (`fim_prompt`), and a `max_tokens` larger than fits, which ends at the context's end as `length`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc import checks
from codegemma_ui.ipc.messages import TokenEvent
from codegemma_ui.server.openai_api import fields, fim_prompt, neutral
from codegemma_ui.server.openai_api.ask import Ask
from codegemma_ui.server.openai_api.problems import Problem
from codegemma_ui.server.openai_api.writing import Piece, Writing

DEFAULT_MAX_TOKENS = 16
MAX_LOGPROBS = 5

_SHARED = ("temperature", "top_p", "stop_on_repetition")  # same meaning as for `/complete`
_READ = (
    *("model", "prompt", "suffix", "max_tokens", "stop", "stream", "stream_options", "logprobs"),
    *("top_k", "seed", "t_max_predict_ms"),
)


class CompletionForm:
    """One request, and the objects of its response.

    Args:
        given: the body.
        served: the name of the served model.
        vocabulary: of that model.

    Attributes:
        stream: whether the response is to be streamed.
        ask: the requested completion.

    Raises:
        Problem: states what was expected and what was received.
    """

    closing = b"data: [DONE]\n\n"

    def __init__(self, given: Mapping[str, Any], served: str, vocabulary: Vocabulary) -> None:
        _refuse_unknown(given)
        neutral.check(given)
        fields.check_model(given, served)
        self.stream = fields.flag(given, "stream")
        self._logprobs = (
            None
            if given.get("logprobs") is None
            else fields.whole(given, "logprobs", 0, 0, MAX_LOGPROBS)
        )
        self._usage_chunk = _wants_usage(given, self.stream)
        sides, self._offset = _sides(given, vocabulary)
        request = {"temperature": 1.0, **sides}
        request |= {name: given[name] for name in _SHARED if given.get(name) is not None}
        request |= {"top_k": fields.top_k(given, 0), "seed": fields.seed(given)}
        self.ask = Ask(
            request=request,
            max_tokens=fields.whole(given, "max_tokens", DEFAULT_MAX_TOKENS, 1, fields.MAX_COUNT),
            stops=fields.stops(given),
            line_time_s=fields.line_time_s(given),
        )
        self._head = {
            "id": f"cmpl-{uuid.uuid4().hex}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": served,
        }

    def whole(self, piece: Piece, writing: Writing) -> dict[str, Any]:
        """Return the whole response."""
        return self._object(piece, _reason(writing)) | {"usage": _usage(writing)}

    def tells(self, piece: Piece) -> bool:
        """Return whether a stream has a chunk for a piece: one without text can only carry logprobs."""
        return piece.progress is None and (bool(piece.text) or self._logprobs is not None)

    def part(self, piece: Piece) -> dict[str, Any]:
        """Return a chunk of a stream."""
        return self._chunk(piece, None)

    def last(self, writing: Writing) -> list[dict[str, Any]]:
        """Return the chunks that end a stream: the finish reason, then the usage if requested."""
        last = self._chunk(Piece(), _reason(writing))
        if not self._usage_chunk:
            return [last]
        return [last, {**self._head, "choices": [], "usage": _usage(writing)}]

    def _chunk(self, piece: Piece, reason: str | None) -> dict[str, Any]:
        return self._object(piece, reason) | ({"usage": None} if self._usage_chunk else {})

    def _object(self, piece: Piece, reason: str | None) -> dict[str, Any]:
        logprobs = None if self._logprobs is None else self._logprobs_of(piece, self._logprobs)
        choice = {
            "text": piece.text,
            "index": 0,
            "logprobs": logprobs,
            "finish_reason": reason,
        }
        return {**self._head, "choices": [choice]}

    def _logprobs_of(self, piece: Piece, most: int) -> dict[str, Any]:
        """Return the logprobs of a piece's tokens; offsets are characters from the start of the prompt."""
        return {
            "tokens": [_name(token) for token, _ in piece.tokens],
            "token_logprobs": [token.logprob for token, _ in piece.tokens],
            "top_logprobs": (
                [_likeliest(token, most) for token, _ in piece.tokens] if most else None
            ),
            "text_offset": [self._offset + start for _, start in piece.tokens],
        }


def _refuse_unknown(given: Mapping[str, Any]) -> None:
    unknown = set(given) - {*_READ, *_SHARED, *neutral.NEUTRAL, *neutral.NO_EFFECT}
    if unknown:
        name = min(unknown)
        raise Problem.wrong(
            name[:80], f"Unknown field. Received: {checks.shown(name)}", "unknown_field"
        )


def _wants_usage(given: Mapping[str, Any], stream: bool) -> bool:
    options = given.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict) or not stream:
        raise Problem.wrong(
            "stream_options",
            'stream_options must be an object such as {"include_usage": true}, beside stream: true. '
            f"Received: {checks.shown(options)}",
        )
    return fields.flag(options, "include_usage")


def _sides(given: Mapping[str, Any], vocabulary: Vocabulary) -> tuple[dict[str, Any], int]:
    """Return the fields of our request, and the number of characters of the prompt.

    A prompt without a suffix is continued left to right (`ltr`), as OpenAI does. Token ids become forced
    tokens, so that they are not retokenised.
    """
    prompt = given.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and not _is_id(prompt[0]):
        prompt = prompt[0]
    suffix = fields.text(given, "suffix") if given.get("suffix") is not None else None
    if isinstance(prompt, list) and prompt and all(map(_is_id, prompt)):
        if suffix is not None:
            raise Problem.wrong(
                "suffix", "suffix needs a prompt of text. Received: a prompt of token ids."
            )
        if max(prompt) >= vocabulary.size:
            raise Problem.wrong(
                "prompt",
                f"prompt must be text or ids below {vocabulary.size}. Received: {max(prompt)}",
            )
        ids = prompt[1:] if prompt[0] == vocabulary.bos_id else prompt
        return {"layout": "ltr", "forced": ids}, len(vocabulary.decode(ids))
    if not isinstance(prompt, str):
        raise Problem.wrong(
            "prompt",
            "prompt must be a string, a list of one string, or a list of token ids. "
            f"Received: {checks.shown(prompt)}",
        )
    if suffix is not None:
        return {"prefix": prompt, "suffix": suffix}, len(prompt)
    written = fim_prompt.read(prompt)
    return written or {"prefix": prompt, "layout": "ltr"}, len(prompt)


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _reason(writing: Writing) -> str:
    return "length" if writing.ended == "limit" else "stop"


def _usage(writing: Writing) -> dict[str, int]:
    """Return the token counts; the token that ended the text counts, as it was generated too."""
    return {
        "prompt_tokens": writing.prompt_tokens,
        "completion_tokens": writing.count,
        "total_tokens": writing.prompt_tokens + writing.count,
    }


def _name(token: TokenEvent) -> str:
    return token.piece or token.text


def _likeliest(token: TokenEvent, most: int) -> dict[str, float]:
    """Return the likeliest tokens and the chosen one, as far as a server reported them."""
    found = {each.text: each.logprob for each in token.alternatives[:most]}
    return found if token.logprob is None else {**found, _name(token): token.logprob}
