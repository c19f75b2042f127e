"""`python -m tools.reliability [SCENARIO ...]`: the full counts, and each figure with its limit."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from tools.reliability import (
    crashing,
    crowding,
    leaving,
    memory,
    sharing,
    stopping,
    together,
)
from tools.reliability.figures import Figure
from tools.reliability.served import REAL, SCRIPTED

SCENARIOS: dict[str, Callable[[str], list[Figure]]] = {
    "stop": stopping.measure,
    "leave": leaving.measure,
    "share": sharing.measure,
    "crash": crashing.measure,
    "orphans": crashing.measure_orphans,
    "crowd": crowding.measure,
    "memory": memory.measure,
    "together": together.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.reliability", description=__doc__)
    parser.add_argument("scenario", nargs="*", help=f"of {', '.join(SCENARIOS)}; default all")
    parser.add_argument(
        "--engine", choices=(SCRIPTED, REAL), help="a scripted worker or the bundled model; both"
    )
    given = parser.parse_args()
    unknown = set(given.scenario) - set(SCENARIOS)
    if unknown:
        parser.error(f"scenario must be one of {', '.join(SCENARIOS)}. Received: {unknown.pop()}")
    over = 0
    for name in given.scenario or SCENARIOS:
        for engine in [given.engine] if given.engine else (SCRIPTED, REAL):
            started = time.monotonic()
            for figure in SCENARIOS[name](engine):
                over += not figure.holds
                print(figure, flush=True)
            print(f"     {name} ({engine}) took {time.monotonic() - started:.0f} s", flush=True)
    sys.exit(1 if over else 0)


if __name__ == "__main__":
    main()
