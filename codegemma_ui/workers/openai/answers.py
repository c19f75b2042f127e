"""What a piece of an answer tells of its tokens: ids, texts, log probabilities, as far as the server says.

Three ways of telling are read. OpenAI's own is `logprobs` with lists of `tokens`, `token_logprobs` and
`top_logprobs`. vLLM writes `token_id:7` for a token where it is asked to, and adds `token_ids`. llama.cpp has
a list `content` of objects with an `id` each; it keeps the first bytes of a character to itself until the
last one has come, and then tells the id of that one alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codegemma_ui import fim
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.workers.openai.failures import nonsense

ALTERNATIVES = 5
"""As many as OpenAI's own server gives."""

_AS_ID = "token_id:"


@dataclass(frozen=True)
class Told:
    """One token.

    Attributes:
        id: in our vocabulary.
        logprob: None where the server does not tell it.
        alternatives: ids and log probabilities of the likeliest tokens, likeliest first.
    """

    id: int
    logprob: float | None = None
    alternatives: tuple[tuple[int, float], ...] = ()


def streamed_choice(chunk: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The one choice of a chunk; None where it has none.

    Raises:
        ServerError: it is no chunk.
    """
    choices = chunk.get("choices")
    if not choices:
        return None
    if not isinstance(choices, list) or not isinstance(choices[0], dict):
        raise nonsense("choices that are no list of objects")
    return choices[0]


def _text(choice: Mapping[str, Any]) -> str:
    """The text of a piece, which servers that know chats alone send as theirs.

    Raises:
        TypeError: it is none.
    """
    text = choice.get("text")
    if text is None:
        said = choice.get("delta") or choice.get("message")
        text = said.get("content") if isinstance(said, dict) else None
    if not isinstance(text, str | None):
        raise TypeError(f"text that is a {type(text).__name__}")
    # JSON can spell half of a character, which no vocabulary can encode.
    return (text or "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Reader:
    """Reads the pieces of one answer.

    Args:
        vocabulary: the preset's.
        same_ids: the server's ids are this vocabulary's; else its texts are read.
    """

    def __init__(self, vocabulary: Vocabulary, same_ids: bool) -> None:
        self._vocabulary, self._same_ids = vocabulary, same_ids
        self._text, self._bytes = bytearray(), bytearray()  # by its texts, by its ids

    def read(self, choice: Mapping[str, Any]) -> list[Told]:
        """The tokens of a piece.

        Args:
            choice: of a chunk's `choices`.

        Raises:
            TypeError, ValueError, KeyError, AttributeError: it is none.
        """
        text = _text(choice)
        named = self._by_id(choice) if self._same_ids else None
        if named is None:
            told = self._by_text(text, choice.get("logprobs"))
            self._text += text.encode()
            self._bytes += text.encode()
            return told
        return [*self._held_back(text, named), *named]

    def read_text(self, choice: Mapping[str, Any]) -> list[Told]:
        """The tokens of a piece by its text alone, where what it says beside it cannot be read.

        Raises:
            TypeError: its text is none.
        """
        return self.read({"text": _text(choice)})

    # By ids

    def _by_id(self, choice: Mapping[str, Any]) -> list[Told] | None:
        logprobs = choice.get("logprobs") or {}
        content = logprobs.get("content")
        if content is not None:
            return [
                Told(
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
                Told(self._known(_id(name)), _finite(logprob), self._likeliest(others))
                for name, logprob, others in zip(
                    tokens, logprobs["token_logprobs"], _top(logprobs, len(tokens)), strict=True
                )
            ]
        ids = choice.get("token_ids")
        return None if ids is None else [Told(self._known(one)) for one in ids]

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

    def _held_back(self, text: str, named: Sequence[Told]) -> list[Told]:
        """The tokens of bytes that stand in the text, and whose ids did not come."""
        self._text += text.encode()
        own = b"".join(self._written(one.id) for one in named)
        gap = bytes(self._text[len(self._bytes) :])
        missing = gap.removesuffix(own) if own and gap.endswith(own) else b""
        self._bytes += missing + own
        ids = (self._vocabulary.id_of(f"<0x{byte:02X}>") for byte in missing)
        return [Told(one) for one in ids if one is not None]

    def _written(self, token_id: int) -> bytes:
        stops = token_id in self._vocabulary.stop_ids
        return b"" if stops else self._vocabulary.token_bytes(token_id)

    # By texts

    def _by_text(self, text: str, logprobs: Mapping[str, Any] | None) -> list[Told]:
        """Where a server tells no ids that are ours: those of its texts, encoded piece by piece."""
        logprobs = _listed(logprobs)
        tokens = (logprobs or {}).get("tokens")
        if logprobs is None or not tokens or "".join(tokens) != text:
            return [Told(one) for one in self._encoded(text)]
        told = []
        for piece, logprob, others in zip(
            tokens, logprobs["token_logprobs"], _top(logprobs, len(tokens)), strict=True
        ):
            ids = self._encoded(piece)
            if len(ids) != 1:
                told += [Told(one) for one in ids]
                continue
            named = [(self._vocabulary.id_of(name), likely) for name, likely in others]
            known = ((one, likely) for one, likely in named if one is not None)
            told.append(Told(ids[0], _finite(logprob), self._likeliest(known)))
        return told

    def _encoded(self, text: str) -> list[int]:
        """Ids of a text in which the name of a control token is that token: the model wrote it."""
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
    """Log probabilities in OpenAI's lists, also where they came as a chat has them: as `content`."""
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
    """`top_logprobs`, of each token a mapping of names to log probabilities or nothing, as pairs."""
    given = logprobs.get("top_logprobs") or [None] * count
    return [
        [
            (_id(name) if name.startswith(_AS_ID) else name, likely)
            for name, likely in (one or {}).items()
        ]
        for one in given
    ]


def _finite(value: Any) -> float | None:
    """A log probability; None where there is none, or one that no JSON could carry."""
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None
