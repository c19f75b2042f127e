"""Examples: loading one fills the editors and starts nothing. Pure.

The quickstart and the multiplication table are Google's own
(https://ai.google.dev/gemma/docs/codegemma/keras_quickstart). Those that the bundled model fills in well come
first; those where a model of its size fails come last, and their titles say so.
"""

from __future__ import annotations

from dataclasses import dataclass

from codegemma_ui import fim
from codegemma_ui.ui.strings import Language, text


@dataclass(frozen=True, kw_only=True)
class Example:
    """One pair of texts around a cursor, byte for byte.

    Attributes:
        key: `example_<key>` names it in `strings`.
        language: of the highlighting, a name that `gr.Code` knows.
        ending: how its lines end, "LF" or "CRLF"; `prefix` and `suffix` hold LF.
        hard: whether a small model fails with it.
        codegemma: what CodeGemma 2B answered in Google's tutorial of April 2024; empty if it is not in there.
    """

    key: str
    prefix: str = ""
    suffix: str = ""
    language: str = "python"
    ending: str = "LF"
    hard: bool = False
    codegemma: str = ""

    def title(self, language: Language) -> str:
        """Return its title in the list, with a warning if a small model fails with it."""
        title = text(f"example_{self.key}", language)
        return text("example_hard", language, title=title) if self.hard else title


EXAMPLES = (
    Example(
        key="quickstart",
        prefix="import ",
        suffix='if __name__ == "__main__":\n    sys.exit(0)',
        codegemma=f"sys\n{fim.FILE_SEPARATOR}",
    ),
    Example(
        key="table",
        prefix=(
            "\ndef multiplication_table(n: int) -> None:\n"
            '    """Print n times 1 to n times 9."""\n    for i in '
        ),
        suffix=":\n        print(n, 'x', i, '=', n * i)\n\nmultiplication_table(7)\n\n",
        codegemma='for j in range(1, 10):\n    print(f"{i} x {j} = {i * j}")\nprint()',
    ),
    Example(
        key="loop",
        prefix=(
            'def mean(values):\n    """Return the average of the values."""\n'
            "    total = 0\n    for value in values:\n        "
        ),
        suffix="\n    return total / len(values)\n",
    ),
    Example(
        key="condition",
        prefix=(
            "def largest(numbers):\n    best = numbers[0]\n    for number in numbers[1:]:\n        if "
        ),
        suffix=":\n            best = number\n    return best\n",
    ),
    Example(
        key="attribute",
        prefix=(
            "class Timer:\n    def __init__(self, seconds, name):\n        self.seconds = seconds\n"
        ),
        suffix=(
            '\n    def describe(self):\n        return f"{self.name} rings in {self.seconds} s"\n'
        ),
    ),
    Example(
        key="filter",
        prefix=(
            "def even_numbers(numbers):\n    result = []\n    for number in numbers:\n"
            "        if number % 2 == 0:\n"
        ),
        suffix="    return result\n",
    ),
    Example(
        key="exception",
        prefix=(
            'def parse_number(text):\n    """Return the number in a text, or None."""\n'
            "    try:\n        return int(text)\n    except "
        ),
        suffix=":\n        return None\n",
    ),
    Example(
        key="parser",
        prefix="import argparse\n\n\ndef main():\n    parser = ",
        suffix=(
            '\n    parser.add_argument("path")\n    arguments = parser.parse_args()\n'
            "    print(arguments.path)\n"
        ),
    ),
    Example(
        key="empty_prefix",
        suffix="\n\nprint(math.sqrt(2))\n",
    ),
    Example(
        key="empty_suffix",
        prefix='def is_even(number):\n    """Tell whether a number is even."""\n    return ',
        hard=True,
    ),
    Example(
        key="docstring",
        prefix='def add(a, b):\n    """',
        suffix='"""\n    return a + b\n',
        hard=True,
    ),
    Example(
        key="body",
        prefix='def count_words(text):\n    """Return how often each word occurs in a text."""\n',
        suffix="    return counts\n\n\nprint(count_words('to be or not to be'))\n",
        hard=True,
    ),
    Example(
        key="javascript",
        prefix="function largest(numbers) {\n  let best = numbers[0];\n  for (const number of numbers) {\n",
        suffix="\n  }\n  return best;\n}\n",
        language="javascript",
        hard=True,
    ),
)


def by_key(key: str) -> Example:
    """Return the example of a key.

    Raises:
        KeyError: there is none.
    """
    return {example.key: example for example in EXAMPLES}[key]
