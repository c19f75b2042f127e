"""Things to try: loading one fills the editors and starts nothing. Pure.

The quickstart and the multiplication table are Google's own
(https://ai.google.dev/gemma/docs/codegemma/keras_quickstart).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Example:
    """One pair of texts around a cursor, byte for byte.

    Attributes:
        key: `example_<key>` names it in `strings`.
        language: of the highlighting, a name that `gr.Code` knows.
        ending: how its lines end, "LF" or "CRLF"; `prefix` and `suffix` hold LF.
    """

    key: str
    prefix: str = ""
    suffix: str = ""
    language: str = "python"
    ending: str = "LF"


EXAMPLES = (
    Example(
        key="quickstart",
        prefix="import ",
        suffix='if __name__ == "__main__":\n    sys.exit(0)',
    ),
    Example(
        key="table",
        prefix=(
            "\ndef multiplication_table(n: int) -> None:\n"
            '    """Print n times 1 to n times 9."""\n    for i in '
        ),
        suffix=":\n        print(n, 'x', i, '=', n * i)\n\nmultiplication_table(7)\n\n",
    ),
    Example(
        key="empty_prefix",
        suffix="\n\nprint(math.sqrt(2))\n",
    ),
    Example(
        key="empty_suffix",
        prefix='def is_even(number):\n    """Tell whether a number is even."""\n    return ',
    ),
    Example(
        key="docstring",
        prefix='def add(a, b):\n    """',
        suffix='"""\n    return a + b\n',
    ),
    Example(
        key="body",
        prefix='def count_words(text):\n    """Return how often each word occurs in a text."""\n',
        suffix="    return counts\n\n\nprint(count_words('to be or not to be'))\n",
    ),
    Example(
        key="javascript",
        prefix="function largest(numbers) {\n  let best = numbers[0];\n  for (const number of numbers) {\n",
        suffix="\n  }\n  return best;\n}\n",
        language="javascript",
    ),
)


def by_key(key: str) -> Example:
    """The example of a key.

    Raises:
        KeyError: if there is none.
    """
    return {example.key: example for example in EXAMPLES}[key]
