"""Run a model on several devices: `python -m tests.workers.keras.parallel_probe FOLDER N`.

It runs in its own process, since XLA_FLAGS sets jax's number of devices before the start. With N of 1 it also
makes the presets of `MODELS` in FOLDER. Stdout ends with a line of JSON, per preset: its `answers`, the
first device's shards of some arrays (`sharded`) of a `shape`, its `share` of all weights, and the number of
compiled programs before and after every request was sent twice.
"""
# ruff: noqa: E402 - what may be imported depends on the backend, so that is settled first

import json
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from codegemma_ui.workers.keras import framework

framework.before_import("jax")

import jax
import keras_nlp
import numpy as np

from codegemma_ui import presets
from codegemma_ui.fim.vocabulary import VOCABULARY_FILE, Vocabulary
from codegemma_ui.workers.keras import loading
from codegemma_ui.workers.keras.decode import Decoder
from codegemma_ui.workers.keras.framework import CPU
from codegemma_ui.workers.keras.sampling import Sampling

MODELS = {"one": (8, 1), "two": (8, 2), "sixteen": (16, 16)}
"""Name -> heads of queries, of keys and values."""

FOLDER, DEVICES = Path(sys.argv[1]), int(sys.argv[2])
VOCABULARY = Vocabulary(presets.BUNDLED_FOLDER)
PROMPTS = (("import ", "\n\nsys.exit(0)\n"), ("def mean(values):\n    ", "\n" * 40 + "x = 1\n"))
WRITTEN = 20
SAMPLINGS = (Sampling(), Sampling(temperature=0.9, top_k=50, top_p=0.95, seed=4))


def main() -> None:
    if DEVICES == 1:
        for name in MODELS:
            make(name)
    report = {"fim_small": ask(presets.BUNDLED_FOLDER)}
    report |= {name: ask(FOLDER / name) for name in MODELS}
    print("\n" + json.dumps(report))


def make(name: str) -> None:
    """Make a preset of random weights, spread so that its tokens vary."""
    random = np.random.default_rng(5)
    heads, kv_heads = MODELS[name]
    backbone = keras_nlp.models.GemmaBackbone(
        vocabulary_size=VOCABULARY.size,
        num_layers=2,
        num_query_heads=heads,
        num_key_value_heads=kv_heads,
        hidden_dim=64,
        intermediate_dim=192,
        head_dim=16,
        dtype="float32",
    )
    for weight in backbone.weights:
        weight.assign(random.normal(0, 1.0 if len(weight.shape) == 2 else 0.3, weight.shape))
    tokenizer = keras_nlp.models.GemmaTokenizer(proto=str(presets.BUNDLED_FOLDER / VOCABULARY_FILE))
    preprocessor = keras_nlp.models.GemmaCausalLMPreprocessor(tokenizer, sequence_length=256)
    keras_nlp.models.GemmaCausalLM(backbone, preprocessor).save_to_preset(str(FOLDER / name))


def ask(folder: Path) -> dict[str, Any]:
    made: Any = loading.load(folder, "jax", "float32", CPU, DEVICES).steps
    decoder = Decoder(made, context_length=256)
    answers = [write(decoder, sides, sampling) for sides in PROMPTS for sampling in SAMPLINGS]
    before = made.compilations
    decoder.forget()
    again = [write(decoder, sides, sampling) for sides in PROMPTS for sampling in SAMPLINGS]
    assert [one["tokens"] for one in again] == [one["tokens"] for one in answers]
    layer = made.weights.layers[0]
    arrays = jax.tree.leaves(made.weights)
    whole = sum(one.nbytes for one in arrays)
    mine = sum(one.addressable_shards[0].data.nbytes for one in arrays)
    named = {"cache": made.allocate(64)[0][0], "output": layer.output, "down": layer.down}
    if DEVICES > 1:
        named |= dict(zip(("query", "key", "value"), layer.qkv.parts, strict=True))
        named |= {"gate": layer.gate_up.parts[0], "embedding": made.weights.embedding}
    return {
        "answers": answers,
        "sharded": {
            name: list(one.addressable_shards[0].data.shape) for name, one in named.items()
        },
        "shape": {name: list(one.shape) for name, one in named.items()},
        "share": mine / whole,
        "compilations": [before, made.compilations],
    }


def write(decoder: Decoder, sides: tuple[str, str], sampling: Sampling) -> dict[str, Any]:
    prompt = VOCABULARY.prompt(*sides, 200).token_ids
    choices = list(islice(decoder.decode(prompt, 200, sampling), WRITTEN))
    return {
        "tokens": [one.id for one in choices],
        "logprobs": [one.logprob for one in choices],
    }


if __name__ == "__main__":
    main()
