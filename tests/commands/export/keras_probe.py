"""Make presets, export them, and run the engine: `python -m tests.commands.export.keras_probe OUT`.

It runs in its own process, since Keras supports one backend per process. For each name of `cases.PRESETS`, it
writes to OUT the folders NAME (a preset), NAME-gguf and NAME-transformers, and NAME.npz with the logits of
each prompt; stdout ends with a line of JSON.
"""
# ruff: noqa: E402 - what may be imported depends on the backend, so that is settled first

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from codegemma_ui.workers.keras import framework

BACKEND = "torch"  # not compiled: that would take most of the time
os.environ["CXX"] = "no-such-compiler"
framework.before_import(BACKEND)

import keras
import keras_nlp
import numpy as np

from codegemma_ui import presets
from codegemma_ui.commands.export import command, loaded_preset, transformers_files, weight_reader
from codegemma_ui.errors import EngineError
from codegemma_ui.fim.vocabulary import VOCABULARY_FILE, Vocabulary
from codegemma_ui.workers.keras import loading
from codegemma_ui.workers.keras.decode import Decoder
from codegemma_ui.workers.keras.framework import CPU
from codegemma_ui.workers.keras.sampling import Sampling
from tests.commands.export import cases

OUT = Path(sys.argv[1])
KV_HEADS = {"one_kv_head": 1, "four_kv_heads": 4}
SEED = 5
VOCABULARY_SIZE = Vocabulary(presets.BUNDLED_FOLDER).size
STORED = {"one_kv_head": "bfloat16", "four_kv_heads": "float32"}


def main() -> None:
    report: dict[str, Any] = {"refused": refused()}
    for name in cases.PRESETS:
        if name == "fim_small":
            shutil.copytree(presets.BUNDLED_FOLDER, OUT / name)
        else:
            make(name)
        if name == "four_kv_heads":
            transformers_files.SHARD_BYTES = 1_000_000  # several files
        export(name, "gguf", "float32")
        export(name, "transformers", "float32")
        report[name] = ask_engine(name)
    for dtype in cases.NARROWER:
        export("fim_small", "gguf", dtype, f"fim_small-{dtype}")
    export("one_kv_head", "transformers", None, "one_kv_head-stored")
    print(json.dumps(report))


def make(name: str) -> None:
    """Make a preset of random weights, spread so that its tokens vary and no choice is close."""
    random = np.random.default_rng(SEED)
    backbone = tiny_backbone(num_key_value_heads=KV_HEADS[name], dtype=STORED[name])
    for weight in backbone.weights:
        spread = (
            1.0 if len(weight.shape) == 2 else 0.3
        )  # the embedding and the gates, or heads and norms
        weight.assign(random.normal(0, spread, weight.shape))
    save(backbone, OUT / name)


def tiny_backbone(**changes: Any) -> Any:
    sizes = {
        "vocabulary_size": VOCABULARY_SIZE,
        "num_layers": 2,
        "num_query_heads": 8,
        "num_key_value_heads": 4,
        "hidden_dim": 64,
        "intermediate_dim": 192,
        "head_dim": 16,
    }
    return keras_nlp.models.GemmaBackbone(**sizes | changes)


def save(backbone: Any, folder: Path) -> None:
    tokenizer = keras_nlp.models.GemmaTokenizer(proto=str(presets.BUNDLED_FOLDER / VOCABULARY_FILE))
    preprocessor = keras_nlp.models.GemmaCausalLMPreprocessor(tokenizer, sequence_length=256)
    keras_nlp.models.GemmaCausalLM(backbone, preprocessor).save_to_preset(str(folder))


def export(name: str, form: str, dtype: str | None, to: str | None = None) -> None:
    """Export as the command does after parsing its flags."""
    command.export(
        argparse.Namespace(
            preset=str(OUT / name),
            backend=BACKEND,
            format=form,
            dtype=dtype,
            out=str(OUT / f"{to or name}-{form}"),
        )
    )


def ask_engine(name: str) -> list[dict[str, Any]]:
    """Return the engine's greedy tokens for each prompt, with the lead of each over the second best, in
    nats."""
    model = keras_nlp.models.GemmaCausalLM.from_preset(str(OUT / name), dtype="float32")
    decoder = Decoder(loading.load(OUT / name, BACKEND, "float32", CPU).steps, context_length=512)
    prompts = [prompt.token_ids for prompt in cases.prompts(Vocabulary(OUT / name))]
    np.savez(OUT / f"{name}.npz", *full_pass(model, prompts))
    answers = []
    for prompt in prompts:
        choices = list(decoder.decode(prompt, len(prompt) + cases.NEW_TOKENS, Sampling()))
        pairs = [choice.alternatives[:2] for choice in choices]
        answers.append(
            {
                "tokens": [choice.id for choice in choices],
                "leads": [best - second for (_, best), (_, second) in pairs],
            }
        )
    return answers


def full_pass(model: Any, prompts: list[tuple[int, ...]]) -> list[np.ndarray]:
    """Return each prompt's logits, `(length, vocabulary)`, from KerasHub's own pass without a cache."""
    longest = max(map(len, prompts))
    padded = np.zeros((len(prompts), longest), np.int32)
    mask = np.zeros_like(padded)
    for row, prompt in enumerate(prompts):
        padded[row, : len(prompt)] = prompt
        mask[row, : len(prompt)] = 1
    logits = model({"token_ids": padded, "padding_mask": mask})
    rows = np.asarray(keras.ops.convert_to_numpy(logits))
    return [row[: len(prompt)] for row, prompt in zip(rows, prompts, strict=True)]


def refused() -> dict[str, str]:
    """Return the error messages of presets that no format supports."""
    second_gemma = tiny_backbone(
        final_logit_soft_cap=30.0,
        attention_logit_soft_cap=50.0,
        use_sliding_window_attention=True,
        use_post_attention_norm=True,
        use_post_ffw_norm=True,
    )
    int8 = tiny_backbone()
    int8.quantize("int8")
    save(tiny_backbone(vocabulary_size=VOCABULARY_SIZE - 1), OUT / "short")
    short = presets.named(str(OUT / "short"))
    return {
        "second gemma": refusal(lambda: weight_reader.architecture(second_gemma)),
        "epsilons": refusal(
            lambda: weight_reader.architecture(tiny_backbone(layer_norm_epsilon=1e-5))
        ),
        "int8": refusal(lambda: weight_reader.architecture(int8)),
        "vocabulary": refusal(lambda: loaded_preset.read(short, OUT / "short", BACKEND)),
    }


def refusal(doing: Any) -> str:
    try:
        doing()
    except EngineError as error:
        return f"{error.code}: {error}"
    return ""


if __name__ == "__main__":
    main()
