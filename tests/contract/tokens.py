"""Greedy tokens of twenty prompts, from the bundled model on jax in float32."""

from __future__ import annotations

from typing import Any

from codegemma_ui import Playground

PROMPTS = (
    ("import ", '\n\nif __name__ == "__main__":\n    sys.exit(0)\n'),
    ("for row in range(1, 10):\n    for column in range(1, 10):\n        ", "\n    print()\n"),
    ('def fibonacci(n):\n    """Return the n-th number."""\n    ', "\n\nprint(fibonacci(10))\n"),
    ("class Point:\n    def __init__(self, x, y):\n        ", "\n        self.y = y\n"),
    ("def area(width, height):\n    return ", "\n"),
    ("with open(path) as ", ":\n    text = file.read()\n"),
    ("try:\n    value = int(text)\nexcept ", ":\n    value = 0\n"),
    ("names = [", " for person in people]\n"),
    (
        "def largest(values):\n    best = values[0]\n    for value in values:\n        ",
        "\n    return best\n",
    ),
    ("import json\n\ndef load(path):\n    with open(path) as file:\n        return ", "\n"),
    ("def is_even(n):\n    return ", "\n\nassert is_even(4)\n"),
    ("total = 0\nfor number in numbers:\n    ", "\nprint(total)\n"),
    ("from pathlib import ", '\n\nroot = Path(".")\n'),
    ("lines = text.splitlines()\nfor line in lines:\n    ", "\nprint(len(lines))\n"),
    ("if not values:\n    raise ", "\n"),
    ("def greet(name):\n    print(", ")\n\ngreet('Ada')\n"),
    ("x = 1\nwhile x < 100:\n    ", "\n    print(x)\n"),
    ("matrix = [[0] * ", " for _ in range(rows)]\n"),
    ("def test_sum():\n    assert ", "\n"),
    ("가격 = 1000\n수량 = 3\n합계 = ", "\nprint(합계)\n"),
)


LEAST_MARGIN_NATS = 0.02
"""Where two tokens are nearer to each other, another processor's rounding may prefer the other one."""


def greedy() -> list[dict[str, Any]]:
    """Return each prompt with the generated ids.

    Raises:
        ValueError: one of the prompts has tokens whose probabilities are too close to be recorded.
    """
    with Playground("bundled", backend="jax", dtype="float32") as playground:
        return [_written(playground, prefix, suffix) for prefix, suffix in PROMPTS]


def _written(playground: Playground, prefix: str, suffix: str) -> dict[str, Any]:
    result = playground.complete(prefix, suffix)
    for token in result.tokens:
        best, second, *_ = token.alternatives
        if best.logprob - second.logprob < LEAST_MARGIN_NATS:
            raise ValueError(f"{prefix!r}: {best} and {second} are too near to each other")
    return {
        "prefix": prefix,
        "suffix": suffix,
        "token_ids": list(result.token_ids or ()),
        "stop_reason": result.stop_reason,
    }
