"""Requests of the scenarios, so that a scenario runs over the scripted worker and over the real engine."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from tools.reliability.served import SCRIPTED

REAL_PROMPTS = (
    ("import ", '\n\nif __name__ == "__main__":\n    sys.exit(0)\n'),
    ("def add(a, b):\n    return ", "\n\n\nprint(add(1, 2))\n"),
    ("def largest(values):\n    best = values[0]\n    for ", "\n    return best\n"),
    ("class Timer:\n    def __init__(self):\n        self.started = 0\n\n    def start(self", "\n"),
)


@dataclass(frozen=True)
class Question:
    """A request and, if there is one, its only right response.

    Attributes:
        extra: further settings.
        own: the text of every token of the response, if the worker is scripted.
    """

    prefix: str
    suffix: str = ""
    extra: dict[str, Any] | None = None
    own: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        return self.extra or {}

    def is_stale(self, middle: str) -> bool:
        """Return whether a middle contains another request's tokens."""
        return self.own is not None and middle.replace(self.own, "") != ""


def long(engine: str, number: int, chance: random.Random) -> Question:
    """Return a request that takes seconds unless it is stopped: in prefill, or in decode."""
    own = f"<{number}>"
    if engine == SCRIPTED:
        script = chance.choice(("slow 0.01", "slow 0.03", "read 5", "slow 0.002"))
        return Question(script, own, own=own)
    prefix, suffix = chance.choice(REAL_PROMPTS)
    extra = {"max_length": 512, "temperature": 3.0, "seed": number}
    return Question(prefix * chance.choice((1, 1, 20)), suffix, extra)


def short(engine: str, number: int) -> Question:
    """Return a request with a known response: greedy, or an echo."""
    if engine == SCRIPTED:
        own = f"<short {number}>"
        return Question("echo", own, own=own)
    prefix, suffix = REAL_PROMPTS[number % len(REAL_PROMPTS)]
    return Question(prefix, suffix, {"max_length": 96})
