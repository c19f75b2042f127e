"""Turn generated tokens into events, and accumulate them as ids and text. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from codegemma_ui import fim
from codegemma_ui.fim.stop_strings import StopStrings
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import Alternative, TokenEvent


class Output:
    """The output of one generation so far.

    Args:
        vocabulary: vocabulary of the loaded preset.
        forced: number of leading tokens that the request forces.
        stops: what ends the middle; forced tokens do not.

    Attributes:
        logprob: sum over all tokens; None as soon as one token has no known probability.
    """

    def __init__(self, vocabulary: Vocabulary, forced: int, stops: StopStrings) -> None:
        self._vocabulary, self._forced, self._stops = vocabulary, forced, stops
        self._text = vocabulary.text_decoder()
        self.token_ids: list[int] = []
        self.logprob: float | None = 0.0
        self._ended = False
        self._middle: list[str] = []
        self._raw: list[str] = []

    @property
    def count(self) -> int:
        return len(self.token_ids)

    @property
    def new(self) -> int:
        """Number of tokens that were not forced."""
        return max(0, self.count - self._forced)

    @property
    def middle(self) -> str:
        """Text up to the first stop token or stop string."""
        return "".join(self._middle)

    @property
    def stop_token(self) -> str | None:
        """The first stop token, if any."""
        _, stop_id = fim.extract(self.token_ids, self._vocabulary.stop_ids)
        return None if stop_id is None else self._vocabulary.token_text(stop_id)

    @property
    def raw(self) -> str:
        """All text, with stop tokens shown by name."""
        return "".join(self._raw)

    def add(
        self,
        token_id: int,
        logprob: float | None,
        alternatives: Sequence[tuple[int, float]] = (),
        stop_probability: float | None = None,
        *,
        ends: bool,
    ) -> TokenEvent:
        """Add a token.

        Args:
            logprob, stop_probability: as in `TokenEvent`.
            alternatives: ids and their log probabilities.
            ends: whether this is the last token.
        """
        past_end, stops = self._ended, token_id in self._vocabulary.stop_ids
        text = "" if stops else self._text.feed(token_id)
        if stops or ends:
            text += self._text.flush()
        self._raw += [text, self._vocabulary.token_text(token_id) if stops else ""]
        self.token_ids.append(token_id)
        forced = self.count <= self._forced
        if forced:
            self._stops.skip(text)
        elif not past_end:
            text = self._stops.feed(text)
            if stops or ends:
                text += self._stops.flush()
        if not past_end:
            self._middle.append(text)
        self._ended |= stops
        if self.logprob is not None:
            self.logprob = None if logprob is None else self.logprob + logprob
        return TokenEvent(
            index=self.count - 1,
            id=token_id,
            text=text,
            logprob=logprob,
            alternatives=tuple(
                Alternative(id=other, text=self._vocabulary.token_text(other), logprob=likely)
                for other, likely in alternatives
            ),
            piece=self._vocabulary.token_text(token_id),
            stop_probability=stop_probability,
            forced=forced,
            past_end=past_end,
        )
