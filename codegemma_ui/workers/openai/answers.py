"""Parse the chunks of an answer: token ids, texts and log probabilities, as far as the server sends them.

Three formats are read. OpenAI's own is `logprobs` with lists of `tokens`, `token_logprobs` and
`top_logprobs`. vLLM writes `token_id:7` for a token on request, and adds `token_ids`. llama.cpp has a list
`content` of objects with an `id` each; it withholds a character's first bytes until the last one is
generated, and then sends the id of that last token only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codegemma_ui import fim
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.workers.openai.failures import protocol_error

ALTERNATIVES = 5
"""Limit of OpenAI's own server."""

_AS_ID = "token_id:"


@dataclass(frozen=True)
class ServedToken:
    """One token of an answer.

    Attributes:
        id: id in our vocabulary.
        logprob: None if the server does not send it.
        alternatives: ids and log probabilities of the likeliest tokens, likeliest first.
    """

    id: int
    logprob: float | None = None
    alternatives: tuple[tuple[int, float], ...] = ()


def streamed_choice(chunk: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the single choice of a chunk, or None if it has none.

    Raises:
        ServerError: it is not a chunk.
    """
    choices = chunk.get("choices")
    if not choices:
        return None
    if not isinstance(choices, list) or not isinstance(choices[0], dict):
        raise protocol_error("choices that are no list of objects")
    return choices[0]


def _text(choice: Mapping[str, Any]) -> str:
    """Return the text of a choice, including that of chat-only servers.

    Raises:
        TypeError: it is not a string.
    """
    text = choice.get("text")
    if text is None:
        message = choice.get("delta") or choice.get("message")
        text = message.get("content") if isinstance(message, dict) else None
    if not isinstance(text, str | None):
        raise TypeError(f"text that is a {type(text).__name__}")
    # JSON can contain a lone surrogate, which no vocabulary can encode.
    return (text or "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Reader:
    """Parser for the chunks of one answer.

    Args:
        vocabulary: vocabulary of the preset.
        same_ids: whether the server's ids are this vocabulary's; otherwise its texts are used.
    """

    def __init__(self, vocabulary: Vocabulary, same_ids: bool) -> None:
        self._vocabulary, self._same_ids = vocabulary, same_ids
        self._text, self._bytes = bytearray(), bytearray()  # from its texts, from its ids

    def read(self, choice: Mapping[str, Any]) -> list[ServedToken]:
        """Return the tokens of a choice.

        Args:
            choice: entry of a chunk's `choices`.

        Raises:
            TypeError, ValueError, KeyError, AttributeError: it is malformed.
        """
        text = _text(choice)
        named = self._by_id(choice) if self._same_ids else None
        if named is None:
            tokens = self._by_text(text, choice.get("logprobs"))
            self._text += text.encode()
            self._bytes += text.encode()
            return tokens
        return [*self._held_back(text, named), *named]

    def read_text(self, choice: Mapping[str, Any]) -> list[ServedToken]:
        """Return the tokens of a choice from its text only, if the rest cannot be read.

        Raises:
            TypeError: its text is not a string.
        """
        return self.read({"text": _text(choice)})

    # By ids

    def _by_id(self, choice: Mapping[str, Any]) -> list[ServedToken] | None:
        logprobs = choice.get("logprobs") or {}
        content = logprobs.get("content")
        if content is not None:
            return [
                ServedToken(
                    self._known(one["id"]),
                    _finite(one.get("logprob")),
                    self._likeliest(
                        (each["id"], each["logprob"]) for each in one.get("top_logprobs") or ()
                    ),
                )
                for one in content
            ]
        tokens = logprobs.get("tokens")
        if tokens and all(str(one).startswith(_AS_ID) for one in tokens):
            return [
                ServedToken(self._known(_id(name)), _finite(logprob), self._likeliest(others))
                for name, logprob, others in zip(
                    tokens, logprobs["token_logprobs"], _top(logprobs, len(tokens)), strict=True
                )
            ]
        ids = choice.get("token_ids")
        return None if ids is None else [ServedToken(self._known(one)) for one in ids]

    def _known(self, token_id: Any) -> int:
        if type(token_id) is not int or not 0 <= token_id < self._vocabulary.size:
            raise ValueError(f"a token id that is none of the vocabulary: {token_id!r}")
        return token_id

    def _likeliest(self, others: Any) -> tuple[tuple[int, float], ...]:
        found = [
            (self._known(one), float(logprob))
            for one, logprob in others
            if _finite(logprob) is not None
        ]
        return tuple(sorted(found, key=lambda one: -one[1])[:ALTERNATIVES])

    def _held_back(self, text: str, named: Sequence[ServedToken]) -> list[ServedToken]:
        """Return the tokens of bytes that are in the text but whose ids were not sent."""
        self._text += text.encode()
        own = b"".join(self._written(one.id) for one in named)
        gap = bytes(self._text[len(self._bytes) :])
        missing = gap.removesuffix(own) if own and gap.endswith(own) else b""
        self._bytes += missing + own
        ids = (self._vocabulary.id_of(f"<0x{byte:02X}>") for byte in missing)
        return [ServedToken(one) for one in ids if one is not None]

    def _written(self, token_id: int) -> bytes:
        stops = token_id in self._vocabulary.stop_ids
        return b"" if stops else self._vocabulary.token_bytes(token_id)

    # By texts

    def _by_text(self, text: str, logprobs: Mapping[str, Any] | None) -> list[ServedToken]:
        """Encode the server's texts chunk by chunk, if its ids are not ours."""
        logprobs = _listed(logprobs)
        pieces = (logprobs or {}).get("tokens")
        if logprobs is None or not pieces or "".join(pieces) != text:
            return [ServedToken(one) for one in self._encoded(text)]
        served: list[ServedToken] = []
        for piece, logprob, others in zip(
            pieces, logprobs["token_logprobs"], _top(logprobs, len(pieces)), strict=True
        ):
            ids = self._encoded(piece)
            if len(ids) != 1:
                served += [ServedToken(one) for one in ids]
                continue
            named = [(self._vocabulary.id_of(name), likely) for name, likely in others]
            known = ((one, likely) for one, likely in named if one is not None)
            served.append(ServedToken(ids[0], _finite(logprob), self._likeliest(known)))
        return served

    def _encoded(self, text: str) -> list[int]:
        """Encode text in which the name of a control token stands for that token, since the model generated
        it."""
        whole = self._vocabulary.id_of(text)
        if whole is not None and self._written(whole) in (b"", text.encode()):
            return [whole]
        name = min((one for one in fim.FIM_TOKENS if one in text), key=text.index, default=None)
        if name is None:
            return self._vocabulary.encode(text)
        before, _, after = text.partition(name)
        ids = [self._vocabulary.control_id(name)]
        return [*self._vocabulary.encode(before), *ids, *self._encoded(after)]


def _listed(logprobs: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Convert log probabilities to OpenAI's lists, if they came in the chat format, as `content`."""
    content = (logprobs or {}).get("content")
    if not content:
        return logprobs
    return {
        "tokens": [one["token"] for one in content],
        "token_logprobs": [one.get("logprob") for one in content],
        "top_logprobs": [
            {other["token"]: other["logprob"] for other in one.get("top_logprobs") or ()}
            for one in content
        ],
    }


def _id(name: str) -> int:
    return int(name.removeprefix(_AS_ID))


def _top(logprobs: Mapping[str, Any], count: int) -> list[list[tuple[Any, Any]]]:
    """Return `top_logprobs`, one mapping (or null) of names to log probabilities per token, as pairs."""
    given = logprobs.get("top_logprobs") or [None] * count
    return [
        [
            (_id(name) if name.startswith(_AS_ID) else name, likely)
            for name, likely in (one or {}).items()
        ]
        for one in given
    ]


def _finite(value: Any) -> float | None:
    """Return a log probability, or None if missing or not representable in JSON."""
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None
