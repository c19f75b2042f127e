"""Six short lessons, each a state of the page, and programs for the quiz. Pure.

The statements of a lesson hold for the bundled model, greedy, in float32:
`tests/ui/test_lessons_for_real.py` checks them. The texts are in `strings`: `lesson_<key>` is a lesson's
title, `lesson_<key>_says` its text, and `lesson_<key>_<try>` the name of a variation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from codegemma_ui import fim
from codegemma_ui.fim import DEFAULT_MAX_LENGTH
from codegemma_ui.ui.examples import by_key as example


@dataclass(frozen=True, kw_only=True)
class State:
    """The state that a lesson sets; everything else returns to its default.

    Attributes:
        prefix, suffix: the two editors, with LF.
        max_length: in tokens.
        path, files: the context before the prefix.
    """

    prefix: str = ""
    suffix: str = ""
    max_length: int = DEFAULT_MAX_LENGTH
    layout: fim.Layout = "psm"
    path: str = ""
    files: tuple[fim.File, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One lesson.

    Attributes:
        tab: the tab it refers to: "program", "raw_prompt" or a view.
        tries: variations of the same hole, by name.
    """

    key: str
    tab: str
    state: State
    tries: Mapping[str, State] = field(default_factory=dict)


_QUICKSTART = example("quickstart")
_TABLE = example("table")
_LARGEST = example("condition")
_IMPORT = State(prefix="import ", suffix="\n\nprint(math.sqrt(2))\n")
_LOOP = State(
    prefix="def total_price(values):\n    total = 0\n    for value in ",
    suffix=":\n        total += value\n    return total\n",
)
_PLAYER = fim.File(
    "player.py",
    "class Player:\n    def __init__(self, name, score):\n"
    "        self.name = name\n        self.score = score\n",
)
_TEAM = State(
    prefix="class Team:\n    def __init__(self, name, ",
    suffix="):\n        self.name = name\n",
    path="team.py",
    files=(_PLAYER,),
)

LESSONS = (
    Lesson(
        key="fim",
        tab="program",
        state=State(prefix=_QUICKSTART.prefix, suffix=_QUICKSTART.suffix),
    ),
    Lesson(
        key="anatomy",
        tab="xray",
        state=State(prefix=_QUICKSTART.prefix, suffix=_QUICKSTART.suffix),
        tries={
            "spm": State(prefix=_QUICKSTART.prefix, suffix=_QUICKSTART.suffix, layout="spm"),
        },
    ),
    Lesson(
        key="suffix",
        tab="tokens",
        state=_IMPORT,
        tries={
            "other": replace(_IMPORT, suffix="\n\ndef roll():\n    return random.randint(1, 6)\n"),
            "none": replace(_IMPORT, suffix=""),
        },
    ),
    Lesson(
        key="boundaries",
        tab="tokens",
        state=_LOOP,
        tries={
            "no_space": replace(_LOOP, prefix=_LOOP.prefix.rstrip(" ")),
            "whole_text": replace(_LOOP, layout="ltr"),
            # What is missing stands after the name, so that the moved cursor has something to fill in.
            "inside": State(prefix=f"{_LARGEST.prefix}num", suffix=f"ber{_LARGEST.suffix}"),
        },
    ),
    Lesson(
        key="stopping",
        tab="tokens",
        state=State(prefix=_TABLE.prefix, suffix=_TABLE.suffix),
        tries={
            "none": State(prefix=_TABLE.prefix),
            # At every max_length and in both orders; `stop_on_repetition` does not take it for a repetition.
            "endless": State(
                prefix="NUMBERS = [\n    1,\n    2,\n    3,\n    4,\n    5,\n",
                suffix="]\n\nprint(sum(NUMBERS))\n",
            ),
        },
    ),
    Lesson(
        key="files",
        tab="raw_prompt",
        state=_TEAM,
        tries={"alone": replace(_TEAM, path="", files=())},
    ),
)

PROGRAMS = (
    'def largest(numbers):\n    """Return the largest number."""\n    best = numbers[0]\n'
    "    for number in numbers[1:]:\n        if number > best:\n            best = number\n"
    "    return best\n\n\nprint(largest([3, 9, 4]))\n",
    "class Timer:\n    def __init__(self, seconds, name):\n        self.seconds = seconds\n"
    "        self.name = name\n\n    def describe(self):\n"
    '        return f"{self.name} rings in {self.seconds} s"\n\n\nprint(Timer(5, "Tea").describe())\n',
    "def gcd(a, b):\n    while b:\n        a, b = b, a % b\n    return a\n\n\nprint(gcd(12, 18))\n",
    'def even_numbers(numbers):\n    """Keep the even ones."""\n    result = []\n'
    "    for number in numbers:\n        if number % 2 == 0:\n            result.append(number)\n"
    "    return result\n\n\nprint(even_numbers(range(10)))\n",
)
"""Whole programs for the quiz."""


def by_key(key: str) -> Lesson:
    """Return the lesson of a key.

    Raises:
        KeyError: there is none.
    """
    return {lesson.key: lesson for lesson in LESSONS}[key]
