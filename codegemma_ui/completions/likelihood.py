"""Comparisons: one request in every prompt order, and one middle with and without its suffix. Pure.

A comparison consists of ordinary requests; this module builds them and evaluates their tokens. Log
probabilities are natural logarithms, so their differences are in nats.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from codegemma_ui import fim
from codegemma_ui.completions.recording import Recording
from codegemma_ui.fim.vocabulary import Prompt, Vocabulary
from codegemma_ui.ipc.messages import CompletionRequest, TokenEvent, logprob_of

EVEN = 0.1
"""Nats, a factor of 1.1: smaller differences are reported as none."""


# Requests


def race(raw: Mapping[str, Any], seed: int) -> tuple[dict[str, Any], ...]:
    """Return the same request in each of `fim.LAYOUTS`.

    Args:
        raw: the fields of `CompletionRequest`, unvalidated; its layout is ignored.
        seed: seed for all of them, if `raw` has none.
    """
    given = raw.get("seed")
    shared = {**raw, "seed": seed if given is None else given}
    return tuple({**shared, "layout": layout} for layout in fim.LAYOUTS)


def scoring(
    prompt: Prompt, layout: fim.Layout, token_ids: Sequence[int], max_length: int, most: int
) -> dict[str, Any]:
    """Return the request that scores tokens after a prompt and generates nothing.

    It contains what the prompt kept of the sides and the files, so that more room does not change it.

    Args:
        prompt: prompt in that layout.
        token_ids: tokens to score.
        max_length: that of the prompt.
        most: upper limit of `max_length`.
    """
    needed = len(prompt.tokens) + len(token_ids)
    return {
        **asdict(fim.sides_of(prompt.segments)),
        "layout": layout,
        "max_length": min(max(max_length, needed), most),
        "forced": list(token_ids),
        "score": True,
    }


@dataclass(frozen=True)
class Pair:
    """The two requests that measure the effect of a suffix.

    Attributes:
        layout: layout of both.
        with_suffix, without: the same tokens after the same prefix, with the suffix and with an empty one.
    """

    layout: fim.Layout
    with_suffix: dict[str, Any]
    without: dict[str, Any]

    @property
    def differ(self) -> bool:
        """Return whether there is a suffix at all."""
        return bool(self.with_suffix["suffix"])


def pair(recording: Recording, vocabulary: Vocabulary, most: int) -> Pair | None:
    """Return the requests for a completion, or None if it has no tokens.

    A left-to-right completion never saw its suffix: it is scored as PSM.

    Args:
        vocabulary: vocabulary of the scoring model.
        most: upper limit of `max_length`.
    """
    token_ids = [token.id for token in recording.tokens if not token.past_end]
    if not token_ids:
        return None
    request: CompletionRequest = recording.request
    layout: fim.Layout = "psm" if request.layout == "ltr" else request.layout
    max_length = min(request.max_length, most)
    prompt = vocabulary.prompt_of(replace(request, layout=layout, max_length=max_length))
    with_suffix = scoring(prompt, layout, token_ids, max_length, most)
    return Pair(layout, with_suffix, {**with_suffix, "suffix": ""})


def understands(vocabulary: Vocabulary, recording: Recording) -> bool:
    """Return whether a recording's tokens are the same in this vocabulary."""
    return all(
        token.id < vocabulary.size and vocabulary.token_text(token.id) == token.piece
        for token in recording.tokens
    )


# Evaluation


@dataclass(frozen=True)
class Figures:
    """Joint likelihood of some tokens.

    Attributes:
        tokens: number of tokens.
        logprob: sum over all of them, in nats.
        per_token: its mean.
    """

    tokens: int
    logprob: float
    per_token: float


def figures(tokens: Sequence[TokenEvent]) -> Figures | None:
    """Return the figures of tokens, or None if there are none or no logprobs."""
    logprob = logprob_of(tokens)
    if not tokens or logprob is None:
        return None
    return Figures(len(tokens), logprob, logprob / len(tokens))


