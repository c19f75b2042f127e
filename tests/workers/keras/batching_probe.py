"""Run prompts in batches on jax or torch and print JSON, which `test_batching.py` reads.

`KERAS_BACKEND=jax python -m tests.workers.keras.batching_probe`. torch runs uncompiled.
"""
# ruff: noqa: E402 - what may be imported depends on the backend, so that is settled first

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

sys.modules["tensorflow"] = None  # type: ignore[assignment]
sys.modules["tensorflow_text"] = None  # type: ignore[assignment]

import keras
import keras_nlp
import numpy as np

from codegemma_ui.workers.keras import steps
from codegemma_ui.workers.keras.batching import BatchedDecoder, _stacked
from codegemma_ui.workers.keras.decode import Decoder
from codegemma_ui.workers.keras.precision import Precision
from codegemma_ui.workers.keras.sampling import Sampler, Sampling, TokenChoice
from codegemma_ui.workers.keras.steps import BatchSteps, weights
from tests.workers.keras.decode_prompts import CURSOR, SNIPPETS

BACKEND = os.environ["KERAS_BACKEND"]
BOS, FIM_PREFIX, FIM_MIDDLE, FIM_SUFFIX = 2, 4, 5, 6
STOPS = (1, 4, 5, 6, 7)
GREEDY = Sampling()
FLOAT32 = Precision("float32", "float32")
NARROW = [Precision(dtype, "float32") for dtype in ("bfloat16", "int8")]
AT_ONCE = 4
APART = 3
"""Tokens after which the next caller comes."""


def main() -> None:
    models = Path(__file__).parents[3] / "codegemma_ui" / "models"
    preset = next(models.glob("*/config.json")).parent
    model = keras_nlp.models.GemmaCausalLM.from_preset(str(preset), dtype="float32")
    compiled = batch_steps(model, FLOAT32)
    decoder = BatchedDecoder(compiled, context_length=256, most=AT_ONCE)
    places = watch_places(decoder)
    asked = requests(model)
    alone = one_after_the_other(decoder, asked)
    together, left = side_by_side(decoder, asked), side_by_side(decoder, asked, leaves=True)
    forced = [
        (prompt, 128, sampling, STOPS, [7, 30, 31, 4]) for prompt, _, sampling, _ in asked[:4]
    ]
    scores = [
        (prompt, len(prompt) + 20, sampling, STOPS, list(range(40, 60)))
        for prompt, _, sampling, _ in asked[4:]
    ]
    one = Decoder(compiled, context_length=256)
    report = {
        "alone": [ids(each) for each in alone],
        "bits_alone": [bits(each) for each in alone],
        "logprobs_alone": [logprobs(each) for each in alone],
        "together": [ids(each) for each in together],
        "bits_together": [bits(each) for each in together],
        "logprobs_together": [logprobs(each) for each in together],
        "left": [ids(each) for each in left],
        "one_at_a_time": [ids(one.decode(*each, drafts=False)) for each in asked],
        "forced_alone": [ids(each) for each in one_after_the_other(decoder, forced + scores)],
        "forced_together": [ids(each) for each in side_by_side(decoder, forced + scores)],
        "places": places,
        "random": random_model(),
    }
    if BACKEND == "jax":
        report["narrow"] = {precision.weights: narrow_model(precision) for precision in NARROW}
    if BACKEND == "torch":
        report["compiled"] = compiled_rows()
    print(json.dumps(report))


def batch_steps(model: keras_nlp.models.GemmaCausalLM, precision: Precision) -> BatchSteps:
    made = steps.of_model(BACKEND, model, precision)
    assert steps.takes_batches(made)
    made.warmed = lambda: None  # type: ignore[method-assign]
    return made


def watch_places(decoder: BatchedDecoder) -> list[int]:
    """Return a list that collects the number of occupied slots in each dispatch."""
    found: list[int] = []
    decode_batch = decoder.steps.decode_batch

    def watched(rows: Any, token_ids: Any, positions: Any, counts: np.ndarray, *more: Any) -> Any:
        found.append(int((counts > 0).sum()))
        return decode_batch(rows, token_ids, positions, counts, *more)

    decoder.steps.decode_batch = watched  # type: ignore[assignment, method-assign]
    return found


def requests(model: keras_nlp.models.GemmaCausalLM) -> list[tuple[Any, ...]]:
    """Return prompts of several lengths, for caches of two lengths, greedy and sampled; half never stop."""

    def encode(text: str) -> list[int]:
        return [int(token) for token in model.preprocessor.tokenizer(text)]

    ways = (
        GREEDY,
        Sampling(temperature=1.0, seed=1),
        GREEDY,
        Sampling(temperature=0.8, top_k=20, seed=2),
        GREEDY,
        Sampling(temperature=0.9, top_p=0.9, seed=3),
        Sampling(temperature=3.0, seed=4),
        GREEDY,
    )
    found = []
    for number, sampling in enumerate(ways):
        prefix, suffix = map(encode, SNIPPETS[number % len(SNIPPETS)].split(CURSOR))
        prompt = [BOS, FIM_PREFIX, *prefix, FIM_SUFFIX, *suffix, FIM_MIDDLE]
        max_length = min(256, len(prompt) + 60 + 10 * number)
        found.append((prompt, max_length, sampling, STOPS if number < 4 else ()))
    return found


def ask(
    decoder: Decoder,
    prompt: list[int],
    max_length: int,
    sampling: Sampling,
    stops: tuple[int, ...],
    forced: Sequence[int] = (),
) -> Any:
    """Return the iterator of a request."""
    return decoder.decode(prompt, max_length, sampling, stops, forced=forced)


def ids(choices: Any) -> list[int]:
    return [choice.id for choice in choices]


