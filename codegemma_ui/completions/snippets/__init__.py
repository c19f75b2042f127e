"""A completion as code: the equal script for KerasHub, transformers, llama.cpp and curl. Pure.

Each script is whole: it can be run as it is, after the commands of `prepare`. Greedy and in float32 it
writes the tokens that the playground wrote, which `tests/completions/snippets` shows by running them; where
that cannot be promised, the notes say why.
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
"""The programs, by what a person calls them."""

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
        file: a name to keep it under.
        text: the script.
        prepare: commands to run once before it, in the repository's folder.
        notes: what a person should know, as keys: a `taken.Reason` where the prompt stands as token ids,
            "drawn" (another tool draws other random numbers), "undrawn" (there is no seed to repeat),
            "rounded" and "int8" (its precision), "served" (nobody knows its precision), "stopped" (this one
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
    """The scripts, in the order of `TOOLS`.

    Args:
        address: of this playground, without a slash at its end.
        login: whether it asks for one.

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
    asks = ("login",) if login else ()
    return (*snippets, Snippet("curl", curl.FILE, script, (), (*here, *asks)))


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
