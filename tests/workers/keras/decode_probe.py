"""Run the decoder on one Keras backend and print JSON, which `test_decode.py` reads.

A process has one backend, so there is one process per backend and model:
`python -m tests.workers.keras.decode_probe jax tiny DUMP_FOLDER`, with KERAS_BACKEND=jax and XLA_FLAGS set to
dump every module that XLA compiles into DUMP_FOLDER, which counts the real compilations.

The model is "bundled", the preset that ships, or "tiny", a Gemma of two layers with random weights and the
same vocabulary, which compiles and runs in a fraction of the time. "precisions" runs random models with a
vocabulary of a hundred tokens in every precision instead, and "tokens" only the tokens of the tiny one.
"""
# ruff: noqa: E402 - what may be imported depends on the backend, so that is settled first

import importlib
import itertools
import json
import math
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest import mock

BACKEND, MODEL = sys.argv[1:3]
DUMPS = Path(sys.argv[3])
if BACKEND != "tensorflow":
    sys.modules["tensorflow"] = None  # type: ignore[assignment]
    sys.modules["tensorflow_text"] = None  # type: ignore[assignment]

import keras
import keras_nlp
import numpy as np

from codegemma_ui.presets import BUNDLED_FOLDER as PRESET
from codegemma_ui.presets import LARGE
from codegemma_ui.workers.keras import loading, steps
from codegemma_ui.workers.keras.batching import BatchedDecoder
from codegemma_ui.workers.keras.decode import Decoder
from codegemma_ui.workers.keras.framework import CPU
from codegemma_ui.workers.keras.precision import Precision
from codegemma_ui.workers.keras.sampling import Sampling, TokenChoice
from codegemma_ui.workers.keras.steps import layers
from tests.workers.keras.decode_prompts import CURSOR, LARGE_DTYPES, SNIPPETS

BOS, FIM_PREFIX, FIM_MIDDLE, FIM_SUFFIX = 2, 4, 5, 6
STOPS = (1, 4, 5, 6, 7)
GREEDY = Sampling()
FLOAT32 = Precision("float32", "float32")

# Total length -> prompt lengths. KerasHub compiles once per total length, so these are few.
EDGES = {
    64: (31, 32, 33),
    192: (127, 128, 129, 160, 161),
    256: (240, 255),
    512: (257, 498, 511),
}
SNIPPETS_LENGTH = 192
TOKENS_LENGTH = 64
TOKENS_PROMPTS = (20, 33, 41)

TINY = {
    "num_layers": 2,
    "num_query_heads": 2,
    "num_key_value_heads": 2,
    "hidden_dim": 32,
    "intermediate_dim": 64,
    "head_dim": 16,
}


def main() -> None:
    runs = {"precisions": precisions, "tokens": tokens}
    print(json.dumps(runs[MODEL]() if MODEL in runs else decoding(load(MODEL))))


def load(name: str) -> keras_nlp.models.GemmaCausalLM:
    """Load a model with the bundled preset's vocabulary, in float32."""
    if name == "bundled":
        return keras_nlp.models.GemmaCausalLM.from_preset(str(PRESET), dtype="float32")
    keras.utils.set_random_seed(11)
    tokenizer = keras_nlp.models.GemmaTokenizer.from_preset(str(PRESET))
    backbone = keras_nlp.models.GemmaBackbone(tokenizer.vocabulary_size(), **TINY, dtype="float32")
    # Random weights make all tokens nearly equally likely, so rounding would decide; scale the logits by 40.
    scale = backbone.get_layer("final_normalization").scale
    scale.assign(scale + 39)
    preprocessor = keras_nlp.models.GemmaCausalLMPreprocessor(tokenizer)
    return keras_nlp.models.GemmaCausalLM(backbone=backbone, preprocessor=preprocessor)


def decoding(model: keras_nlp.models.GemmaCausalLM) -> dict:
    """Return the results of all decoder checks for a model."""
    decoder = Decoder(steps.of_model(BACKEND, model, FLOAT32), context_length=512)
    progress = list(decoder.warm_up())
    while decoder.steps.compiling:
        time.sleep(0.1)
    return {
        "progress": progress,
        "note": decoder.steps.note,
        "compilations": compilations(decoder, Prompts(model)),
        "greedy": greedy(decoder, model, Prompts(model)),
        "reused": reused(decoder, Prompts(model)),
        "drafted": drafted(decoder, Prompts(model)),
        "interrupted": interrupted(decoder, Prompts(model)),
        "cache_shapes": cache_shapes(decoder),
        "sampled": sampled(decoder, Prompts(model)),
        "alternatives": alternatives(decoder, model, Prompts(model)),
        "forced": forced(decoder, Prompts(model)),
        "taken": taken(decoder, model, Prompts(model)),
    }


