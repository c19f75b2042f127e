"""A completion as code: equivalent scripts for KerasHub, transformers, llama.cpp and curl. Pure.

Each script is complete and runs as is, after the commands in `prepare`. Greedy and in float32 it generates
the same tokens as the playground, which `tests/completions/snippets` verifies by running them; if that cannot
be guaranteed, the notes say why.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from codegemma_ui.completions.snippets import curl, hf_transformers, keras_hub, llama_cpp
from codegemma_ui.completions.snippets.taken import Taken, Tool

__all__ = ["DEFAULT_ADDRESS", "TOOLS", "Snippet", "Taken", "write"]

TOOLS: dict[Tool, str] = {
    "keras_hub": "KerasHub",
    "transformers": "transformers",
    "llama_cpp": "llama.cpp",
    "curl": "curl",
}
"""The programs, by display name."""

_ELSEWHERE: dict[Tool, ModuleType] = {
    "keras_hub": keras_hub,
    "transformers": hf_transformers,
    "llama_cpp": llama_cpp,
}

DEFAULT_ADDRESS = "http://127.0.0.1:7860"


@dataclass(frozen=True)
class Snippet:
    """One script.

    Attributes:
        tool: a key of `TOOLS`.
        file: suggested file name.
        text: the script.
        prepare: commands to run once before it, in the repository's folder.
        notes: what the user should know, as keys: a `taken.Reason` if the prompt is given as token ids,
            "drawn" (another tool draws other random numbers), "undrawn" (there is no seed to repeat),
            "rounded" and "int8" (its precision), "served" (its precision is unknown), "stopped" (this one
            was), "login".
    """

    tool: Tool
    file: str
    text: str
    prepare: tuple[str, ...]
    notes: tuple[str, ...]


def write(
    taken: Taken, address: str = DEFAULT_ADDRESS, *, login: bool = False
) -> tuple[Snippet, ...]:
    """Return the scripts, in the order of `TOOLS`.

    Args:
        address: address of this playground, without a trailing slash.
        login: whether it requires a login.

    Raises:
        BadInput: a text cannot be written as code.
    """
    notes = _notes(taken)
    snippets = []
    for tool, module in _ELSEWHERE.items():
        reason = taken.reason(tool)
        own = (*([reason] if reason else []), *notes)
        snippets.append(Snippet(tool, module.FILE, module.text(taken), module.prepare(taken), own))
    here = tuple(note for note in notes if note in ("undrawn", "stopped"))
    script = curl.text(taken, address.rstrip("/"), login)
    login_note = ("login",) if login else ()
    return (*snippets, Snippet("curl", curl.FILE, script, (), (*here, *login_note)))


def _notes(taken: Taken) -> tuple[str, ...]:
    found = []
    if not taken.greedy:
        found.append("undrawn" if taken.request.seed is None else "drawn")
    if taken.served:
        found.append("served")
    elif taken.dtype != "float32":
        found.append("int8" if taken.dtype == "int8" else "rounded")
    if not taken.ended:
        found.append("stopped")
    return tuple(found)
