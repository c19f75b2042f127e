"""What the bundled model can do, and what each precision costs it, as measured. Pure.

The figures apply to the bundled model only and must be shown as such: no other model was measured.
`training/precisions.py` and `training/figures.py` write the files that are read here.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from codegemma_ui.presets import BUNDLED_FOLDER

FILE = BUNDLED_FOLDER / "precisions.json"
HELD_OUT = BUNDLED_FOLDER / "figures.json"


@dataclass(frozen=True)
class Quality:
    """Quality of one precision on one backend.

    Attributes:
        exact_match: share of `tasks` held-out line remainders that greedy decoding reproduces exactly, from 0
            to 1.
        perplexity: of these remainders' tokens and the token that ends each, under teacher forcing: e to the
            mean surprisal in nats; 1 is the best.
        tasks: number of tasks.
    """

    exact_match: float
    perplexity: float
    tasks: int


def of(dtype: str, backend: str | None = None) -> Quality | None:
    """Return the bundled model's quality in a precision, or None if not measured.

    Args:
        dtype: "float32", "bfloat16", "float16", "int8" or "int4".
        backend: selects its own figures if its products in that precision differ; else any backend's.
    """
    measured = _measured()
    if (backend, dtype) in measured:
        return measured[backend, dtype]
    return next((one for (_, other), one in measured.items() if other == dtype), None)


def exact_match(kind: str) -> float:
    """Return the share of held-out holes that the bundled model fills in exactly.

    Args:
        kind: "single_line", "rest_of_line", "multi_line" or "random_span".
    """
    share: float = _held_out()[kind]["model"]["exact_match"]
    return share


def by_precision(dtypes: Iterable[str], backend: str | None = None) -> dict[str, Quality]:
    """Return the quality for several precisions, without unmeasured ones."""
    found = {dtype: of(dtype, backend) for dtype in dtypes}
    return {dtype: one for dtype, one in found.items() if one is not None}


def figures(qualities: Mapping[str, Quality]) -> str:
    """Format exact match and perplexity: `float32 16.6%, 5.31 · int8 16.0%, 5.32`."""
    return " · ".join(
        f"{dtype} {one.exact_match:.1%}, {one.perplexity:.2f}" for dtype, one in qualities.items()
    )


def line(qualities: Mapping[str, Quality]) -> str:
    """Format the same as a line of CLI output, naming the measured model."""
    tasks = next(iter(qualities.values())).tasks
    return (
        f"of the bundled model alone, exact match and perplexity on {tasks} held-out holes: "
        f"{figures(qualities)}"
    )


@functools.cache
def _held_out() -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(HELD_OUT.read_bytes())
    return figures


@functools.cache
def _measured() -> dict[tuple[str | None, str], Quality]:
    report: dict[str, Any] = json.loads(FILE.read_bytes())
    tasks = report["tasks"]
    return {
        (row["backend"], row["dtype"]): Quality(row["exact"] / tasks, row["perplexity"], tasks)
        for row in report["measured"]
    }