def precisions() -> dict:
    """Run random models in every precision, and with Gemma 2's additional features."""
    return {
        "float32": random_model(FLOAT32, prompt_lengths=(5, 33, 511, 512, 513, 700)),
        "bfloat16": random_model(
            Precision("bfloat16", "bfloat16"),
            prompt_lengths=(40,),
            compiles=True,
            num_key_value_heads=4,
        ),
        "narrow": {
            dtype: random_model(
                Precision(dtype, "float32"),
                prompt_lengths=(5, 140),
                compiles=True,
                coarse=True,
                head_dim=16,
            )
            for dtype in ("bfloat16", "float16", "int8")
        },
        "large": {dtype: large(dtype) for dtype in LARGE_DTYPES},
        "layered": layered(),
        "rounded": rounded(),
        "int4": int4() if BACKEND == "torch" else None,
        "gemma2": random_model(
            FLOAT32,
            prompt_lengths=(5, 33, 129),
            num_key_value_heads=1,
            attention_logit_soft_cap=2.0,
            use_post_ffw_norm=True,
            use_post_attention_norm=True,
            use_sliding_window_attention=True,
            sliding_window_size=20,
        ),
    }


def large(dtype: str) -> dict:
    """Run a model with matrices large enough for blocks, and treat it as a large one."""
    with mock.patch.object(layers, "LARGE", 0):
        return random_model(
            Precision(dtype, "float32"),
            prompt_lengths=(5, 140),
            compiles=True,
            coarse=True,
            vocabulary_size=20_000,
            hidden_dim=64,
            intermediate_dim=16_384,
            head_dim=16,
        )


def layered() -> dict:
    """Return a model's tokens, all layers at once and one layer at a time: greedy, sampled, and with
    forced ones."""
    model = load("tiny")
    prompt = Prompts(model).of_length(140)
    found: dict = {"parts": [], "tokens": []}

    def written(decoder: Decoder) -> list[int]:
        return [
            token
            for sampling in (GREEDY, Sampling(temperature=0.9, top_k=40, seed=5))
            for forced in ((), (7, 8, 9))
            for token in ids(list(decoder.decode(prompt, 160, sampling, forced=forced)))
        ]

    for least in (LARGE, 0):
        with mock.patch.object(layers, "LARGE", least):
            made = steps.of_model(BACKEND, model, Precision("float32", "float32"))
        found["parts"].append(made.parts)
        found["tokens"].append(written(Decoder(made, 256)))
    assert steps.in_parts(made)
    found["given_up"] = given_up(made, prompt[:128])
    return found


def rounded() -> dict:
    """Compare the bundled model with weights rounded to bfloat16, all layers at once and one layer at a
    time, with KerasHub's tokens in float32."""
    model = load("bundled")
    for variable in model.backbone.weights:
        variable.assign(keras.ops.cast(keras.ops.cast(variable, "bfloat16"), "float32"))
    prompts = [Prompts(model).snippet(snippet) for snippet in SNIPPETS[:20]]
    on_ids = without_preprocessor(model)
    theirs = [generated(on_ids, prompt, SNIPPETS_LENGTH) for prompt in prompts]
    found: dict = {"tokens": sum(map(len, theirs)), "apart": []}
    for least in (LARGE, 0):
        with mock.patch.object(layers, "LARGE", least):
            made = steps.of_model(BACKEND, model, Precision("bfloat16", "float32"))
        decoder = Decoder(made, SNIPPETS_LENGTH)
        ours = [list(decoder.decode(one, SNIPPETS_LENGTH, GREEDY, STOPS)) for one in prompts]
        found["apart"].append([apart(*both) for both in zip(ours, theirs, strict=True)])
    return found


