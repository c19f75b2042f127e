"""Write the tables of docs/settings.md: `.venv/bin/python -m scripts.write_settings`.

Flags, variables and defaults come from the parser of `serve`, accepted values from the message with which
`settings.resolve` refuses a value. Flags are described here. `tests/test_documentation.py` compares the page
with the output of this module.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from codegemma_ui import settings
from codegemma_ui.errors import BadInput

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
BEGIN, END = "<!-- flags -->\n", "<!-- /flags -->"

DESCRIPTIONS = {
    "Model": {
        "--preset": "The model: a name from the table of models, a local folder, `hf://owner/model` or "
        "`kaggle://owner/model/keras/variation`. See [models](backends.md#models).",
        "--extra-presets": "More models for the dropdown, separated by commas.",
        "--backend": "The framework that runs the model, or `openai` for a server. `KERAS_BACKEND` is "
        "read where neither the flag nor its variable is given.",
        "--dtype": "The [precision](backends.md#precision) of the weights.",
        "--context-length": "The most tokens that a request may have. A shorter cache needs less memory.",
        "--torch-device": "Where torch runs. `auto` is CUDA where there is a card, else the CPU. `mps` "
        "is untested.",
        "--model-parallel": "Number of devices over which jax shards the model. See [several "
        "GPUs](backends.md#several-gpus-on-one-machine).",
        "--python-tensorflow": "Interpreter of the tensorflow worker.",
        "--python-jax": "Interpreter of the jax worker.",
        "--python-torch": "Interpreter of the torch worker.",
    },
    "Model on a server": {
        "--openai-base-url": "Address of the server of the `openai` backend. See "
        "[backends](backends.md#a-model-on-a-server).",
        "--openai-model": "Name of the model to request, where the server has several.",
        "--openai-connect-timeout": "Seconds in which the server must be reached.",
        "--openai-timeout": "Seconds for which the server may be silent.",
        "--openai-retries": "Number of times a request is retried before its first token.",
    },
    "Requests": {
        "--max-length": "Initial value of the page's slider: prompt and middle together, in tokens. "
        "Without it the slider follows the text, with room for 128 new tokens, until somebody moves it.",
        "--time-limit": "Seconds that one completion may take.",
        "--queue-size": "Number of requests that may wait.",
        "--max-concurrency": "Number of requests that the model works on at once. Applies to jax, and to "
        "torch except for large models on a CPU; tensorflow takes one at a time. See "
        "[batching](architecture.md#batching).",
        "--idle-minutes": "Minutes without a request after which the model leaves memory; the next "
        "request loads it again. 0 is never.",
    },
    "Page": {
        "--language": "Language of the page; `auto` follows the browser. `?lang=ko` in the address "
        "takes precedence.",
        "--allow-switch": "Who may change the model, which all visitors share. `login` is everyone who "
        "has logged in.",
    },
    "Address": {
        "--host": "Address to listen on.",
        "--port": "Port to listen on; 0 takes any free one.",
        "--uds": "Unix socket to listen on in place of host and port.",
        "--ssl-certfile": "Certificate in PEM, to serve https "
        "[without a proxy](deploying.md#behind-a-proxy).",
        "--ssl-keyfile": "Key of that certificate in PEM.",
        "--root-path": "Path of another site under which the page is served, such as `/playground`. "
        "`GRADIO_ROOT_PATH` is read where neither the flag nor its variable is given.",
        "--allowed-host": "Host name by which the page is reached; may be repeated, and the variable "
        "separates several by commas. Loopback names, `--host` and the names of a Space are implied.",
    },
    "Access for programs": {
        "--no-api": "Close `/complete` and `/status` to programs.",
        "--openai-api": "Open `/v1/completions`, `/v1/models` and `/infill` to "
        "[editors and other clients](editors.md).",
        "--mcp": "Offer the model as a tool [over MCP](editors.md#an-agent-over-mcp).",
    },
    "Operation": {
        "--metrics": "Serve [`/metrics`](http-api.md#metrics) for Prometheus.",
        "--log-level": "Least severity of the lines in the log.",
    },
}


@dataclass(frozen=True)
class Flag:
    """One flag of `serve`.

    Attributes:
        name: with its dashes.
        variable: its environment variable.
        default: as in `--help`.
        values: accepted values; empty if any text is.
    """

    name: str
    variable: str
    default: str
    values: str


def flags() -> Iterator[Flag]:
    """Return every flag of `serve` in the parser's order."""
    parser = argparse.ArgumentParser(add_help=False)
    settings.add_serve_flags(parser)
    for action in parser._actions:
        found = re.search(r" \[(CODEGEMMA_UI_[A-Z_]+), (.+)\]$", action.help or "")
        assert found is not None, action.option_strings
        values = "on, off" if action.nargs == 0 else accepted(found[1])
        yield Flag(action.option_strings[0], found[1], found[2], values)


def accepted(variable: str) -> str:
    """Return the values that a variable accepts, as the refusal of another value names them."""
    server = {"CODEGEMMA_UI_OPENAI_BASE_URL": "http://127.0.0.1:8000/v1"}
    try:
        settings.resolve(None, {**server, variable: "no such value"})
    except BadInput as error:
        found = re.search(
            r"must be (?:a number from (\S+) to (\S+)|one of (.+))\. R", error.message
        )
        if found is not None:
            return found[3] or f"{found[1]} to {found[2]}"
    return ""


def tables() -> str:
    """Return the tables, one for each group of flags."""
    known = {flag.name: flag for flag in flags()}
    lines = []
    for title, described in DESCRIPTIONS.items():
        lines += ["", f"### {title}", "", "| flag, variable | default | values | description |"]
        lines.append("|---|---|---|---|")
        for name, description in described.items():
            flag = known.pop(name)
            cells = (f"`{name}` `{flag.variable}`", flag.default, flag.values, description)
            lines.append(f"| {' | '.join(cells)} |")
    assert not known, f"These flags have no description: {', '.join(known)}"
    return "\n".join(lines[1:]) + "\n"


def page(text: str) -> str:
    """Return the page with its tables replaced."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
