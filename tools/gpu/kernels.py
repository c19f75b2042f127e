"""Where a step's time goes: the kernels that a card ran, as torch's and jax's own profilers saw them.

On a CPU they are the operations of the host, so that the same code runs there.
"""

from __future__ import annotations

import gzip
import importlib
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.gpu.results import Figures

MOST = 10
"""Kernels that are listed, those that take longest."""

LONGEST_NAME = 90


@dataclass(frozen=True)
class Kernel:
    """All launches of one kernel.

    Attributes:
        name: as the profiler names it.
        seconds: on the card, together.
        launches: how many.
    """

    name: str
    seconds: float
    launches: int


def listed(kernels: Iterable[Kernel], tokens: int) -> Figures:
    """Return the kernels that take longest as `kernel_01` and so on, and the sums of all.

    Each has its share of all kernels' time, and microseconds and launches a token.

    Args:
        kernels: what ran.
        tokens: decoded meanwhile.
    """
    every = sorted(kernels, key=lambda one: -one.seconds)
    total = sum(one.seconds for one in every)
    figures: dict[str, float | str] = {
        "kernels_ms_per_token": 1000 * total / tokens,
        "launches_per_token": sum(one.launches for one in every) / tokens,
    }
    for number, one in enumerate(every[:MOST], start=1):
        figures[f"kernel_{number:02}"] = (
            f"{one.seconds / total:.1%}, {1e6 * one.seconds / tokens:.0f} us in "
            f"{one.launches / tokens:.1f} launches: {one.name[:LONGEST_NAME]}"
        )
    return figures


def of_torch(work: Callable[[], object], cuda: bool) -> list[Kernel]:
    """Run something under `torch.profiler`, on this thread.

    Args:
        work: what is profiled; it should end with a copy to the host.
        cuda: count the card's kernels, else the host's operations.
    """
    profiler: Any = importlib.import_module("torch.profiler")
    activity = profiler.ProfilerActivity
    wanted = [activity.CPU, activity.CUDA] if cuda else [activity.CPU]
    with profiler.profile(activities=wanted, acc_events=True) as profile:
        work()
    found = []
    for event in profile.key_averages():
        seconds = event.self_device_time_total if cuda else event.self_cpu_time_total
        on_card = event.device_type.name == "CUDA"
        if seconds and on_card == cuda:
            found.append(Kernel(event.key, seconds / 1e6, event.count))
    return found


def of_jax(work: Callable[[], object], cuda: bool) -> list[Kernel]:
    """Run something under `jax.profiler`.

    Args:
        work: as in `of_torch`.
        cuda: as in `of_torch`.

    Raises:
        FileNotFoundError: jax wrote no trace.
    """
    profiler: Any = importlib.import_module("jax.profiler")
    with tempfile.TemporaryDirectory() as folder:
        with profiler.trace(folder):
            work()
        file = next(Path(folder).rglob("*.trace.json.gz"), None)
        if file is None:
            raise FileNotFoundError(f"jax's profiler wrote no trace in {folder}")
        events = json.loads(gzip.decompress(file.read_bytes()))["traceEvents"]
    return of_trace(events, cuda)


def of_trace(events: Iterable[dict[str, Any]], cuda: bool) -> list[Kernel]:
    """Return the kernels of a trace in Chrome's format (https://ui.perfetto.dev reads it).

    Args:
        events: metadata, which names processes and threads, and complete events, in microseconds.
        cuda: those of the card's streams, else those of the host.

    Raises:
        ValueError: there are none.
    """
    places: dict[Any, str] = {}
    threads: dict[Any, str] = {}
    complete = []
    for event in events:
        if event.get("ph") == "M" and event.get("name") == "process_name":
            places[event["pid"]] = event["args"]["name"]
        elif event.get("ph") == "M" and event.get("name") == "thread_name":
            threads[event["pid"], event["tid"]] = event["args"]["name"]
        elif event.get("ph") == "X":
            complete.append(event)
    sums: dict[str, list[float]] = defaultdict(list)
    for event in complete:
        place = places.get(event["pid"], "")
        thread = threads.get((event["pid"], event["tid"]), "")
        # A card's process also has rows that repeat the streams' time by program and operation.
        mine = ("GPU" in place and thread.startswith("Stream")) if cuda else "CPU" in place
        if mine and not event["name"].startswith("$"):  # Python's own calls
            sums[event["name"]].append(event.get("dur", 0.0) / 1e6)
    if not sums:
        rows = sorted({f"{places.get(pid)}: {name}" for (pid, _), name in threads.items()})
        raise ValueError(f"The trace should have kernels. Received rows: {', '.join(rows)}")
    return [Kernel(name, sum(each), len(each)) for name, each in sums.items()]