def given_up(made: steps.PartedSteps, prompt: list[int]) -> dict:
    """Return the prefill into a cache in which a pass was abandoned after one layer, and into a new cache."""
    token_ids, stop_ids, looks = np.array(prompt, np.int32), steps.stop_array(STOPS), []

    def read(cache: Any) -> list:
        _, picked, _ = made.prefill(cache, token_ids, 0, len(prompt) - 1, stop_ids)
        return [picked.ids.tolist(), picked.logprobs.tolist()]

    def should_continue(done: int) -> bool:
        looks.append(done)
        return done < 1

    try:
        made.prefill(made.allocate(256), token_ids, 0, len(prompt) - 1, stop_ids, should_continue)
    except steps.PassAbandoned as left:
        again = read(left.cache)
    return {"looks": looks, "again": again, "anew": read(made.allocate(256))}


def int4() -> dict:
    """Return the error of int4 weights, in steps of their groups' ranges, and the kernel's error, relative
    to the largest product."""
    torch = importlib.import_module("torch")
    products = importlib.import_module("codegemma_ui.workers.keras.steps.torch_products")
    random = torch.Generator().manual_seed(3)
    values = torch.randn(192, 128, generator=random) + 0.5
    matrix = products.int4(values)
    codes, scales = products.int4_codes(values)
    scale, middle = scales.float().split(1, dim=-1)
    groups = values.reshape(192, -1, products.GROUP)
    kept = (codes.reshape(groups.shape).float() - 8) * scale + middle
    x = torch.randn(3, 128, generator=random)
    product, right = products.product(x, *matrix), x @ kept.flatten(1).T
    steps_of = (groups.amax(-1, keepdim=True) - groups.amin(-1, keepdim=True)) / 15
    return {
        "kept_error": float(((kept - groups) / steps_of).square().mean().sqrt()),
        "product_error": float((product - right).abs().max() / right.abs().max()),
        "bytes": sum(one.numel() * one.element_size() for one in matrix),
    }


def tokens() -> dict:
    """Return the tiny model's tokens in every precision, and the versions that ran it."""
    narrow = [
        dtype for dtype in ("bfloat16", "int8", "int4") if dtype != "int4" or BACKEND == "torch"
    ]
    return {
        "version": metadata.version(BACKEND),
        "python": platform.python_version(),
        "tokens": {dtype: tokens_in(dtype) for dtype in ("float32", *narrow)},
        "together": together() if BACKEND == "jax" else None,
    }


def tokens_in(dtype: str) -> dict:
    """Return our tokens and KerasHub's in one precision: KerasHub's in float32, of weights exact in ours.

    On torch, ours are generated twice, before the graphs are compiled and after.
    """
    model = load("tiny")
    if dtype == "int4":
        coarsen_in_groups(model.backbone)
    elif dtype != "float32":
        coarsen(model.backbone, kernels=128)
    prompts = [Prompts(model).of_length(length) for length in TOKENS_PROMPTS]
    on_ids = without_preprocessor(model)
    theirs = [generated(on_ids, prompt, TOKENS_LENGTH, stops=None) for prompt in prompts]
    decoder = Decoder(
        steps.of_model(BACKEND, model, Precision(dtype, "float32")), context_length=TOKENS_LENGTH
    )

    def written() -> list[list[TokenChoice]]:
        return [list(decoder.decode(prompt, TOKENS_LENGTH, GREEDY)) for prompt in prompts]

    before = written()
    decoder.steps.warmed()
    while decoder.steps.compiling:
        time.sleep(0.1)
    after = written()
    return {
        "ours": [ids(one) for one in before],
        "compiled": [ids(one) for one in after],
        "theirs": theirs,
        "apart": [
            apart(one, their)
            for all_of in (before, after)
            for one, their in zip(all_of, theirs, strict=True)
        ],
        "note": decoder.steps.note,
    }


def apart(ours: list[TokenChoice], theirs: list[int]) -> float:
    """Return by how many nats we prefer our token to theirs at the first difference; 0 if there is none,
    infinite if theirs is not among our likeliest."""
    for choice, their in zip(ours, theirs, strict=True):
        if choice.id != their:
            return choice.logprob - dict(choice.alternatives).get(their, -math.inf)
    return 0.0


def together() -> list[list[int]]:
    """Return the same tokens in float32, requested concurrently and decoded as one batch."""
    model = load("tiny")
    compiled = steps.of_model(BACKEND, model, FLOAT32)
    assert steps.takes_batches(compiled)
    decoder = BatchedDecoder(compiled, context_length=TOKENS_LENGTH, most=len(TOKENS_PROMPTS))
    prompts = [Prompts(model).of_length(length) for length in TOKENS_PROMPTS]
    with ThreadPoolExecutor(len(prompts)) as callers:
        return list(
            callers.map(
                lambda prompt: ids(list(decoder.decode(prompt, TOKENS_LENGTH, GREEDY))), prompts
            )
        )