@dataclass(frozen=True)
class Truth:
    """Likelihood of the original middle.

    Attributes:
        figures: of its text only.
        ends: probability that the model would end there, with any stop token; None if a server does not send
            it.
    """

    figures: Figures
    ends: float | None


def truth(scored: Sequence[TokenEvent]) -> Truth | None:
    """Evaluate the score of an original middle followed by one stop token; None if it has no text."""
    found = figures(scored[:-1])
    return Truth(found, scored[-1].stop_probability) if found else None


@dataclass(frozen=True)
class Difference:
    """One token, scored twice.

    Attributes:
        id, piece: as in `TokenEvent`.
        with_suffix, without: its log probabilities.
    """

    id: int
    piece: str
    with_suffix: float
    without: float

    @property
    def nats(self) -> float:
        """Gain in log probability from the suffix."""
        return self.with_suffix - self.without


def differences(
    with_suffix: Sequence[TokenEvent], without: Sequence[TokenEvent]
) -> tuple[Difference, ...]:
    """Compare two scores.

    Raises:
        ValueError: they are of different tokens, or not scored.
    """
    if [token.id for token in with_suffix] != [token.id for token in without]:
        raise ValueError("Two scores must be of the same tokens. Received: different tokens")
    found = []
    for one, other in zip(with_suffix, without, strict=True):
        if one.logprob is None or other.logprob is None:
            raise ValueError(
                f"A score must contain each token's logprob. Received: none of {one.piece!r}"
            )
        found.append(Difference(one.id, one.piece, one.logprob, other.logprob))
    return tuple(found)


@dataclass(frozen=True)
class Clause:
    """Part of a sentence.

    Attributes:
        key: key in `ui.strings.TABLE`.
        values: values for its `{names}`; `piece` is a token as the vocabulary writes it.
    """

    key: str
    values: dict[str, str]


def reading(found: Sequence[Difference]) -> tuple[Clause, ...]:
    """Summarise a comparison in one or two clauses.

    The first is about all tokens together; the second about the token that changed most in the same
    direction, and its share of all such changes. If the total is even, the second is about the token that
    changed most in either direction; if none changed, there is no second.

    Args:
        found: at least one.
    """
    total = sum(one.nats for one in found)
    if abs(total) < EVEN:
        first = Clause("suffix_even", {"nats": signed(total)})
        top = max(found, key=lambda one: abs(one.nats))
    elif total > 0:
        first = Clause("suffix_likelier", {"nats": signed(total), "factor": times(total)})
        top = max(found, key=lambda one: one.nats)
    else:
        first = Clause("suffix_unlikelier", {"nats": signed(total), "factor": times(-total)})
        top = min(found, key=lambda one: one.nats)
    if abs(top.nats) < EVEN:
        return (first,)
    same_way = sum(one.nats for one in found if one.nats * top.nats > 0)
    values = {
        "piece": top.piece,
        "with_it": percent(math.exp(top.with_suffix)),
        "without_it": percent(math.exp(top.without)),
        "share": percent(top.nats / same_way),
    }
    return first, Clause("suffix_gained_most" if top.nats > 0 else "suffix_lost_most", values)


# Formatting

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def signed(nats: float) -> str:
    """Format as `+1.25`, `−0.50`, `0.00`."""
    shown = f"{abs(nats):.2f}"
    sign = "" if float(shown) == 0 else "+" if nats > 0 else "\N{MINUS SIGN}"
    return sign + shown


def percent(share: float) -> str:
    """Format as `97%`, `3.1%`, `<0.1%`."""
    value = 100 * share
    if 0 < value < 0.1:
        return "<0.1%"
    return f"{value:.{0 if value >= 9.95 else 1}f}%"


def times(nats: float) -> str:
    """Format nats, at least 0, as a factor: `1.5`, `12`, `3,400`, `10⁹`."""
    power = nats / math.log(10)
    if power >= 6:
        return "10" + str(round(power)).translate(_SUPERSCRIPTS)
    factor = math.exp(nats)
    return f"{factor:.1f}" if factor < 9.95 else f"{factor:,.0f}"
