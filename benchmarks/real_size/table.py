"""The measurements as results.tsv, and as the table of docs/sizing.md."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from benchmarks.real_size.rows import KINDS, LLAMA_CPP, Kind

HERE = Path(__file__).parent
RESULTS = HERE / "results.tsv"
DOCS = HERE.parent.parent / "docs" / "sizing.md"
BEGIN, END = "<!-- real-size -->\n", "<!-- /real-size -->\n"
HEAD = (
    "| engine, precision | runs in | ready after | peak memory (told before) | first token: 22, 200 tokens | "
    "tokens/s | of llama.cpp's | engine free after a stop |\n|---|---|---|---|---|---|---|---|\n"
)


@dataclass(frozen=True)
class Measured:
    """One run of a row; None if it could not be measured.

    Attributes:
        engine, dtype, limit_gb: of the row.
        settled: the precision that "auto" resolved to.
        ready_s: from the start of the page to its being ready; llama.cpp's from the start of its process.
        peak_gb: peak resident memory of the model's process.
        compilers_gb: peak memory of all processes that it started.
        needs_gb: the playground's estimate before it loads.
        first_short_s, first_long_s: to the first token of 22 and of 200 tokens, medians.
        tokens_per_s: of the others, median.
        stop_s: until the engine was free after a stop during a prefill of 900 tokens.
        failed: why it did not complete; empty if it did.
    """

    engine: str
    dtype: str
    limit_gb: int | None
    settled: str = ""
    ready_s: float | None = None
    peak_gb: float | None = None
    compilers_gb: float | None = None
    needs_gb: float | None = None
    first_short_s: float | None = None
    first_long_s: float | None = None
    tokens_per_s: float | None = None
    stop_s: float | None = None
    failed: str = ""


NUMBERS = [one.name for one in fields(Measured) if "float" in str(one.type)]


def write(measured: Iterable[Measured], path: Path = RESULTS) -> None:
    """Write all runs."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(
            file, [one.name for one in fields(Measured)], delimiter="\t", lineterminator="\n"
        )
        rows.writeheader()
        for one in measured:
            values = asdict(one)
            for name in NUMBERS:
                values[name] = "" if values[name] is None else f"{values[name]:.3f}"
            rows.writerow(values)


def keep(measured: Sequence[Measured], path: Path = RESULTS) -> None:
    """Write runs, replacing earlier ones of the same rows."""
    rows = {_row_of(one) for one in measured}
    write([*(one for one in read(path) if _row_of(one) not in rows), *measured], path)


def read(path: Path = RESULTS) -> list[Measured]:
    """Return all saved runs."""
    measured = []
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            numbers: dict[str, Any] = {
                name: float(row[name]) if row[name] else None for name in NUMBERS
            }
            limit = int(row["limit_gb"]) if row["limit_gb"] else None
            named = (row["engine"], row["dtype"], limit, row["settled"])
            measured.append(Measured(*named, failed=row["failed"], **numbers))
    return measured


def rendered(measured: Sequence[Measured]) -> str:
    """Return the table, a row for each kind that was run."""
    lines = []
    for kind in KINDS:
        mine = _of(measured, kind.engine, kind.dtype, kind.limit_gb)
        if mine:
            beside = _of(measured, LLAMA_CPP, kind.beside, None) if kind.beside else []
            lines.append(_row(kind, mine, beside))
    if not lines:
        return "No run has been kept yet.\n"
    return HEAD + "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def into_docs(table: str, path: Path = DOCS) -> None:
    """Replace the table in docs/sizing.md."""
    text = path.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    path.write_text(f"{head}{BEGIN}{table}{END}{rest.split(END)[1]}", encoding="utf-8")


def _row_of(one: Measured) -> tuple[str, str, int | None]:
    return one.engine, one.dtype, one.limit_gb


def _of(
    measured: Sequence[Measured], engine: str, dtype: str, limit_gb: int | None
) -> list[Measured]:
    return [one for one in measured if _row_of(one) == (engine, dtype, limit_gb)]


def _row(kind: Kind, mine: Sequence[Measured], beside: Sequence[Measured]) -> list[str]:
    settled = {one.settled for one in mine} - {kind.dtype, ""}
    name = f"{kind.engine} {kind.dtype}" + (f" ({', '.join(sorted(settled))})" if settled else "")
    where = f"{kind.limit_gb} GB" if kind.limit_gb else "all"
    failed = [one.failed for one in mine if one.failed]
    if failed:
        return [name, where, failed[0], *[""] * 5]
    peak, needs = _median(mine, "peak_gb"), _median(mine, "needs_gb")
    speed, theirs = _median(mine, "tokens_per_s"), _median(beside, "tokens_per_s")
    return [
        name,
        where,
        _cell(_median(mine, "ready_s"), "{:.0f} s"),
        _cell(peak, "{:.1f} GB") + _cell(needs, " ({:.1f})"),
        f"{_cell(_median(mine, 'first_short_s'), '{:.2f}')}, "
        f"{_cell(_median(mine, 'first_long_s'), '{:.1f} s')}",
        _cell(speed, "{:.1f}"),
        _cell(speed / theirs if speed and theirs else None, "{:.2f}"),
        _cell(_median(mine, "stop_s"), "{:.1f} s"),
    ]


def _median(runs: Sequence[Measured], name: str) -> float | None:
    values = [value for one in runs if (value := getattr(one, name)) is not None]
    return statistics.median(values) if values else None


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