class Prompts:
    """FIM prompts as token ids: real code in the layout PSM, of any length."""

    def __init__(self, model: keras_nlp.models.GemmaCausalLM) -> None:
        self._encode = lambda text: [int(token) for token in model.preprocessor.tokenizer(text)]

    def text(self, snippet: str) -> str:
        prefix, suffix = snippet.split(CURSOR)
        return f"<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>"

    def snippet(self, snippet: str) -> list[int]:
        prefix, suffix = map(self._encode, snippet.split(CURSOR))
        return [BOS, FIM_PREFIX, *prefix, FIM_SUFFIX, *suffix, FIM_MIDDLE]

    def of_length(self, length: int) -> list[int]:
        code = self._encode("\n\n".join(snippet.replace(CURSOR, "") for snippet in SNIPPETS))
        room = length - 4
        after = room // 4
        prefix, suffix = code[: room - after], code[len(code) - after :]
        prompt = [BOS, FIM_PREFIX, *prefix, FIM_SUFFIX, *suffix, FIM_MIDDLE]
        assert len(prompt) == length
        return prompt


def ids(choices: list[TokenChoice]) -> list[int]:
    return [choice.id for choice in choices]


def until_stop(decoder: Decoder, prompt: list[int], max_length: int) -> list[int]:
    """Return greedy tokens up to and including the first stop token."""
    generated = []
    for choice in decoder.decode(prompt, max_length, GREEDY):
        generated.append(choice.id)
        if choice.id in STOPS:
            break
    return generated


def greedy(decoder: Decoder, model: keras_nlp.models.GemmaCausalLM, prompts: Prompts) -> list[dict]:
    """Return our tokens and KerasHub's for every prompt; the last is compared as text as well."""
    cases = [(prompts.snippet(snippet), SNIPPETS_LENGTH) for snippet in SNIPPETS]
    cases += [
        (prompts.of_length(length), total) for total, lengths in EDGES.items() for length in lengths
    ]
    on_ids = without_preprocessor(model)
    results = []
    for prompt, total in cases:
        results.append(
            {
                "prompt_length": len(prompt),
                "max_length": total,
                "ours": until_stop(decoder, prompt, total),
                "theirs": generated(on_ids, prompt, total),
            }
        )
    text, prompt = prompts.text(SNIPPETS[0]), prompts.snippet(SNIPPETS[0])
    ours = until_stop(decoder, prompt, max_length=64)  # generate() keeps the stop token too
    theirs = model.generate(text, max_length=64, stop_token_ids=STOPS, strip_prompt=True)
    results.append(
        {
            "prompt_length": len(prompt),
            "max_length": 64,
            "ours": model.preprocessor.tokenizer.detokenize(ours),
            "theirs": theirs,
        }
    )
    return results


def without_preprocessor(
    model: keras_nlp.models.GemmaCausalLM,
) -> keras_nlp.models.GemmaCausalLM:
    """Return a model with the same weights that takes and returns ids."""
    return keras_nlp.models.GemmaCausalLM(backbone=model.backbone, preprocessor=None)


def generated(
    on_ids: keras_nlp.models.GemmaCausalLM,
    prompt: list[int],
    max_length: int,
    stops: tuple[int, ...] | None = STOPS,
) -> list[int]:
    """Return KerasHub's tokens, up to and including the first stop token; it compiles once per length."""
    filled = np.arange(max_length) < len(prompt)
    padded = np.zeros(max_length, np.int32)
    padded[: len(prompt)] = prompt
    inputs = {"token_ids": padded[None], "padding_mask": filled[None]}
    output = on_ids.generate(inputs, stop_token_ids=stops)
    kept = np.asarray(output["padding_mask"])[0].astype(bool)
    theirs: list[int] = np.asarray(output["token_ids"])[0][kept][len(prompt) :].tolist()
    return theirs


