"""Inputs of the simulation: measured or estimated engines, and two usage patterns. Pure."""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sizing.cards import CARDS, most_tokens_per_second
from benchmarks.sizing.simulation import Engine
from codegemma_ui import presets

RESULTS = Path(__file__).parent.parent / "results.json"
DEFAULT = "engine-tensorflow-float32"
"""The default engine of a page."""

OF_THE_BOUND = 0.5
"""An assumption: the share of a card's bandwidth that decode reaches; the bound itself would be too
optimistic."""

FIRST_TOKEN_S = {"T4": 0.15, "L4": 0.1, "A100 80 GB": 0.05}
"""Assumptions: seconds of prefill of 200 tokens with a 2B; a 7B takes 3.4 times as long."""

ALONE = Engine()

BATCH = Engine(together=8, gain=4.0)
"""An assumption: eight requests together take twice as long as one alone."""


@dataclass(frozen=True)
class Kind:
    """An engine, as named in the table.

    Attributes:
        source: "measured" or "estimated".
        first_s: seconds to the first token, with a prompt of 200 tokens.
        tokens_per_s: from then on, for one request alone.
    """

    name: str
    source: str
    first_s: float
    tokens_per_s: float
    engine: Engine = ALONE


def bundled() -> Kind:
    """Return the bundled model on the two cores that `benchmarks/results.json` was measured on."""
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]
    (row,) = [row for row in rows if row["name"] == DEFAULT]
    first, rate = row["first_token_s"]["200"]["median"], row["tokens_per_s"]["median"]
    return Kind("bundled, 2 CPU cores", "measured", first, rate)


def estimated(preset: str, card: str, engine: Engine = ALONE) -> Kind:
    """Return a CodeGemma on a card, in half precision, estimated from the card's bandwidth; not measured."""
    model, place = presets.named(preset), next(one for one in CARDS if one.name == card)
    first = FIRST_TOKEN_S[card] * (3.4 if "7b" in preset else 1)
    rate = OF_THE_BOUND * most_tokens_per_second(model, "bfloat16", place)
    batch = f", {engine.together} together" if engine.together > 1 else ""
    return Kind(f"{model.label} on {card}{batch}", "estimated", first, rate, engine)


def kinds() -> tuple[Kind, ...]:
    """Return the engines in docs/sizing.md."""
    return (
        bundled(),
        estimated("code_gemma_2b_en", "T4"),
        estimated("code_gemma_2b_en", "L4"),
        estimated("code_gemma_2b_en", "L4", BATCH),
        estimated("code_gemma_2b_en", "A100 80 GB"),
        estimated("code_gemma_7b_en", "A100 80 GB"),
    )


@dataclass(frozen=True)
class Habit:
    """A usage pattern. Both figures are assumptions, with a log-normal distribution.

    Attributes:
        think_s: mean seconds from a response to the next request.
        tokens: mean tokens of a completion.
    """

    name: str
    think_s: float
    tokens: float

    def think(self, chance: random.Random) -> float:
        return _log_normal(chance, self.think_s, spread=1.0)

    def work(self, kind: Kind, chance: random.Random) -> float:
        """Return the seconds that a request takes alone."""
        tokens = max(1, round(_log_normal(chance, self.tokens, spread=0.7)))
        return kind.first_s + (tokens - 1) / kind.tokens_per_s


HABITS = (Habit("page", think_s=20.0, tokens=24.0), Habit("editor", think_s=4.0, tokens=16.0))
"""A user of the page who presses Ctrl+Enter and reads; and an editor that requests at every pause."""


def _log_normal(chance: random.Random, mean: float, spread: float) -> float:
    return chance.lognormvariate(math.log(mean) - spread**2 / 2, spread)
