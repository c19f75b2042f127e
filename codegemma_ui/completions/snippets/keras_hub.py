"""A completion as a script for KerasHub, modelled on Google's quickstart
(https://ai.google.dev/gemma/docs/codegemma/keras_quickstart)."""

from __future__ import annotations

from codegemma_ui import installation
from codegemma_ui.completions.snippets import python_parts
from codegemma_ui.completions.snippets.quoting import python_text
from codegemma_ui.completions.snippets.taken import Taken
from codegemma_ui.presets import BUNDLED, BUNDLED_FOLDER

FILE = "fim_keras_hub.py"


def prepare(taken: Taken) -> tuple[str, ...]:
    """Return commands to run once."""
    return (f"pip install keras-nlp {taken.backend}",)


def text(taken: Taken) -> str:
    """Return the script, which prints the program."""
    by_ids = taken.reason("keras_hub") is not None
    return python_parts.assembled(
        _head(taken, by_ids),
        _load(taken),
        python_parts.token_names(),
        "stop_tokens = (BEFORE_CURSOR, AFTER_CURSOR, AT_CURSOR, FILE_SEPARATOR, tokenizer.end_token)\n"
        "stop_token_ids = tuple(tokenizer.token_to_id(token) for token in stop_tokens)",
        python_parts.sides(taken),
        python_parts.prompt(taken, "keras_hub"),
        _generate_ids(taken) if by_ids else _generate(taken),
        python_parts.cut(taken),
        python_parts.program(taken),
    )


def _head(taken: Taken, by_ids: bool) -> str:
    head = [f"# {line}" for line in prepare(taken)]
    head += ["import os"] + ["from itertools import takewhile"] * by_ids
    head += ["from pathlib import Path"] * _bundled_elsewhere(taken)
    head += ["", f'os.environ["KERAS_BACKEND"] = "{taken.backend}"', "", "import keras_nlp"]
    head += ["import numpy as np"] * by_ids
    return "\n".join([*head, *["", "import codegemma_ui"] * _bundled_elsewhere(taken)])


def _bundled_elsewhere(taken: Taken) -> bool:
    """Return whether the script must find the bundled model inside the installed package."""
    return taken.preset.name == BUNDLED and not installation.in_checkout()


def _name(taken: Taken) -> str:
    """Return the argument of `from_preset`, as an expression."""
    if taken.preset.name != BUNDLED:
        return python_text(taken.preset.name)
    place = BUNDLED_FOLDER.relative_to(installation.PACKAGE)
    if _bundled_elsewhere(taken):
        return f"str(Path(codegemma_ui.__file__).parent / {python_text(place.as_posix())})"
    return python_text((installation.PACKAGE.name / place).as_posix())


def _load(taken: Taken) -> str:
    dtype = "bfloat16" if taken.dtype == "int8" else taken.dtype
    lines = [
        "gemma_lm = keras_nlp.models.GemmaCausalLM.from_preset(",
        f"    {_name(taken)}, dtype={python_text(dtype)}",
        ")",
    ]
    if taken.dtype == "int8":
        lines.append('gemma_lm.quantize("int8")')
    if not taken.greedy:
        lines.append(f"gemma_lm.compile(sampler={_sampler(taken)})")
    return "\n".join([*lines, "tokenizer = gemma_lm.preprocessor.tokenizer"])


def _sampler(taken: Taken) -> str:
    request = taken.request
    # Keras on torch accepts 31 bits; its random numbers differ from ours anyway.
    seed = None if request.seed is None else request.seed % 2**31
    last = f"temperature={request.temperature!r}, seed={seed!r}"
    k = f"k={request.top_k}, " if request.top_k else ""
    if request.top_p < 1:
        return f"keras_nlp.samplers.TopPSampler(p={request.top_p!r}, {k}{last})"
    return f"keras_nlp.samplers.{'TopK' if k else 'Random'}Sampler({k}{last})"


def _generate(taken: Taken) -> str:
    given = python_parts.given(taken, "keras_hub")
    return (
        f"max_length = {taken.request.max_length}  # prompt and middle together, in tokens\n"
        f"output = gemma_lm.generate({given}, stop_token_ids=stop_token_ids, max_length=max_length)\n"
        "\n"
        "middle = output[len(prompt) :]\n"
        "for token in stop_tokens:\n"
        "    middle = middle.partition(token)[0]"
    )


def _generate_ids(taken: Taken) -> str:
    return (
        f"given_ids = {python_parts.given(taken, 'keras_hub')}\n"
        f"max_length = {taken.request.max_length}  # prompt and middle together, in tokens\n"
        'token_ids = np.zeros((1, max_length), "int32")\n'
        "token_ids[0, : len(given_ids)] = given_ids\n"
        "padding_mask = np.arange(max_length)[None] < len(given_ids)\n"
        "gemma_lm.preprocessor = None  # ids go in, and ids come out\n"
        "output = gemma_lm.generate(\n"
        '    {"token_ids": token_ids, "padding_mask": padding_mask}, stop_token_ids=stop_token_ids\n'
        ")\n"
        "\n"
        'new_ids = np.asarray(output["token_ids"])[0, len(prompt_ids) :].tolist()\n'
        f"{python_parts.CUT_AT_STOP}\n"
        "middle = tokenizer.detokenize(middle_ids)"
    )
