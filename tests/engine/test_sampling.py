"""Temperature, then top-k, then top-p; what is reported is the model's own distribution."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from codegemma_ui.engine.sampling import Choice, Sampler, Sampling, largest

# Probabilities 0.5, 0.25, 0.125, 0.0625, 0.0625 of tokens 3, 1, 4, 0, 2.
PROBABILITIES = np.array([0.0625, 0.25, 0.0625, 0.5, 0.125], np.float32)
LOGITS = np.log(PROBABILITIES) + 7.0


def drawn(sampling: Sampling, logits: np.ndarray = LOGITS, draws: int = 4000) -> dict[int, float]:
    """How often each token came, as a share of the draws."""
    sampler = Sampler(sampling)
    tokens, counts = np.unique([sampler(logits).id for _ in range(draws)], return_counts=True)
    return {int(token): float(count) / draws for token, count in zip(tokens, counts, strict=True)}


def real_logits(size: int = 256_000) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 2, size).astype(np.float32)


class TestGreedy:
    def test_it_takes_the_most_likely(self) -> None:
        assert Sampler(Sampling())(LOGITS).id == 3

    def test_it_takes_the_first_of_equals(self) -> None:
        assert Sampler(Sampling())(np.array([0, 5, 5, 1], np.float32)).id == 1

    def test_it_heeds_nothing_else(self) -> None:
        sampling = Sampling(temperature=0, top_k=3, top_p=0.5, seed=1)
        assert drawn(sampling, draws=20) == {3: 1.0}


class TestWhatIsReported:
    def test_the_five_most_likely_with_real_logprobs(self) -> None:
        choice = Sampler(Sampling())(LOGITS)
        assert [token for token, _ in choice.alternatives] == [3, 1, 4, 0, 2]
        assert [math.exp(logprob) for _, logprob in choice.alternatives] == pytest.approx(
            [0.5, 0.25, 0.125, 0.0625, 0.0625]
        )

    def test_sampling_does_not_bend_the_logprobs(self) -> None:
        bent = Sampler(Sampling(temperature=3.0, top_k=2, top_p=0.9, seed=2))
        for _ in range(20):
            choice = bent(LOGITS)
            assert math.exp(choice.logprob) == pytest.approx(PROBABILITIES[choice.id])
            assert choice.alternatives == Sampler(Sampling())(LOGITS).alternatives

    def test_they_agree_with_a_full_softmax_of_256_000(self) -> None:
        logits = real_logits()
        exact = logits.astype(np.float64)
        exact -= np.log(np.exp(exact).sum())
        choice = Sampler(Sampling())(logits)
        order = np.argsort(-exact)[:5]
        assert [token for token, _ in choice.alternatives] == order.tolist()
        assert [logprob for _, logprob in choice.alternatives] == pytest.approx(
            exact[order].tolist(), abs=1e-5
        )

    def test_a_small_vocabulary_has_fewer_alternatives(self) -> None:
        assert len(Sampler(Sampling())(np.zeros(3, np.float32)).alternatives) == 3

    def test_masked_tokens_are_never_chosen(self) -> None:
        logits = np.array([-np.inf, 1.0, -np.inf, 1.0], np.float32)
        assert set(drawn(Sampling(temperature=1.0, seed=0), logits, draws=200)) == {1, 3}


class TestDrawing:
    def test_temperature_one_draws_the_models_distribution(self) -> None:
        shares = drawn(Sampling(temperature=1.0, seed=0))
        for token, probability in enumerate(PROBABILITIES):
            assert shares[token] == pytest.approx(probability, abs=0.03)

    def test_temperature_flattens(self) -> None:
        powered = PROBABILITIES**0.5
        shares = drawn(Sampling(temperature=2.0, seed=0))
        assert shares[3] == pytest.approx(float(powered[3] / powered.sum()), abs=0.03)

    def test_top_k_keeps_that_many(self) -> None:
        shares = drawn(Sampling(temperature=1.0, top_k=2, seed=0))
        assert set(shares) == {1, 3}
        assert shares[3] == pytest.approx(2 / 3, abs=0.03)

    def test_top_p_keeps_up_to_and_with_the_one_that_passes_it(self) -> None:
        assert set(drawn(Sampling(temperature=1.0, top_p=0.4, seed=0))) == {3}
        assert set(drawn(Sampling(temperature=1.0, top_p=0.6, seed=0))) == {1, 3}
        assert set(drawn(Sampling(temperature=1.0, top_p=0.8, seed=0))) == {1, 3, 4}

    def test_top_p_is_of_what_top_k_left(self) -> None:
        # Of 0.5, 0.25, 0.125 the first two are 0.86; of all five they are 0.75.
        sampling = Sampling(temperature=1.0, top_k=3, top_p=0.8, seed=0)
        assert set(drawn(sampling)) == {1, 3}

    def test_top_p_comes_after_temperature(self) -> None:
        # At temperature 4 the first token's share falls from 0.5 to 0.28.
        sampling = Sampling(temperature=4.0, top_p=0.4, seed=0)
        assert set(drawn(sampling)) == {1, 3}

    def test_a_tiny_temperature_is_greedy(self) -> None:
        assert drawn(Sampling(temperature=1e-6, seed=0), draws=50) == {3: 1.0}

    def test_top_p_of_a_flat_distribution_looks_past_the_first_tries(self) -> None:
        kept = drawn(Sampling(temperature=1.0, top_p=0.5, seed=0), np.zeros(5000), draws=3000)
        assert max(kept) <= 2500
        assert len(kept) > 1500


class TestSeeds:
    def test_a_seed_repeats(self) -> None:
        def run(seed: int | None) -> list[Choice]:
            sampler = Sampler(Sampling(temperature=1.0, seed=seed))
            return [sampler(LOGITS) for _ in range(50)]

        assert run(7) == run(7)
        assert run(7) != run(8)
        assert run(None) != run(None)


class TestLargest:
    def test_equal_values_come_by_index(self) -> None:
        assert largest(np.array([1, 2, 2, 2, 0, 2]), 3).tolist() == [1, 2, 3]

    def test_more_than_there_are_gives_all(self) -> None:
        assert largest(np.array([1.0, 3.0, 2.0]), 9).tolist() == [1, 2, 0]


def test_codegemmas_vocabulary_takes_milliseconds() -> None:
    logits = real_logits()
    sampler = Sampler(Sampling(temperature=0.8, top_p=0.95, seed=0))
    sampler(logits)
    fastest = min(_seconds(sampler, logits) for _ in range(5))
    assert fastest < 0.25  # measured 0.02; a slow machine may take ten times that


def _seconds(sampler: Sampler, logits: np.ndarray) -> float:
    begin = time.perf_counter()
    sampler(logits)
    return time.perf_counter() - begin


@pytest.mark.parametrize(
    ("values", "received"),
    [
        ({"temperature": -0.1}, "-0.1"),
        ({"temperature": float("nan")}, "nan"),
        ({"top_k": -1}, "-1"),
        ({"top_p": 0.0}, "0.0"),
        ({"top_p": 1.5}, "1.5"),
        ({"seed": -3}, "-3"),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, float], received: str) -> None:
    with pytest.raises(ValueError, match=f"should be .*Received: {received}"):
        Sampling(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_logits_that_overflowed_are_refused(bad: float) -> None:
    logits = LOGITS.copy()
    logits[2] = bad
    with pytest.raises(ValueError, match="bfloat16 or float32"):
        Sampler(Sampling())(logits)


def test_more_than_one_row_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Received: shape \(1, 5\)"):
        Sampler(Sampling())(LOGITS[None])
