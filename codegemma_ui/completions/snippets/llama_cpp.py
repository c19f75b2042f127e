"""A completion as a shell script for llama.cpp's server, on the GGUF file that `export` writes."""

from __future__ import annotations

from typing import Any

from codegemma_ui import fim
from codegemma_ui.completions.snippets.exported import Export
from codegemma_ui.completions.snippets.quoting import (
    comment,
    here_document,
    json_object,
    shell_word,
)
from codegemma_ui.completions.snippets.taken import REASONS, Taken

FILE = "fim_llama_cpp.sh"

CACHES = {"float32": "f32", "bfloat16": "bf16", "float16": "f16", "q8_0": "f16"}
"""Weights -> llama.cpp's name for the precision of keys and values."""


def export(taken: Taken) -> Export:
    """Return the script's export."""
    return Export.of(taken, "gguf", "q8_0" if taken.dtype == "int8" else taken.dtype)


def prepare(taken: Taken) -> tuple[str, ...]:
    """Return commands to run once; the installation of llama.cpp itself depends on the system."""
    return (export(taken).command,)


def text(taken: Taken) -> str:
    """Return the script, which prints the middle. It needs `llama-server`, curl and python3 on the PATH."""
    place = export(taken)
    cache = CACHES[place.dtype]
    reason = taken.reason("llama_cpp")
    body = here_document(json_object(_body(taken)))
    lines = [
        "#!/bin/sh",
        "# llama-server is llama.cpp's: https://github.com/ggml-org/llama.cpp",
        *(f"# {command}" for command in prepare(taken)),
        "set -eu",
        "port=${PORT:-8080}",
        "server=http://127.0.0.1:$port",
        "",
        "command -v llama-server > /dev/null || { echo 'llama-server is not on the PATH' >&2; exit 1; }",
        f'llama-server --model {shell_word(place.folder)}/*.gguf --host 127.0.0.1 --port "$port" \\',
        f"  --ctx-size {taken.preset.context_length} --parallel 1 "
        f"--cache-type-k {cache} --cache-type-v {cache} > /dev/null 2>&1 &",
        "trap 'kill $!' EXIT",
        "curl --silent --fail --retry 60 --retry-delay 1 --retry-connrefused \\",
        '  --output /dev/null "$server/health"',
        "kill -0 $!  # fails if another program uses this port: choose another one, PORT=8081",
        "",
        *([comment(f"{REASONS[reason]} So the prompt is given as token ids.")] if reason else []),
        "ask() {",
        '  curl --silent --show-error --fail-with-body "$server/completion" \\',
        f"    --header 'Content-Type: application/json' --data-binary @- {body}",
        "}",
        "",
        *_begins(taken),
        f"ask | python3 -c {shell_word(_print(taken))}",
    ]
    return "\n".join(lines) + "\n"


def _body(taken: Taken) -> dict[str, Any]:
    """Return the body of `POST /completion`
    (https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md)."""
    request = taken.request
    body: dict[str, Any] = {"prompt": taken.prompt.text + taken.begins}
    if taken.reason("llama_cpp") is not None:
        body["prompt"] = taken.given_ids
    body |= {"n_predict": taken.new_tokens, "temperature": 0}
    if not taken.greedy:
        body |= {
            "temperature": request.temperature,
            "top_k": request.top_k,
            "top_p": request.top_p,
            "min_p": 0,
            "samplers": ["temperature", "top_k", "top_p"],
        }
        if request.seed is not None:
            body["seed"] = request.seed
    return body | {"stop": [*fim.FIM_TOKENS, *request.stop], "return_tokens": True}


def _print(taken: Taken) -> str:
    """Return Python code that prints the middle, of one line if the request says so."""
    if not taken.request.one_line:
        return 'import json, sys; print(json.load(sys.stdin)["content"])'
    blank = "0" if taken.forced_text.strip() else "len(text) - len(text.lstrip())"
    return (
        'import json, sys; text = json.load(sys.stdin)["content"]; '
        f'start = {blank}; print(text[:start] + text[start:].partition("\\n")[0])'
    )


def _begins(taken: Taken) -> list[str]:
    """Print the given beginning of the middle, which is not part of the response."""
    if taken.past:
        return ["# A stop token was given with the prompt: further output is past the end."]
    if not taken.forced_text:
        return []
    return ["# The middle begins with this.", f"printf %s {shell_word(taken.forced_text)}"]
