"""What is asked in scenarios, so that the same scenario runs over the scripted worker and the real engine."""

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
    """A request and, where it has one, its only right answer.

    Attributes:
        extra: further settings.
        own: what every token of the answer reads, where the worker is scripted.
    """

    prefix: str
    suffix: str = ""
    extra: dict[str, Any] | None = None
    own: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        return self.extra or {}

    def is_stale(self, middle: str) -> bool:
        """Return whether something in a middle is another request's."""
        return self.own is not None and middle.replace(self.own, "") != ""


def long(engine: str, number: int, chance: random.Random) -> Question:
    """One that goes on for seconds unless it is stopped: reading, or writing."""
    own = f"<{number}>"
    if engine == SCRIPTED:
        script = chance.choice(("slow 0.01", "slow 0.03", "read 5", "slow 0.002"))
        return Question(script, own, own=own)
    prefix, suffix = chance.choice(REAL_PROMPTS)
    extra = {"max_length": 512, "temperature": 3.0, "seed": number}
    return Question(prefix * chance.choice((1, 1, 20)), suffix, extra)


def short(engine: str, number: int) -> Question:
    """One with a known answer: greedy, or an echo."""
    if engine == SCRIPTED:
        own = f"<short {number}>"
        return Question("echo", own, own=own)
    prefix, suffix = REAL_PROMPTS[number % len(REAL_PROMPTS)]
    return Question(prefix, suffix, {"max_length": 96})
