"""A completion as a shell script that uses this playground's own API: one call, then its events."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from codegemma_ui.completions.snippets.quoting import here_document, json_object, shell_word
from codegemma_ui.completions.snippets.taken import Taken
from codegemma_ui.ipc.messages import CompletionRequest

FILE = "fim_curl.sh"

_PRINT = """import json, sys
last = json.load(sys.stdin)[0]
print(last["program"]) if last["event"] == "done" else sys.exit(last.get("message"))"""


def text(taken: Taken, address: str, login: bool) -> str:
    """Return the script, which prints the program. It needs curl and python3 on the PATH.

    Args:
        address: address of the playground, without a trailing slash.
        login: whether it requires a login.
    """
    body = here_document(json_object(_body(taken)))
    cookies = ' --cookie "$cookies"' if login else ""
    lines = [
        "#!/bin/sh",
        "set -eu",
        f"playground={shell_word(address)}",
        "",
        *(_log_in() if login else ()),
        "ask() {",
        f"  curl --silent --show-error --fail-with-body{cookies} \\",
        '    "$playground/gradio_api/call/v2/complete" \\',
        f"    --header 'Content-Type: application/json' --data-binary @- {body}",
        "}",
        "",
        "# 1. The call returns its number, 2. with which its events can be read; the last one is the end.",
        'event=$(ask | sed \'s/.*"event_id": *"\\([^"]*\\)".*/\\1/\')',
        f"curl --silent --show-error --fail --no-buffer{cookies} \\",
        '  "$playground/gradio_api/call/complete/$event" \\',
        f"  | sed -n 's/^data: //p' | tail -n 1 | python3 -c {shell_word(_PRINT)}",
    ]
    return "\n".join(lines) + "\n"


def _body(taken: Taken) -> dict[str, Any]:
    """Return the values that differ from the defaults, and those a reader would look for."""
    default = asdict(CompletionRequest())
    fields = asdict(taken.request)
    del fields["time_limit_s"]  # the operator's
    always = ("prefix", "suffix", "max_length")
    return {
        name: value for name, value in fields.items() if name in always or value != default[name]
    }


def _log_in() -> tuple[str, ...]:
    return (
        "# This playground requires a login.",
        "cookies=$(mktemp)",
        "trap 'rm -f \"$cookies\"' EXIT",
        'curl --silent --show-error --fail --output /dev/null --cookie-jar "$cookies" \\',
        '  --data-urlencode "username=${PLAYGROUND_USER:?}" \\',
        '  --data-urlencode "password=${PLAYGROUND_PASSWORD:?}" "$playground/login"',
        "",
    )
