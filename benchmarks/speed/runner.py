"""All subjects, round after round, one process at a time.

Rounds interleave: other load on the machine affects all subjects equally, and every figure is a median of
rounds. Every other round runs in reverse, so that a drift favours no subject.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.speed.conversation import last_line
from benchmarks.speed.plan import Plan
from benchmarks.speed.prompts import Prompts
from benchmarks.speed.subjects import Subject
from benchmarks.speed.visit import Setting, Visit, fill
from codegemma_ui.ipc.parent import environment

Say = Callable[[str], None]

_BANDWIDTH_LIMIT_S = 300


@dataclass(frozen=True)
class Bandwidth:
    """One round's measurement of the memory.

    Attributes:
        kind: "read" of main memory, or "copy" of a card's (bytes read and written).
        rates: `(array bytes, bytes per second)`; the first array is far larger than any cache.
    """

    kind: str
    rates: tuple[tuple[int, float], ...]

    @property
    def memory(self) -> float:
        """Return bytes per second, beyond the caches."""
        return self.rates[0][1]

    def at(self, size: int) -> float:
        """Return bytes per second of the array nearest in size to the weights, in bytes."""
        return min(self.rates, key=lambda rate: abs(rate[0] - size))[1]


@dataclass
class Run:
    """The measurements, complete or not.

    Attributes:
        visits: by round.
        bandwidths: by round; None where it could not be measured.
        interrupted: whether Ctrl+C ended it.
    """

    visits: list[list[Visit]] = field(default_factory=list)
    bandwidths: list[Bandwidth | None] = field(default_factory=list)
    interrupted: bool = False


def run(
    subjects: Sequence[Subject],
    setting: Setting,
    plan: Plan,
    rounds: int,
    prompts: Prompts,
    parameters: int | None,
    say: Say,
) -> Run:
    """Measure all subjects.

    Args:
        subjects: in order.
        setting: the same for all.
        plan: of one visit.
        rounds: number of visits to each. One that has failed is not visited again.
        prompts: of the model's vocabulary.
        parameters: of the model, if known: the bandwidth is measured at its weights' sizes too.
        say: takes a line of progress.

    Returns:
        The run; after Ctrl+C the part so far.
    """
    result = Run()
    failed: set[str] = set()
    try:
        for number in range(rounds):
            result.visits.append([])
            result.bandwidths.append(None)
            result.bandwidths[-1] = measure_bandwidth(setting, parameters, say)
            for subject in subjects if number % 2 == 0 else reversed(subjects):
                if subject.name in failed:
                    continue
                made = Visit(subject)
                result.visits[-1].append(made)
                fill(made, setting, plan, prompts)
                say(f"round {number + 1}/{rounds}  {subject.name:<30}{_summary(made)}")
                if made.error is not None:
                    failed.add(subject.name)
    except KeyboardInterrupt:
        result.interrupted = True
    return result


def measure_bandwidth(setting: Setting, parameters: int | None, say: Say) -> Bandwidth | None:
    """Measure in a separate process; None, with a line of progress that says why, if it fails."""
    if setting.device == "cuda":
        python = setting.pythons.get("torch", sys.executable)
        command = [python, "-m", "benchmarks.speed.engine.copy_bandwidth"]
    else:
        threads = str(setting.threads)
        command = [sys.executable, "-m", "benchmarks.speed.pinned", threads]
        command += ["benchmarks.speed.bandwidth", "--threads", threads]
        for width in (4, 2) if parameters else ():
            command += ["--bytes", str(width * (parameters or 0))]
    try:
        done = subprocess.run(
            command,
            # It has its own threads: a library's would be added to them.
            env=environment() | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=_BANDWIDTH_LIMIT_S,
        )
        ((kind, rates),) = json.loads(done.stdout).items()
    except ValueError:
        say(f"the memory's bandwidth could not be measured: {last_line(done.stderr)}")
        return None
    except (OSError, subprocess.SubprocessError) as error:
        say(f"the memory's bandwidth could not be measured: {error}")
        return None
    return Bandwidth(kind, tuple((int(size), float(rate)) for size, rate in rates))


def _summary(made: Visit) -> str:
    if made.error is not None:
        return made.error
    speeds = [sample.tokens_per_s for sample in made.samples if sample.time]
    fastest = max((speed for speed in speeds if speed is not None), default=None)
    if fastest is not None:
        return f"up in {made.start_s:.1f} s, {fastest:,.0f} tokens/s at best"
    return f"up in {made.start_s:.1f} s, {len(made.typed)} keystrokes"
