"""Run all simulations, and write results.tsv and plot.png here: `python -m benchmarks.sizing`.

`--first-token 0.1 --rate 30` simulates an engine of your own instead, and prints its table.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from benchmarks.sizing.engines import HABITS, Habit, Kind, kinds
from benchmarks.sizing.simulation import Engine, percentile, run

HERE = Path(__file__).parent
COLUMNS = (
    *("engine", "source", "first_token_s", "tokens_per_s", "together", "gain", "habit", "think_s"),
    *(
        "tokens",
        "replicas",
        "visitors",
        "busy",
        "wait_p50_s",
        "wait_p95_s",
        "whole_p50_s",
        "whole_p95_s",
    ),
)
REPLICAS = (1, 2, 4)
VISITORS = (
    *(1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 27, 33, 40, 50, 60, 75, 90, 110, 135, 165, 200, 250),
    *(300, 370, 450, 550, 680, 830, 1000, 1200),
)
REQUESTS = 6000
PATIENCE_S = 1.0
"""The longest acceptable wait in the queue for 95 of 100 requests."""

HOPELESS_S = 20.0
"""A wait beyond which more visitors are not simulated."""

Row = dict[str, str]


def simulate(kind: Kind, habit: Habit, replicas: int, visitors: int) -> Row:
    """Simulate one row of the table."""
    outcome = run(
        kind.engine,
        replicas,
        lambda chance: habit.work(kind, chance),
        requests=REQUESTS,
        seed=replicas * 10_000 + visitors,
        visitors=visitors,
        think=habit.think,
    )
    waits = [one.wait for one in outcome.served]
    wholes = [one.whole for one in outcome.served]
    values = (
        *(kind.name, kind.source, f"{kind.first_s:.4f}", f"{kind.tokens_per_s:.1f}"),
        *(str(kind.engine.together), f"{kind.engine.gain:g}", habit.name, f"{habit.think_s:g}"),
        *(f"{habit.tokens:g}", str(replicas), str(visitors), f"{outcome.busy:.3f}"),
        *(f"{percentile(times, share):.3f}" for times in (waits, wholes) for share in (0.5, 0.95)),
    )
    return dict(zip(COLUMNS, values, strict=True))


def table(kind: Kind) -> Iterator[Row]:
    """Yield the rows of an engine, until the wait exceeds `HOPELESS_S`."""
    for habit in HABITS:
        for replicas in REPLICAS:
            for visitors in VISITORS:
                if visitors >= replicas:
                    row = simulate(kind, habit, replicas, visitors)
                    yield row
                    if float(row["wait_p95_s"]) > HOPELESS_S:
                        break


def most_visitors(rows: list[Row], engine: str, habit: str, replicas: int) -> int:
    """Return the most visitors with 95 of 100 requests begun within `PATIENCE_S`; 0 for none."""
    asked = {"engine": engine, "habit": habit, "replicas": str(replicas)}
    mine = [row for row in rows if asked.items() <= row.items()]
    return max(
        (int(row["visitors"]) for row in mine if float(row["wait_p95_s"]) <= PATIENCE_S), default=0
    )


def read() -> list[Row]:
    """Return the rows of results.tsv."""
    with (HERE / "results.tsv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.sizing")
    parser.add_argument(
        "--first-token", type=float, metavar="S", help="seconds, alone, 200 tokens in"
    )
    parser.add_argument("--rate", type=float, metavar="N", help="tokens a second after it, alone")
    parser.add_argument("--together", type=int, default=1, help="requests served at a time; 1")
    parser.add_argument(
        "--gain", type=float, default=1.0, help="work a second with all of these; 1"
    )
    given = parser.parse_args()
    own = (given.first_token, given.rate)
    if (None in own) == any(own) or not all(one is None or one > 0 for one in own):
        parser.error("--first-token and --rate must be numbers above 0, both or neither.")
    if given.together < 1 or not 1 <= given.gain <= given.together:
        parser.error("--gain must be from 1 to --together, and that 1 or more.")
    chosen = kinds()
    if given.rate:
        chosen = (Kind("yours", "given", *own, Engine(given.together, given.gain)),)
    rows: list[Row] = []
    for kind in chosen:
        rows += table(kind)
        for habit in HABITS:
            most = [most_visitors(rows, kind.name, habit.name, replicas) for replicas in REPLICAS]
            told = ", ".join(f"{n} by {k}" for n, k in zip(most, REPLICAS, strict=True))
            print(f"{kind.name}, {habit.name}: visitors {told}", file=sys.stderr, flush=True)
    if given.rate:
        _write(rows, sys.stdout)
        return
    with (HERE / "results.tsv").open("w", newline="", encoding="utf-8") as file:
        _write(rows, file)
    from benchmarks.sizing import plot

    plot.draw(rows, HERE / "plot.png")


def _write(rows: list[Row], file: TextIO) -> None:
    writer = csv.DictWriter(file, COLUMNS, delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


if __name__ == "__main__":
    main()
