"""Run exported files in llama.cpp: `python -m tests.commands.export.llama_cpp_probe REQUESTS.json`.

xllamacpp runs llama.cpp's server in this process, which is separate because a failure in C++ ends it.
REQUESTS is a list of `{"file", "prompts", "texts"}`: token ids to continue greedily, and texts to tokenize,
each a pair of the text and whether it is a prompt, in which control tokens are parsed. Stdout ends with a
line of JSON: for each request its `answers`, token ids up to a stop token, and its `ids`.
"""

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

import xllamacpp

from tests.commands.export.cases import NEW_TOKENS


def main() -> None:
    requests = json.loads(Path(sys.argv[1]).read_text())
    print("\n" + json.dumps([ask(**request) for request in requests]))


def ask(file: str, prompts: list[list[int]], texts: list[tuple[str, bool]]) -> dict[str, Any]:
    server = serve(file)
    return {
        "answers": [complete(server, prompt) for prompt in prompts],
        "ids": [tokenize(server, text, special=special) for text, special in texts],
    }


def serve(file: str) -> xllamacpp.Server:
    """Run a server on one thread, with a float32 cache and no context shift."""
    params = xllamacpp.CommonParams()
    params.model.path = file
    params.n_ctx = 512
    params.n_parallel = 1
    params.ctx_shift = params.warmup = params.fit_params = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.verbosity = 0
    return xllamacpp.Server(params)


def complete(server: xllamacpp.Server, prompt: list[int]) -> list[int]:
    body = {"prompt": prompt, "n_predict": NEW_TOKENS, "temperature": 0, "return_tokens": True}
    return post(server, "/completion", body)["tokens"]


def tokenize(server: xllamacpp.Server, text: str, *, special: bool) -> list[int]:
    """Return the ids from llama.cpp's own tokenizer; with `special`, as it tokenizes a prompt."""
    body = {"content": text, "add_special": special, "parse_special": special}
    return post(server, "/tokenize", body)["tokens"]


def post(server: xllamacpp.Server, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send a request over HTTP, the only interface that returns token ids."""
    content = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.listening_address}{path}", content, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


if __name__ == "__main__":
    main()
