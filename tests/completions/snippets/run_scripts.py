"""Run Python scripts unchanged, one by one: `python -m tests.completions.snippets.run_scripts SCRIPT…`.

Stdout ends with a line of JSON: for each script its output, and `ids`, those of the prompt and of everything
after it. KerasHub returns text only, so its ids are recorded where it decodes them.
"""

import contextlib
import io
import json
import runpy
import sys
from typing import Any

import numpy as np


def main() -> None:
    noted: list[Any] = []
    if "keras" in sys.argv[1]:
        note_ids(noted)
    print(json.dumps([run(script, noted) for script in sys.argv[1:]]))


def note_ids(noted: list[Any]) -> None:
    # tensorflow first: torch's libraries and its own do not load in the other order.
    import keras_nlp

    kind = keras_nlp.models.GemmaCausalLMPreprocessor
    original = kind.generate_postprocess

    def noting(self: Any, output: Any) -> Any:
        noted.append(output["token_ids"])
        return original(self, output)

    kind.generate_postprocess = noting


def run(script: str, noted: list[Any]) -> dict[str, Any]:
    noted.clear()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        left = runpy.run_path(script, run_name="__main__")
    output = left["output"]
    ids = noted[0] if noted else output["token_ids"] if isinstance(output, dict) else output
    return {"printed": printed.getvalue(), "ids": np.asarray(ids)[0].tolist()}


if __name__ == "__main__":
    main()