def compilations(decoder: Decoder, prompts: Prompts) -> dict:
    """Return the real compilations and our own count, after warm-up and after various requests."""
    warm = compiled(decoder)
    requests = itertools.product(
        (5, 31, 32, 33, 127, 128, 129, 161, 400, 500),
        (240, 256, 503, 512),
        (GREEDY, Sampling(temperature=0.7, top_k=20, top_p=0.9, seed=3)),
        (True, False),
    )
    for length, max_length, sampling, drafts in requests:
        if length > max_length:
            continue
        choices = decoder.decode(
            prompts.of_length(length), max_length, sampling, STOPS, drafts=drafts
        )
        list(itertools.islice(choices, 3))
    return {"warm": warm, "after": compiled(decoder)}


def compiled(decoder: Decoder) -> dict[str, int]:
    """Return how often the backend has compiled so far, from every available counter."""
    counts = {
        "modules": len({path.name.split(".")[0] for path in DUMPS.glob("module_*")}),
        "programs": decoder.steps.compilations,
    }
    if BACKEND == "torch":
        from torch._dynamo.utils import counters

        counts["inductor"] = sum(counters["inductor"].values())
    return counts


def reused(decoder: Decoder, prompts: Prompts) -> list[dict]:
    """Prompts that grow, lose their end, or change in the middle: the prefilled tokens, and the results."""
    base = prompts.of_length(300)
    edits = {
        "again": base,
        "one more": [*base, base[50]],
        "shorter": base[:200],
        "changed in the middle": [*base[:150], base[149], *base[151:]],
        "near the end of the cache": prompts.of_length(500)[:500],
        "one more near the end": [*prompts.of_length(500)[:500], base[3]],
        "another": list(reversed(base)),
        "the first once more": base,
    }
    fresh = Decoder(decoder.steps, context_length=512)
    results = []
    for name, prompt in edits.items():
        ours = [
            (choice.id, choice.logprob)
            for choice in itertools.islice(decoder.decode(prompt, 512, GREEDY), 8)
        ]
        fresh.forget()  # after the pass that may still be under way
        theirs = [
            (choice.id, choice.logprob)
            for choice in itertools.islice(fresh.decode(prompt, 512, GREEDY), 8)
        ]
        results.append(
            {
                "name": name,
                "ours": ours,
                "theirs": theirs,
                "prefill": decoder.prefilled_tokens,
                "read_afresh": fresh.prefilled_tokens,
            }
        )
    return results


def drafted(decoder: Decoder, prompts: Prompts) -> list[dict]:
    """Return the tokens with drafts and without, the number of passes, and how many verified drafts."""
    repeating = prompts.of_length(60)[2:50] * 4
    cases = [prompts.snippet(snippet) for snippet in SNIPPETS]
    cases += [prompts.of_length(450), [BOS, *repeating]]
    results = []
    for prompt in cases:
        calls: Counter[str] = Counter()
        counted = CountedSteps(decoder.steps, calls)
        one = Decoder(counted, context_length=512)
        cursor = prompt.index(FIM_SUFFIX) if FIM_SUFFIX in prompt else None
        with_drafts = ids(list(one.decode(prompt, 512, GREEDY, STOPS, cursor=cursor)))
        checks = calls["verify"]
        plain = ids(list(one.decode(prompt, 512, GREEDY, STOPS, drafts=False)))
        results.append({"with": with_drafts, "without": plain, "checks": checks})
    return results


class CountedSteps:
    """Steps that count their calls."""

    def __init__(self, steps: Any, calls: Counter[str]) -> None:
        self._steps, self._calls = steps, calls

    def __getattr__(self, name: str) -> Any:
        self._calls[name] += 1
        return getattr(self._steps, name)


def interrupted(decoder: Decoder, prompts: Prompts) -> dict:
    """Return one prompt's tokens and logprobs, before and after a longer request was closed half way."""
    prompt = prompts.snippet(SNIPPETS[3])
    before = [
        (choice.id, choice.logprob)
        for choice in itertools.islice(decoder.decode(prompt, 512, GREEDY), 40)
    ]
    longer = decoder.decode(prompts.of_length(450), 512, Sampling(temperature=1.5, seed=1))
    for _ in itertools.islice(longer, 20):
        pass
    longer.close()  # type: ignore[attr-defined]
    after = [
        (choice.id, choice.logprob)
        for choice in itertools.islice(decoder.decode(prompt, 512, GREEDY), 40)
    ]
    return {"before": before, "after": after}


def layers_of(cache: Any) -> Any:
    return cache.layers if hasattr(cache, "layers") else cache


