"""The requests of a comparison, and the statements derived from its tokens."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from codegemma_ui import fim
from codegemma_ui.completions import likelihood
from codegemma_ui.completions.likelihood import Difference, differences, figures, reading, truth
from codegemma_ui.completions.recording import Recording
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import CompletionRequest, DoneEvent, TokenEvent, parse_request
from codegemma_ui.ui.strings import LANGUAGES, text

LONG = "x = 1\n" * 400


def token(index: int, token_id: int, logprob: float, **more: Any) -> TokenEvent:
    given = {"text": "", "piece": "", "alternatives": (), **more}
    return TokenEvent(index=index, id=token_id, logprob=logprob, **given)


def recorded(vocabulary: Vocabulary, middle: str, **given: Any) -> Recording:
    """Return a completion that generated a middle, ended, and was continued."""
    request = parse_request({"max_length": 96, **given}, 512)
    prompt = vocabulary.prompt_of(request)
    ids = [*vocabulary.encode(middle), vocabulary.control_id(fim.FILE_SEPARATOR)]
    tokens = [token(at, one, -0.5, piece=vocabulary.token_text(one)) for at, one in enumerate(ids)]
    past = token(len(ids), ids[0], -3.0, piece=vocabulary.token_text(ids[0]), past_end=True)
    return Recording(request, "LF", prompt, (*tokens, past), DoneEvent(stop_reason="stop_token"))


# Requests


def test_a_race_is_one_request_in_each_order_with_one_seed() -> None:
    raw = {"prefix": "a", "suffix": "b", "layout": "spm", "temperature": 0.8, "seed": None}
    drawn = likelihood.race(raw, 7)
    assert [each["layout"] for each in drawn] == ["psm", "spm", "ltr"]
    assert {each["seed"] for each in drawn} == {7}
    assert {each["seed"] for each in likelihood.race({**raw, "seed": 0}, 7)} == {0}
    assert raw["layout"] == "spm"


@pytest.mark.parametrize("layout", fim.LAYOUTS)
@pytest.mark.parametrize("prefix", ["import ", LONG])
@pytest.mark.parametrize("path", ["", "a.py"])
def test_a_score_is_asked_under_the_very_same_prompt(
    vocabulary: Vocabulary, layout: fim.Layout, prefix: str, path: str
) -> None:
    """Text that was cut stays cut, though the scored tokens need more room."""
    files = (fim.File("b.py", "B = 1\n" * 30), fim.File("", "C = 2\n"))
    prompt = vocabulary.prompt(prefix, "\nsys.exit(0)\n" * 9, 96, layout, path, files)
    asked = likelihood.scoring(prompt, layout, [5] * 60, 96, 512)
    request = parse_request(asked, 512)
    assert request.score
    assert request.forced == (5,) * 60
    again = vocabulary.prompt_of(replace(request, layout=layout))
    assert again.token_ids == prompt.token_ids
    assert len(prompt.tokens) + 60 <= request.max_length


def test_a_score_never_asks_for_more_than_the_context(vocabulary: Vocabulary) -> None:
    prompt = vocabulary.prompt("a", "b", 96)
    assert likelihood.scoring(prompt, "psm", [5] * 600, 96, 512)["max_length"] == 512


def test_a_pair_differs_in_nothing_but_the_suffix(vocabulary: Vocabulary) -> None:
    recording = recorded(vocabulary, "sys", prefix="import ", suffix="\nsys.exit(0)", layout="spm")
    pair = likelihood.pair(recording, vocabulary, 512)
    assert pair is not None
    assert pair.layout == "spm"
    assert pair.differ
    assert pair.without == {**pair.with_suffix, "suffix": ""}
    assert pair.with_suffix["suffix"] == "\nsys.exit(0)"
    end = vocabulary.control_id(fim.FILE_SEPARATOR)
    assert pair.with_suffix["forced"] == [*vocabulary.encode("sys"), end]  # nothing past the end


def test_the_prefix_is_the_same_where_the_suffix_left_it_less_room(vocabulary: Vocabulary) -> None:
    recording = recorded(vocabulary, "y", prefix=LONG, suffix="z = 3\n" * 50)
    pair = likelihood.pair(recording, vocabulary, 512)
    assert pair is not None
    request = parse_request(pair.without, 512)
    prompt = vocabulary.prompt(request.prefix, "", request.max_length)
    kept = [one.id for one in recording.prompt.tokens if one.role == "prefix"]
    assert [one.id for one in prompt.tokens if one.role == "prefix"] == kept


def test_what_was_written_left_to_right_is_scored_as_psm(vocabulary: Vocabulary) -> None:
    recording = recorded(vocabulary, "sys", prefix="import ", suffix="\nsys.exit(0)", layout="ltr")
    pair = likelihood.pair(recording, vocabulary, 512)
    assert pair is not None
    assert (pair.layout, pair.with_suffix["layout"]) == ("psm", "psm")
    assert pair.with_suffix["suffix"] == "\nsys.exit(0)"


def test_without_a_suffix_or_without_tokens_there_is_nothing_to_compare(
    vocabulary: Vocabulary,
) -> None:
    pair = likelihood.pair(recorded(vocabulary, "sys", prefix="import "), vocabulary, 512)
    assert pair is not None
    assert not pair.differ
    empty = Recording(
        CompletionRequest(), "LF", vocabulary.prompt("", "", 96), (), DoneEvent(token_ids=())
    )
    assert likelihood.pair(empty, vocabulary, 512) is None


def test_tokens_of_another_vocabulary_are_told(vocabulary: Vocabulary) -> None:
    recording = recorded(vocabulary, "sys")
    assert likelihood.understands(vocabulary, recording)
    for wrong in (token(0, 5, 0.0, piece="other"), token(0, 2**30, 0.0, piece="sys")):
        other = Recording(recording.request, "LF", recording.prompt, (wrong,), recording.last)
        assert not likelihood.understands(vocabulary, other)


# Figures


def test_figures_are_sums_and_means() -> None:
    assert figures([]) is None
    found = figures([token(0, 1, -1.0), token(1, 2, -0.5)])
    assert found == likelihood.Figures(2, -1.5, -0.75)


def test_the_end_after_a_true_middle_is_told_apart() -> None:
    scored = [token(0, 1, -1.0), token(1, 2, -9.0, stop_probability=0.75)]
    found = truth(scored)
    assert found is not None
    assert found.figures == likelihood.Figures(1, -1.0, -1.0)
    assert found.ends == 0.75
    assert truth(scored[1:]) is None


def test_differences_are_of_the_same_tokens() -> None:
    one = [token(0, 1, -1.0, piece="a"), token(1, 2, -0.5, piece="b")]
    other = [token(0, 1, -3.0, piece="a"), token(1, 2, -0.25, piece="b")]
    assert [each.nats for each in differences(one, other)] == [2.0, -0.25]
    with pytest.raises(ValueError, match="same tokens"):
        differences(one, other[::-1])
    with pytest.raises(ValueError, match="same tokens"):
        differences(one, other[:1])


# Sentences


def sentence(found: tuple[likelihood.Clause, ...], language: str) -> str:
    return " ".join(text(each.key, language, **each.values) for each in found)  # type: ignore[arg-type]


def test_a_gain_in_words() -> None:
    found = reading(
        (
            Difference(1, "sys", math.log(0.96), math.log(0.03)),
            Difference(2, "\n", math.log(0.9), math.log(0.45)),
            Difference(3, "<eos>", math.log(0.5), math.log(0.6)),
        )
    )
    assert sentence(found, "en") == (
        "The suffix makes this middle 53 times as likely (+3.98 nats). "
        "Biggest gain: sys, 3.0% → 96% (83% of the total)."
    )
    assert sentence(found, "ko") == (
        "뒷부분이 있으면 이 코드의 확률이 53배가 됩니다(+3.98 nat). "
        "가장 많이 오른 토큰은 sys입니다. 3.0%에서 96%로 올라, 전체 상승분의 83%를 차지합니다."
    )


def test_a_loss_in_words() -> None:
    found = reading((Difference(1, "a", -2.0, -0.5), Difference(2, "b", -0.2, -0.4)))
    assert [each.key for each in found] == ["suffix_unlikelier", "suffix_lost_most"]
    assert found[0].values == {"nats": "−1.30", "factor": "3.7"}
    assert found[1].values["piece"] == "a"
    assert found[1].values["share"] == "100%"


def test_gains_and_losses_that_even_out() -> None:
    found = reading((Difference(1, "a", -0.5, -2.5), Difference(2, "b", -3.0, -1.02)))
    assert [each.key for each in found] == ["suffix_even", "suffix_gained_most"]
    assert found[0].values == {"nats": "+0.02"}


def test_where_nothing_changed_no_token_is_named() -> None:
    found = reading((Difference(1, "a", -0.5, -0.5), Difference(2, "b", -1.0, -0.99)))
    assert [each.key for each in found] == ["suffix_even"]
    assert found[0].values == {"nats": "−0.01"}


@pytest.mark.parametrize("nats", [-700.0, -3.0, 0.0, 3.0, 700.0])
def test_every_reading_can_be_said(nats: float) -> None:
    found = reading((Difference(1, "{piece}", min(nats, 0.0), min(-nats, 0.0)),))
    for language in LANGUAGES:
        assert sentence(found, language)


@pytest.mark.parametrize(
    ("nats", "shown"),
    [(0.0, "1.0"), (0.4, "1.5"), (2.295, "9.9"), (2.3, "10"), (8.13, "3,395"), (20.72, "10⁹")],
)
def test_factors_as_a_person_reads_them(nats: float, shown: str) -> None:
    assert likelihood.times(nats) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.0, "0.0%"),
        (1e-9, "<0.1%"),
        (0.031, "3.1%"),
        (0.0999, "10%"),
        (0.97, "97%"),
        (1.0, "100%"),
    ],
)
def test_shares_as_a_person_reads_them(share: float, shown: str) -> None:
    assert likelihood.percent(share) == shown
