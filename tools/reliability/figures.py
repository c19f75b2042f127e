"""A measured figure with its limit. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One row.

    Attributes:
        scenario: of the measurement.
        what: the measured quantity.
        value: in `unit`.
        most: the limit, in `unit`.
    """

    scenario: str
    what: str
    value: float
    most: float
    unit: str = ""

    @property
    def holds(self) -> bool:
        return self.value <= self.most

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        sign = "ok  " if self.holds else "OVER"
        return f"{sign} {self.scenario}: {self.what}: {self.value:.3g}{unit} (at most {self.most:g}{unit})"


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


def held(figures: Sequence[Figure], slack: float = 1.0) -> list[str]:
    """Return the figures above `slack` times their limit; none, if all is well."""
    return [str(figure) for figure in figures if figure.value > figure.most * slack]
