"""All subjects, round after round, one process at a time.

Rounds interleave: other load on the machine affects all subjects equally, and every figure is a median of
rounds. Every other round runs in reverse, so that a drift favours no subject. What a subject compiled in its
first visit is there in the others. Before and after each round the
same subject is asked the same, as a control: a round in which it ran at another speed is made again.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.speed import conversation
from benchmarks.speed.conversation import last_line
from benchmarks.speed.plan import Case, Plan
from benchmarks.speed.prompts import Prompts
from benchmarks.speed.subjects import Subject
from benchmarks.speed.visit import Setting, Visit, fill
from codegemma_ui.ipc.parent import environment

Say = Callable[[str], None]

_BANDWIDTH_LIMIT_S = 300

MOST_DRIFT = 0.1
"""The control's slowest and fastest visit may differ by this share of the median."""

CONTROL_TOKENS = 64
CONTROL_WARM = 8


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
        controls: by round: the control's tokens a second before and after it; empty where it failed.
        control: name of the control.
        dropped: visits of rounds that were left out and made again.
        interrupted: whether Ctrl+C ended it.
    """

    visits: list[list[Visit]] = field(default_factory=list)
    bandwidths: list[Bandwidth | None] = field(default_factory=list)
    controls: list[list[float]] = field(default_factory=list)
    control: str | None = None
    dropped: list[list[Visit]] = field(default_factory=list)
    interrupted: bool = False

    @property
    def drift(self) -> float:
        """How far the control's visits are apart, as a share of their median."""
        speeds = [speed for each in self.controls for speed in each]
        return (max(speeds) - min(speeds)) / statistics.median(speeds) if speeds else 0.0

    def drop_worst(self) -> None:
        """Leave out the round whose control is furthest from the median of all."""
        middle = statistics.median(speed for each in self.controls for speed in each)
        apart = [max((abs(s - middle) for s in each), default=0.0) for each in self.controls]
        worst = apart.index(max(apart))
        self.dropped.append(self.visits[worst])
        for rounds in (self.visits, self.bandwidths, self.controls):
            del rounds[worst]  # type: ignore[attr-defined]


def run(
    subjects: Sequence[Subject],
    setting: Setting,
    plan: Plan,
    rounds: int,
    prompts: Prompts,
    parameters: int | None,
    say: Say,
    again: int = 0,
) -> Run:
    """Measure all subjects.

    Args:
        subjects: in order.
        setting: the same for all.
        plan: of one visit.
        rounds: number of visits to each. One that has failed is not visited again.
        again: number of rounds that may be made again because the control drifted.
        prompts: of the model's vocabulary.
        parameters: of the model, if known: the bandwidth is measured at its weights' sizes too.
        say: takes a line of progress.

    Returns:
        The run; after Ctrl+C the part so far.
    """
    control = choose_control(subjects)
    result = Run(control=control.name if control else None)
    failed: set[str] = set()
    caches = contextlib.ExitStack()
    folder = Path(caches.enter_context(conversation.scratch_folder()))
    try:
        for number in range(most := rounds + again):
            result.visits.append([])
            result.bandwidths.append(None)
            result.controls.append([])
            result.bandwidths[-1] = measure_bandwidth(setting, parameters, say)
            if control:
                result.controls[-1] += _control(control, setting, plan, prompts)
            for subject in subjects if number % 2 == 0 else reversed(subjects):
                if subject.name in failed:
                    continue
                made = Visit(subject)
                result.visits[-1].append(made)
                fill(made, setting, plan, prompts, folder / subject.name)
                say(f"round {number + 1}/{rounds}  {subject.name:<30}{_summary(made)}")
                if made.error is not None:
                    failed.add(subject.name)
            if control:
                result.controls[-1] += _control(control, setting, plan, prompts)
            if len(result.visits) == rounds:
                if result.drift <= MOST_DRIFT or number + 1 == most:
                    break
                say(f"{result.control} drifted by {result.drift:.0%}: a round is made again")
                result.drop_worst()
    except KeyboardInterrupt:
        result.interrupted = True
    finally:
        caches.close()
    return result


def choose_control(subjects: Sequence[Subject]) -> Subject | None:
    """Return the subject that is asked before and after each round: a peer that starts at once, if any."""
    able = [one for one in subjects if one.family not in ("worker", "http") and one.speed]
    peers = [one for one in able if one.family == "llama.cpp"]
    return next(iter(peers or able), None)


def _control(subject: Subject, setting: Setting, plan: Plan, prompts: Prompts) -> list[float]:
    """Return the subject's tokens a second now, after a first request; none if it failed."""
    case = Case(plan.cases[0].prompt_tokens, CONTROL_TOKENS)
    short = Plan(cases=(case,), warm=min(CONTROL_WARM, 2 * plan.warm), case_s=plan.case_s)
    made = Visit(replace(subject, extras=()))
    fill(made, setting, short, prompts)
    speeds = [speed for one in made.of(case, warm=True) if (speed := one.tokens_per_s) is not None]
    return [statistics.median(speeds)] if speeds else []


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
    if made.http is not None:
        return f"{len(made.http.exchanges)} requests of each server"
    speeds = [sample.tokens_per_s for sample in made.samples if sample.time]
    fastest = max((speed for speed in speeds if speed is not None), default=None)
    if fastest is not None:
        return f"up in {made.start_s:.1f} s, {fastest:,.0f} tokens/s at best"
    return f"up in {made.start_s:.1f} s, {len(made.typed)} keystrokes"