def cache_shapes(decoder: Decoder) -> list[list[tuple[int, ...]]]:
    cache = decoder.steps.allocate(512)
    return [[tuple(part.shape) for part in layer] for layer in layers_of(cache)]


def sampled(decoder: Decoder, prompts: Prompts) -> dict[str, list[int]]:
    prompt = prompts.snippet(SNIPPETS[9])

    def run(seed: int) -> list[int]:
        sampling = Sampling(temperature=1.0, top_k=50, top_p=0.95, seed=seed)
        return ids(list(itertools.islice(decoder.decode(prompt, 512, sampling), 24)))

    return {"seed 1": run(1), "seed 1 again": run(1), "seed 2": run(2)}


def alternatives(
    decoder: Decoder, model: keras_nlp.models.GemmaCausalLM, prompts: Prompts
) -> list[dict]:
    """Return the five alternatives of sampled tokens, then of forced ones and one more, and the
    probability of a stop token at each; with those of the model from one full pass."""
    prompt = prompts.snippet(SNIPPETS[9])
    sampling = Sampling(temperature=1.3, top_k=100, seed=5)
    choices = list(itertools.islice(decoder.decode(prompt, 512, sampling, STOPS), 12))
    unlikely = [*ids(choices)[:4], STOPS[3], 300, 7, *ids(choices)[4:9], 400]
    again = decoder.decode(prompt, 512, sampling, STOPS, forced=unlikely)
    forced = list(itertools.islice(again, len(unlikely) + 1))
    told = [*choices, *forced]
    rows = [
        row
        for tokens in (ids(choices), ids(forced))
        for row in full_logprobs(model, prompt + tokens, length=256)[len(prompt) - 1 : -1]
    ]
    results = []
    for choice, row in zip(told, rows, strict=True):
        top = np.argsort(-row)[:5]
        results.append(
            {
                "ours": choice.alternatives,
                "theirs": [(int(token), float(row[token])) for token in top],
                "logprob": (choice.logprob, float(row[choice.id])),
                "stop": (choice.stop_logprob, float(np.log(np.exp(row[list(STOPS)]).sum()))),
            }
        )
    return results


def forced(decoder: Decoder, prompts: Prompts) -> list[dict]:
    """Return the generated tokens, the same with some of them forced, and how much of the prompt was
    prefilled."""
    results = []
    for sampling in (GREEDY, Sampling(temperature=1.0, top_p=0.9, seed=4)):
        for length, kept in ((40, 1), (130, 7), (200, 8), (480, 20)):
            prompt = prompts.of_length(length)
            whole = ids(list(decoder.decode(prompt, 512, sampling)))
            again = ids(list(decoder.decode(prompt, 512, sampling, forced=whole[:kept])))
            results.append({"whole": whole, "again": again, "prefill": decoder.prefilled_tokens})
    return results


def full_logprobs(
    model: keras_nlp.models.GemmaCausalLM, tokens: list[int], length: int
) -> np.ndarray:
    """Return log-probabilities from the model's own pass without a cache: (len(tokens), vocabulary)."""
    token_ids = np.zeros((1, length), np.int32)
    token_ids[0, : len(tokens)] = tokens
    mask = (np.arange(length) < len(tokens)).astype(np.int32)[None]
    logits = model({"token_ids": token_ids, "padding_mask": mask})
    logits = keras.ops.convert_to_numpy(keras.ops.cast(logits, "float32"))
    logits = logits[0, : len(tokens)].astype(np.float64)
    logits -= logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def taken(decoder: Decoder, model: keras_nlp.models.GemmaCausalLM, prompts: Prompts) -> dict:
    """Return tokens of the model in memory, and of the same weights loaded from a preset by the worker's
    code."""
    prompt = prompts.snippet(SNIPPETS[1])
    kept = until_stop(decoder, prompt, SNIPPETS_LENGTH)
    with tempfile.TemporaryDirectory() as folder:
        model.save_to_preset(folder)
        read = loading.load(Path(folder), BACKEND, "float32", CPU)
    emptied = Decoder(read.steps, context_length=512)
    return {"kept": kept, "taken": until_stop(emptied, prompt, SNIPPETS_LENGTH)}


