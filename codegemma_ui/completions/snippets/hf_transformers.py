"""A completion as a script for Hugging Face transformers, on the folder that `export` writes."""

from __future__ import annotations

from codegemma_ui.completions.snippets import python_parts
from codegemma_ui.completions.snippets.exported import Export
from codegemma_ui.completions.snippets.quoting import python_text
from codegemma_ui.completions.snippets.taken import Taken

FILE = "fim_transformers.py"


def export(taken: Taken) -> Export:
    """Return the script's export. transformers has no int8 like ours: it uses bfloat16 instead."""
    return Export.of(taken, "transformers", "bfloat16" if taken.dtype == "int8" else taken.dtype)


def prepare(taken: Taken) -> tuple[str, ...]:
    """Return commands to run once."""
    return ("pip install torch transformers", export(taken).command)


def text(taken: Taken) -> str:
    """Return the script, which prints the program."""
    by_ids = taken.reason("transformers") is not None
    head = [f"# {line}" for line in prepare(taken)]
    head += ["from itertools import takewhile", "", "import torch"]
    head += ["from transformers import AutoModelForCausalLM, AutoTokenizer"]
    place = export(taken)
    return python_parts.assembled(
        "\n".join(head),
        f"folder = {python_text(place.folder)}\n"
        "tokenizer = AutoTokenizer.from_pretrained(folder)\n"
        f"model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.{place.dtype})",
        python_parts.token_names(),
        "stop_tokens = [BEFORE_CURSOR, AFTER_CURSOR, AT_CURSOR, FILE_SEPARATOR, tokenizer.eos_token]\n"
        "stop_token_ids = tokenizer.convert_tokens_to_ids(stop_tokens)",
        python_parts.sides(taken),
        python_parts.prompt(taken, "transformers"),
        _generate(taken, by_ids),
        python_parts.cut(taken),
        python_parts.program(taken),
    )


def _generate(taken: Taken, by_ids: bool) -> str:
    given, request = python_parts.given(taken, "transformers"), taken.request
    ids = (
        f"torch.tensor([{given}])"
        if by_ids
        else f'tokenizer({given}, return_tensors="pt").input_ids'
    )
    sampling = "do_sample=False"
    lines = [f"given_ids = {ids}"]
    if not taken.greedy:
        sampling = f"do_sample=True, temperature={request.temperature!r}, "
        sampling += f"top_k={request.top_k}, top_p={request.top_p!r}"
        if request.seed is not None:
            lines.append(f"torch.manual_seed({request.seed})")
    start = "len(prompt_ids)" if by_ids else "given_ids.shape[1]"
    begins = "begins + " if taken.begins and not by_ids else ""
    return "\n".join(
        [
            *lines,
            "output = model.generate(",
            "    given_ids,",
            "    attention_mask=torch.ones_like(given_ids),",
            f"    max_length={request.max_length},  # prompt and middle together, in tokens",
            f"    {sampling},",
            "    eos_token_id=stop_token_ids,",
            ")",
            "",
            f"new_ids = output[0, {start} :].tolist()",
            python_parts.CUT_AT_STOP,
            f"middle = {begins}tokenizer.decode(middle_ids)",
        ]
    )
