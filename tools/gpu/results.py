"""The results of a call, kept after each step, so that the next call goes on where this one ended."""

from __future__ import annotations

import json
import re
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

Figures = Mapping[str, float | int | str | bool | None]
"""Figures of a step, by name; each name ends in its unit, where it has one: `decode_tok_s`, `peak_gb`."""

CALL_S = 520.0
"""Seconds that a call may take: commands on a rented card end after ten minutes, and transfers count too."""


class Results:
    """The results of one call, in a JSON file: step -> its figures, or `{"error": ...}`.

    The file is `NAME-20261130T141500Z.json`, with the time of its call (UTC), so that no call overwrites what
    another has found, wherever their files are gathered.

    Args:
        folder: where the file goes. What earlier calls of this name have left there is not done again, except
            steps that failed or were not right.
        name: what was measured, such as "speed-2b-jax-bfloat16".
        seconds: time of this call, from now.
        before: another folder with files of earlier calls, or None.

    Attributes:
        path: this call's file; it exists once a step has run.
        steps: step -> figures, of all calls.
        lacking: steps that failed in this call, or were put off.
    """

    def __init__(
        self, folder: Path, name: str, seconds: float = CALL_S, before: Path | None = None
    ) -> None:
        self._ends = time.monotonic() + seconds
        self.steps: dict[str, dict[str, float | int | str | bool | None]] = {}
        self.lacking: list[str] = []
        self._of_this_call: set[str] = set()
        earlier = [*_files(before, name), *_files(folder, name)] if before else _files(folder, name)
        for path in sorted(earlier, key=lambda one: one.name):
            self.steps |= json.loads(path.read_text(encoding="utf-8"))
        taken, begun = {path.name for path in earlier}, datetime.now(UTC)
        while (file := f"{name}-{begun:%Y%m%dT%H%M%SZ}.json") in taken:
            begun += timedelta(seconds=1)
        self.path = folder / file

    @property
    def left_s(self) -> float:
        """Seconds left of this call."""
        return self._ends - time.monotonic()

    def done(self, step: str) -> bool:
        """Return whether a step has been run without an error, and is not known to be wrong."""
        figures = self.steps.get(step, {"error": None})
        return "error" not in figures and figures.get("right") is not False

    def run(
        self, step: str, work: Callable[[], Figures], needs_s: float = 0.0, *, anew: bool = False
    ) -> None:
        """Run a step, unless it is done or less time is left than it needs; keep and print its figures.

        Args:
            step: its name, unique in this file.
            work: returns its figures. What it raises is kept as the step's error, and printed.
            needs_s: seconds that it takes, estimated generously.
            anew: run it in each call, such as a measurement of the card that the others are compared with.
        """
        if self.done(step) and not anew:
            return
        if self.left_s < needs_s:
            self.lacking.append(step)
            print(f"{step}: put off, {self.left_s:.0f} s left of {needs_s:.0f} needed", flush=True)
            return
        begun = time.monotonic()
        try:
            figures = dict(work())
        except Exception as error:  # kept as a result: the other steps go on
            traceback.print_exc()
            figures = {"error": f"{type(error).__name__}: {error}"[:500]}
            self.lacking.append(step)
        figures["took_s"] = round(time.monotonic() - begun, 1)
        self.steps[step] = figures
        self._of_this_call.add(step)
        self._write()
        for name, value in figures.items():
            text = f"{value:,.4g}" if isinstance(value, float) else value
            print(f"{step}: {name} {text}", flush=True)

    def _write(self) -> None:
        own = {step: self.steps[step] for step in self.steps if step in self._of_this_call}
        part = self.path.with_suffix(".part")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(own, indent=1) + "\n", encoding="utf-8")
        part.replace(self.path)


def _files(folder: Path, name: str) -> list[Path]:
    """Return the files of the calls of a name."""
    named = re.compile(re.escape(name) + r"-\d{8}T\d{6}Z\.json")
    return [path for path in folder.glob("*.json") if named.fullmatch(path.name)]