def random_model(
    precision: Precision,
    prompt_lengths: tuple[int, ...],
    compiles: bool = False,
    coarse: bool = False,
    **options: Any,
) -> dict:
    """Run a tiny model of random weights, grouped queries and a soft cap: cached passes against full passes.

    KerasHub's passes are in the precision of the activations; with `coarse` weights both are still equal.

    On torch it runs without a C++ compiler unless `compiles`, so that the uncompiled step is tested too.
    """
    os.environ["CXX"] = "g++" if compiles else "no-such-compiler"
    keras.utils.set_random_seed(7)
    shape = {
        "vocabulary_size": 101,
        "num_layers": 2,
        "num_query_heads": 4,
        "num_key_value_heads": 2,
        "hidden_dim": 32,
        "intermediate_dim": 64,
        "head_dim": 8,
        "final_logit_soft_cap": 5.0,
    }
    backbone = keras_nlp.models.GemmaBackbone(**shape | options, dtype=precision.activations)
    model = keras_nlp.models.GemmaCausalLM(backbone=backbone, preprocessor=None)
    if coarse:
        coarsen(backbone)
    decoder = Decoder(steps.of_model(BACKEND, model, precision), context_length=1500)
    random = np.random.default_rng(0)
    errors: dict[int, float] = {}
    for length in prompt_lengths:
        prompt = random.integers(1, 101, length).tolist()
        # A total of 1,100 puts the longer ones in the cache of 1,536.
        total = 1100 if length > 500 else 512
        choices = list(itertools.islice(decoder.decode(prompt, total, GREEDY), 6))
        decoder.steps.warmed()
        while decoder.steps.compiling:
            time.sleep(0.1)
        choices = list(itertools.islice(decoder.decode(prompt, total, GREEDY), 6))
        rows = full_logprobs(model, prompt + ids(choices), length=768)[length - 1 :]
        errors[length] = max(
            abs(logprob - row[token])
            for choice, row in zip(choices, rows, strict=False)
            for token, logprob in (*choice.alternatives, (choice.id, choice.logprob))
        )
    cache = decoder.steps.allocate(512)
    layer, _ = layers_of(cache)[0]
    return {
        "errors": errors,
        "spread": float(rows[0].max() - rows[0].min()),
        "cache_shape": tuple(layer.shape),
        "cache_dtype": keras.backend.standardize_dtype(layer.dtype),
        "note": decoder.steps.note,
        "compiled": graphs.compiled
        if (graphs := getattr(decoder.steps, "_graphs", None))
        else None,
    }


def coarsen(backbone: keras_nlp.models.GemmaBackbone, kernels: int = 1024) -> None:
    """Set weights that fit in int8 with a power of two as the scale, so that no narrow precision rounds them.

    Args:
        kernels: a power of two that divides the kernels of the layers. If layers add little to their
            input, a model repeats its last token.
    """
    random = np.random.default_rng(1)
    for variable in backbone.weights:
        if len(variable.shape) == 1:
            continue
        values, divisor = random.integers(-127, 128, variable.shape), kernels
        # Some input of each output has the largest value: kernels are (..., inputs, outputs).
        if variable is backbone.token_embedding.embeddings:
            values[:, 0], divisor = 127, 1024
        else:
            values[..., 0, :] = 127
        if variable.path.endswith(
            "attention_output/kernel"
        ):  # (heads, head_dim, hidden_dim) to hidden_dim
            values[0, 0, :] = 127
        variable.assign(values / divisor)


def coarsen_in_groups(backbone: keras_nlp.models.GemmaBackbone) -> None:
    """Set weights that int4 represents exactly: of 32 inputs of an output, 15 steps of a power of two."""
    random = np.random.default_rng(4)
    for variable in backbone.weights:
        if len(variable.shape) == 1:
            continue
        groups = random.integers(0, 16, (int(np.prod(variable.shape)) // 32, 32))
        groups[:, :2] = 0, 15
        values = random.permuted(groups, axis=-1) - 7.5
        if variable is backbone.token_embedding.embeddings:
            variable.assign(values.reshape(variable.shape) / 256)
        elif variable.path.endswith("attention_output/kernel"):
            *inputs, outputs = variable.shape
            variable.assign(values.reshape(outputs, *inputs).transpose(1, 2, 0) / 16)
        else:
            *stacked, inputs, outputs = variable.shape
            variable.assign(np.moveaxis(values.reshape(*stacked, outputs, inputs), -1, -2) / 16)


if __name__ == "__main__":
    main()
