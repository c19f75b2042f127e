"""Sampling settings: accepted values, and the random numbers used; see also `test_sample.py`."""

from __future__ import annotations

import numpy as np
import pytest

from codegemma_ui.workers.keras.sampling import GREEDY, Sampler, Sampling, choices_of
from codegemma_ui.workers.keras.steps import BURST, TokenBatch


class TestDraws:
    def test_a_seed_repeats(self) -> None:
        def numbers(seed: int | None) -> list[float]:
            return Sampler(Sampling(temperature=1.0, seed=seed), 50).at(0).numbers.tolist()

        assert numbers(7) == numbers(7)
        assert numbers(7) != numbers(8)
        assert numbers(None) != numbers(None)

    def test_each_token_has_its_number_whatever_came_in_one_pass(self) -> None:
        sampler = Sampler(Sampling(temperature=1.0, seed=7), 50)
        whole = [sampler.at(made).numbers[0] for made in range(50)]
        assert len(set(whole)) == 50
        for made in (0, 1, 20, 34):
            assert sampler.at(made).numbers.tolist() == whole[made : made + BURST]
        assert [len(sampler.at(made).numbers) for made in (40, 49)] == [BURST, BURST]

    def test_how_many_may_come_changes_no_number(self) -> None:
        few, many = (Sampler(Sampling(temperature=1.0, seed=7), count) for count in (20, 500))
        assert few.at(0).numbers.tolist() == many.at(0).numbers.tolist()

    def test_they_are_float32_from_0_and_below_1(self) -> None:
        numbers = Sampler(Sampling(temperature=1.0, seed=0), 100_000)._numbers
        assert numbers.dtype == np.float32
        assert numbers.min() >= 0
        assert 0.9999 < numbers.max() < 1

    def test_a_drawing_is_of_arrays_that_compile_once(self) -> None:
        params = Sampler(Sampling(0.5, 3, 0.25, 1), 10).at(0)
        assert [value.dtype for value in params] == ["float32", "int32", "float32", "float32"]
        assert [value.item() for value in params[:3]] == [0.5, 3, 0.25]
        assert GREEDY.temperature == 0

    @pytest.mark.parametrize("temperature", [1e-30, 1e-300, 5e-324])
    def test_a_temperature_next_to_0_is_as_good_as_greedy(self, temperature: float) -> None:
        assert Sampler(Sampling(temperature=temperature), 10).at(0).temperature == 0

    def test_more_than_a_device_can_count_is_as_good_as_all(self) -> None:
        assert Sampler(Sampling(1.0, 1 << 60), 10).at(0).top_k == (1 << 31) - 1


class TestChoices:
    def test_the_first_of_a_row_is_what_was_chosen(self) -> None:
        ids = np.array([[9, 4, 2], [4, 4, 2]], np.int32)
        stop = [-2.0]  # followed by the probability of an end
        logprobs = np.array([[-3.0, -0.5, -1.0, *stop], [-0.5, -0.5, -1.0, *stop]], np.float32)
        drawn, greedy = choices_of(TokenBatch(ids, logprobs))
        assert (drawn.id, drawn.logprob) == (9, -3.0)
        assert (greedy.id, greedy.logprob) == (4, -0.5)
        assert drawn.alternatives == greedy.alternatives == ((4, -0.5), (2, -1.0))
        assert drawn.stop_logprob == greedy.stop_logprob == -2.0

    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    def test_logits_that_overflowed_are_refused(self, bad: float) -> None:
        picked = TokenBatch(np.array([[1, 1]], np.int32), np.array([[bad, bad]], np.float32))
        with pytest.raises(ValueError, match="bfloat16 or float32"):
            choices_of(picked)


@pytest.mark.parametrize(
    ("values", "received"),
    [
        ({"temperature": -0.1}, "-0.1"),
        ({"temperature": float("nan")}, "nan"),
        ({"top_k": -1}, "-1"),
        ({"top_p": -0.1}, "-0.1"),
        ({"top_p": 1.5}, "1.5"),
        ({"seed": -3}, "-3"),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, float], received: str) -> None:
    with pytest.raises(ValueError, match=f"should be .*Received: {received}"):
        Sampling(**values)  # type: ignore[arg-type]
