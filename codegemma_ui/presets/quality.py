"""What each precision costs in quality, as measured with the bundled model. Pure.

The figures are the bundled model's alone, and whoever shows them says so: nobody has measured another's here.
`training/precisions.py` makes the file that is read.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from codegemma_ui.presets import BUNDLED_FOLDER

FILE = BUNDLED_FOLDER / "precisions.json"


@dataclass(frozen=True)
class Quality:
    """One precision on one backend.

    Attributes:
        exact_match: the share of `tasks` held-out rests of a line that greedy decoding fills in as they stood
            there, from 0 to 1.
        perplexity: of the tokens of these rests and of the token that ends each, under teacher forcing: e to
            the mean surprisal in nats; 1 is the best.
        tasks: how many there were.
    """

    exact_match: float
    perplexity: float
    tasks: int


def of(dtype: str, backend: str | None = None) -> Quality | None:
    """The bundled model's quality in a precision; None where it was not measured.

    Args:
        dtype: "float32", "bfloat16", "float16", "int8" or "int4".
        backend: where its products of that precision are its own, these were measured; else any backend's.
    """
    measured = _measured()
    if (backend, dtype) in measured:
        return measured[backend, dtype]
    return next((one for (_, other), one in measured.items() if other == dtype), None)


def by_precision(dtypes: Iterable[str], backend: str | None = None) -> dict[str, Quality]:
    """The same for several precisions, without those that were not measured."""
    found = {dtype: of(dtype, backend) for dtype in dtypes}
    return {dtype: one for dtype, one in found.items() if one is not None}


def figures(qualities: Mapping[str, Quality]) -> str:
    """Exact match and perplexity as a person reads them: `float32 16.6%, 5.31 · int8 16.0%, 5.32`."""
    return " · ".join(
        f"{dtype} {one.exact_match:.1%}, {one.perplexity:.2f}" for dtype, one in qualities.items()
    )


def line(qualities: Mapping[str, Quality]) -> str:
    """The same as a line of a shell, which says whose figures they are."""
    tasks = next(iter(qualities.values())).tasks
    return (
        f"of the bundled model alone, exact match and perplexity on {tasks} held-out holes: "
        f"{figures(qualities)}"
    )


@functools.cache
def _measured() -> dict[tuple[str | None, str], Quality]:
    report: dict[str, Any] = json.loads(FILE.read_bytes())
    tasks = report["tasks"]
    return {
        (row["backend"], row["dtype"]): Quality(row["exact"] / tasks, row["perplexity"], tasks)
        for row in report["measured"]
    }
