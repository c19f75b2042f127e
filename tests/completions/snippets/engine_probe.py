"""Run the cases on the engine: `python -m tests.completions.snippets.engine_probe`.

It runs in its own process, since Keras supports one backend per process. Stdout ends with a line of JSON:
name of a case -> its recording, with "jax" as its backend, so that the script for KerasHub runs on jax.
"""
# ruff: noqa: E402 - what may be imported depends on the backend, so that is settled first

import json
import os
from dataclasses import replace
from typing import Any

from codegemma_ui.workers.keras import framework

BACKEND = "torch"  # not compiled: that would take most of the time
os.environ["CXX"] = "no-such-compiler"
framework.before_import(BACKEND)

from codegemma_ui import presets
from codegemma_ui.completions.recording import Recording
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import DoneEvent, Loaded, TokenEvent, parse_request
from codegemma_ui.workers.keras import generation, loading
from codegemma_ui.workers.keras.decode import Decoder
from codegemma_ui.workers.keras.framework import CPU
from tests.completions.snippets import cases

CONTEXT_LENGTH = 512


def main() -> None:
    compiled = loading.load(presets.BUNDLED_FOLDER, BACKEND, "float32", CPU).steps
    decoder = Decoder(compiled, context_length=CONTEXT_LENGTH)
    vocabulary = Vocabulary(presets.BUNDLED_FOLDER)

    def complete(raw: dict[str, Any]) -> Recording:
        request = parse_request(raw, CONTEXT_LENGTH)
        loaded = Loaded(
            preset=presets.BUNDLED,
            backend="jax",
            dtype="float32",
            device="CPU",
            parameters=0,
            memory_bytes=0,
            context_length=CONTEXT_LENGTH,
            summary="",
        )
        events = list(generation.generate(request, vocabulary, decoder, loaded, lambda: False))
        prompt = vocabulary.prompt_of(request)
        tokens = tuple(event for event in events if isinstance(event, TokenEvent))
        last = events[-1]
        assert isinstance(last, DoneEvent)
        return Recording(request, "LF", prompt, tokens, last)

    recorded = {name: complete(cases.request(name)) for name in cases.CASES}
    first = recorded[cases.OF].tokens[0]
    other = next(one for one in first.alternatives if one.id != first.id)
    recorded[cases.BRANCHED] = complete({**cases.request(cases.OF), "forced": [other.id]})
    recorded["lines, CRLF"] = replace(recorded["lines"], ending="CRLF")
    print(json.dumps({name: one.to_dict() for name, one in recorded.items()}))


if __name__ == "__main__":
    main()