def bits(choices: list[TokenChoice]) -> list[str]:
    return [choice.logprob.hex() + choice.stop_logprob.hex() for choice in choices]


def logprobs(choices: list[TokenChoice]) -> list[float]:
    return [choice.logprob for choice in choices]


def one_after_the_other(decoder: BatchedDecoder, asked: list[Any]) -> list[list[TokenChoice]]:
    """Run each request alone, without a cached prefix."""
    found = []
    for request in asked:
        decoder.forget()
        found.append(list(ask(decoder, *request)))
    return found


def side_by_side(
    decoder: BatchedDecoder, asked: list[Any], leaves: bool = False
) -> list[list[TokenChoice]]:
    """Run all at once, each starting a few tokens after the one before; with `leaves`, every second one is
    closed early."""
    decoder.forget()
    begun = [threading.Event() for _ in range(len(asked) + 1)]
    begun[0].set()

    def call(number: int) -> list[TokenChoice]:
        begun[number].wait(120)
        heard: list[TokenChoice] = []
        choices = ask(decoder, *asked[number])
        try:
            for choice in choices:
                heard.append(choice)
                if len(heard) == APART:
                    begun[number + 1].set()
                if leaves and number % 2 and len(heard) == 5 + number:
                    break
        finally:
            begun[number + 1].set()
            choices.close()
        return heard

    with ThreadPoolExecutor(len(asked)) as pool:
        return list(pool.map(call, range(len(asked))))


def random_model() -> dict[str, Any]:
    """Run a tiny model with grouped queries, a window and soft caps; report its tokens and compilations."""
    compiled = tiny(FLOAT32)
    decoder = BatchedDecoder(compiled, context_length=512, most=2)
    list(decoder.warm_up())
    one = Decoder(compiled, context_length=512)
    asked = of_the_tiny_model(((5, 400, 0.0), (40, 200, 1.0), (130, 512, 0.0)))
    warm = compiled.compilations
    return {
        "together": [ids(each) for each in side_by_side(decoder, asked)],
        "warm": warm,
        "compiled": compiled.compilations,
        "one_at_a_time": [ids(one.decode(*each, drafts=False)) for each in asked],
    }


def narrow_model(precision: Precision) -> dict[str, Any]:
    """Run the tiny model with narrow matrices that are dequantized in blocks, as a large model's are."""
    with (
        mock.patch.object(weights, "BLOCK", 32 * 16),
        mock.patch.object(weights, "FEWEST_ROWS", 8),
    ):
        compiled = tiny(precision)
        assert weights.block_rows(compiled.weights.layers[0].gate_up.values) == 16
        decoder = BatchedDecoder(compiled, context_length=128, most=AT_ONCE)
        asked = of_the_tiny_model(tuple((5 + each, 100, each % 2) for each in range(AT_ONCE)))
        one = Decoder(compiled, context_length=128)
        return {
            "alone": [bits(each) for each in one_after_the_other(decoder, asked)],
            "together": [bits(each) for each in side_by_side(decoder, asked)],
            "one_at_a_time": [bits(list(one.decode(*each, drafts=False))) for each in asked],
        }


def compiled_rows() -> dict[str, Any]:
    """Decode rows of the tiny model before and after torch has compiled, alone and beside others."""
    made = tiny(FLOAT32)

    def row(rows: int, others: int) -> tuple[list[int], list[str]]:
        """Return the ids and logprobs of the first of so many rows."""
        cache = made.allocate_batch(rows, 64)
        for number in range(rows):
            own = made.allocate(64)
            ids = np.arange(1, 9, dtype=np.int32) + (others + number if number else 0)
            own, _, _ = made.verify(own, ids, 0, 7, steps.stop_array(()), np.full(8, -1, np.int32))
            cache = made.join(cache, number, own)
        places = np.full(rows, 8, np.int32)
        _, found = made.decode_batch(
            cache,
            np.arange(9, 9 + rows, dtype=np.int32),
            places,
            np.array([16, *range(1, rows)], np.int32),  # the others end earlier
            np.stack([steps.stop_array(())] * rows),
            _stacked([Sampler(GREEDY, 16).at(0)] * rows),
            lambda: None,
        )
        first = found[0]
        assert [len(each.ids) for each in found] == [16, *range(1, rows)]
        return first.ids[:, 0].tolist(), [value.hex() for value in first.logprobs[:, 0].tolist()]

    uncompiled = row(2, 1)[0], row(4, 1)[0]
    type(made).warmed(made)
    while made.compiling:
        time.sleep(0.1)
    return {
        "note": made.note,
        "uncompiled": uncompiled,
        "compiled": [row(rows, others) for rows, others in ((2, 1), (2, 30), (4, 1), (4, 50))],
    }


def tiny(precision: Precision) -> BatchSteps:
    keras.utils.set_random_seed(7)
    backbone = keras_nlp.models.GemmaBackbone(
        vocabulary_size=101,
        num_layers=2,
        num_query_heads=4,
        num_key_value_heads=2,
        hidden_dim=32,
        intermediate_dim=64,
        head_dim=8,
        attention_logit_soft_cap=2.0,
        final_logit_soft_cap=5.0,
        use_sliding_window_attention=True,
        sliding_window_size=20,
        dtype=precision.loads,
    )
    model = keras_nlp.models.GemmaCausalLM(backbone=backbone, preprocessor=None)
    return batch_steps(model, precision)


def of_the_tiny_model(asked: Sequence[tuple[int, int, float]]) -> list[tuple[Any, ...]]:
    """Return requests from the length of each prompt, its `max_length` and temperature."""
    random = np.random.default_rng(0)
    return [
        (random.integers(1, 101, length).tolist(), total, Sampling(temperature, seed=length), ())
        for length, total, temperature in asked
    ]


if __name__ == "__main__":
    main()
