"""Two engines are the same if they differ at ties only; half precision is plausible within bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from tools.gpu.comparison import FLOAT32_TOLERANCE, HALF_TOLERANCE, Token, compare

TIE = FLOAT32_TOLERANCE / 2


def token(id: int, logprob: float = -0.25, **others: float) -> Token:
    """Return a token; `others` are the logprobs of further ids, as in `_7=-0.3`."""
    further = {int(name[1:]): value for name, value in others.items()}
    return Token(id, logprob, {id: logprob, **further})


def moved(tokens: Sequence[Token], nats: float) -> list[Token]:
    return [token(one.id, one.logprob + nats) for one in tokens]


PROMPTS = [[token(3), token(4), token(5)], [token(3), token(6)]]


def test_equal_tokens_are_the_same() -> None:
    found = compare(PROMPTS, [moved(tokens, TIE) for tokens in PROMPTS])
    assert found.same
    assert (found.prompts, found.equal, found.tokens, found.first_equal) == (2, 2, 5, 2)
    assert found.difference_nats == pytest.approx(TIE)
    assert found.preference_nats == 0


def test_a_logprob_that_differs_is_wrong_though_the_tokens_are_equal() -> None:
    found = compare(PROMPTS, [PROMPTS[0], moved(PROMPTS[1], 0.01)])
    assert found.equal == 2
    assert found.difference_nats == pytest.approx(0.01)
    assert not found.same
    assert found.close  # as TF32 rounds
    assert not compare(PROMPTS, [PROMPTS[0], moved(PROMPTS[1], 0.1)]).close


def test_another_token_is_wrong_unless_both_were_about_equally_likely() -> None:
    ours = [token(3), token(4, -0.5, _7=-0.5 - TIE)]
    tied = [token(3), token(7, -0.5, _4=-0.5 - TIE), token(8)]
    found = compare([ours], [tied])
    assert found.same
    assert (found.equal, found.tokens) == (0, 2)
    apart = [token(3), token(7, -0.5, _4=-0.6)]
    assert compare([ours], [apart]).preference_nats == pytest.approx(0.1)
    assert not compare([ours], [apart]).same
    unlikely = [token(3), token(9)]
    assert compare([ours], [unlikely]).preference_nats == math.inf
    assert not compare([ours], [unlikely]).same


def test_what_ends_earlier_is_wrong() -> None:
    found = compare(PROMPTS, [PROMPTS[0][:2], PROMPTS[1]])
    assert found.equal == 1
    assert not found.same


def test_what_is_not_finite_is_wrong() -> None:
    found = compare(PROMPTS, [PROMPTS[0], [token(3), token(6, math.nan)]])
    assert not found.finite
    assert not found.same
    assert not found.alike


def test_nothing_compared_is_not_right() -> None:
    assert not compare([], []).same
    assert not compare([], []).alike


def test_half_precision_may_differ_in_some_first_tokens() -> None:
    reference = [[token(3, -0.5)] for _ in range(10)]
    other = [[token(3, -0.6)] for _ in range(8)] + [[token(7, -0.7, _3=-0.8)] for _ in range(2)]
    found = compare(reference, other)
    assert (found.first_equal, found.alike, found.same) == (8, True, False)
    assert found.first_difference_nats == pytest.approx(0.3)
    assert not compare(reference, [*other[1:], other[-1]]).alike


def test_half_precision_may_not_be_far_away() -> None:
    reference = [[token(3, -0.1)] for _ in range(10)]
    far = -0.1 - 1.1 * HALF_TOLERANCE
    assert not compare(reference, [*reference[1:], [token(3, far)]]).alike
    assert not compare(reference, [*reference[1:], [token(7)]]).alike


def test_different_prompts_are_not_compared() -> None:
    with pytest.raises(ValueError, match="Received: 2 and 1"):
        compare(PROMPTS, PROMPTS[:1])
