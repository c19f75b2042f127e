"""Figures of a run from its samples: medians over rounds, with the lowest and the highest round."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.speed.http_visit import Exchange, Found
from benchmarks.speed.plan import Case
from benchmarks.speed.prompts import common_start
from benchmarks.speed.runner import Bandwidth, Run
from benchmarks.speed.subjects import Subject
from benchmarks.speed.visit import Sample, Visit, compile_s

REFERENCES = ("kerashub-", "transformers-dynamic-", "engine-")
"""The families whose float32 tokens are the reference: the first one that was measured."""


@dataclass(frozen=True)
class Figure:
    """One quantity of one subject.

    Attributes:
        median: of the rounds.
        low: the lowest round.
        high: the highest round.
        rounds: number of rounds.
    """

    median: float
    low: float
    high: float
    rounds: int


def figure(values: Iterable[float | None]) -> Figure | None:
    """Return the figure of one value per round, ignoring missing ones; None without any."""
    known = [float(value) for value in values if value is not None]
    if not known:
        return None
    return Figure(float(np.median(known)), min(known), max(known), len(known))


def median(values: Sequence[float]) -> float | None:
    """Return the median within one round, or None without values."""
    return float(np.median(values)) if values else None


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return a percentile within one round (linear interpolation), or None without values."""
    return float(np.percentile(values, percent)) if values else None


@dataclass(frozen=True)
class Identity:
    """Agreement of a subject's greedy tokens with the reference.

    Attributes:
        same: tokens before the first difference, over all prompts.
        compared: tokens of the reference, over all prompts.
        reference: the reference's name.
    """

    same: int
    compared: int
    reference: str


class Figures:
    """The figures of one run.

    Args:
        run: the measurements.
        stop_ids: tokens that end a middle.
    """

    def __init__(self, run: Run, stop_ids: Iterable[int]) -> None:
        self._run = run
        self._stop_ids = frozenset(stop_ids)
        self._rounds: dict[str, list[tuple[Visit, Bandwidth | None]]] = {}
        for visits, bandwidth in zip(run.visits, run.bandwidths, strict=True):
            for made in visits:
                self._rounds.setdefault(made.subject.name, []).append((made, bandwidth))
        self._reference = self._choose_reference()

    def rows(self, subjects: Sequence[Subject]) -> list[dict[str, Any]]:
        """Return one JSON object for each visited subject, in the given order."""
        return [self._row(subject) for subject in subjects if subject.name in self._rounds]

    def comparisons(self) -> list[dict[str, Any]]:
        """Return one JSON object for each comparison of a subject: `without`, `with` and `ratio`."""
        found = []
        for name, rounds in self._rounds.items():
            pairs = [made.pairs for made, _ in rounds]
            for kind in dict.fromkeys(pair.name for each in pairs for pair in each):
                of_kind = [[pair for pair in each if pair.name == kind] for each in pairs]
                found.append(
                    {
                        "subject": name,
                        "comparison": kind,
                        "unit": of_kind[0][0].unit if of_kind[0] else "",
                        "without": _dict(figure(median([p.without for p in r]) for r in of_kind)),
                        "with": _dict(figure(median([p.with_ for p in r]) for r in of_kind)),
                        "ratio": _dict(
                            figure(median([p.with_ / p.without for p in r]) for r in of_kind)
                        ),
                        "same_tokens": all(pair.same_tokens for each in of_kind for pair in each),
                    }
                )
        return found

    def typing(self) -> list[dict[str, Any]]:
        """Return one JSON object per subject and layout of the typing trace; times from keystroke to
        completion."""
        found = []
        for name, rounds in self._rounds.items():
            for layout in dict.fromkeys(one.layout for made, _ in rounds for one in made.typed):
                typed = [[one for one in made.typed if one.layout == layout] for made, _ in rounds]
                seconds = [[one.seconds for one in each] for each in typed]
                everyone = [one for each in typed for one in each]
                found.append(
                    {
                        "subject": name,
                        "layout": layout,
                        "keystrokes": max(map(len, typed)),
                        "new_tokens": float(np.mean([one.tokens for one in everyone])),
                        "median_s": _dict(figure(map(median, seconds))),
                        "p90_s": _dict(figure(percentile(each, 90) for each in seconds)),
                        "before_next_key": float(
                            np.mean([one.seconds <= one.rest_s for one in everyone])
                        ),
                    }
                )
        return found

    def control(self) -> dict[str, Any] | None:
        """Return the control's `subject`, its `tokens_per_s` over all its visits, `drift` (a share) and the
        number of `dropped` rounds; None without one."""
        speeds = figure(speed for each in self._run.controls for speed in each)
        if speeds is None:
            return None
        return {
            "subject": self._run.control,
            "tokens_per_s": _dict(speeds),
            "drift": self._run.drift,
            "dropped": len(self._run.dropped),
        }

    def http(self) -> list[dict[str, Any]]:
        """Return one JSON object per page: `starts`, `requests` and `together`, each beside its peer."""
        found = []
        for name, rounds in self._rounds.items():
            visits = [made.http for made, _ in rounds if made.http is not None]
            if not visits:
                continue
            kinds = dict.fromkeys(one.request for each in visits for one in each.exchanges)
            starts = dict.fromkeys(one.kind for each in visits for one in each.starts)
            servers = dict.fromkeys(one.server for each in visits for one in each.together)
            found.append(
                {
                    "subject": name,
                    "peer": rounds[0][0].subject.peer,
                    "starts": {kind: _start(kind, visits) for kind in starts},
                    "requests": {kind: _request(kind, visits) for kind in kinds},
                    "together": {name: _together(name, visits) for name in servers},
                }
            )
        return found

    def bandwidth(self) -> dict[str, Any] | None:
        """Return the bandwidth figures: `kind`, and bytes per second by array size."""
        known = [one for one in self._run.bandwidths if one is not None]
        if not known:
            return None
        rates = []
        for index, (size, _) in enumerate(known[0].rates):
            speeds = figure(each.rates[index][1] for each in known)
            rates.append({"array_bytes": size, "bytes_per_s": _dict(speeds)})
        return {"kind": known[0].kind, "rates": rates}

    def _row(self, subject: Subject) -> dict[str, Any]:
        rounds = self._rounds[subject.name]
        visits = [made for made, _ in rounds]
        # Only a subject's first visit compiles, and its round may have been left out.
        dropped = (made for each in self._run.dropped for made in each)
        started = [*(made for made in dropped if made.subject.name == subject.name), *visits]
        facts: dict[str, Any] = next((made.facts for made in visits if made.facts), {})
        row: dict[str, Any] = {
            "name": subject.name,
            "family": subject.family,
            "backend": subject.backend,
            "dtype": facts.get("dtype", subject.dtype),
            "device": facts.get("device"),
            "note": facts.get("note"),
            "streams": subject.streams,
            "speed": subject.speed,
            "rounds": len(visits),
            "error": next((made.error for made in visits if made.error), None),
            "start_s": _dict(figure(made.start_s for made in started if made.compiles)),
            "start_again_s": _dict(figure(made.start_s for made in started if not made.compiles)),
        }
        cases = [
            case for case in _cases(visits) if any(made.of(case, warm=True) for made in visits)
        ]
        if not cases:
            return row
        longest = max(cases, key=lambda case: case.new_tokens)
        usual = cases[0].prompt_tokens
        reading = [case for case in cases if case.new_tokens == cases[0].new_tokens]
        writing = [case for case in cases if case.prompt_tokens == usual]

        def over(value: Callable[[Visit], float | None]) -> dict[str, Any] | None:
            return _dict(figure(value(made) for made in visits))

        row |= {
            "parameters": facts["parameters"],
            "weight_bytes": facts["weight_bytes"],
            "compile_s": _dict(figure(compile_s(made) for made in started)),
            "first_token_cold_s": over(_first_ever),
            "first_token_s": {
                str(case.prompt_tokens): over(_within(case, lambda sample: sample.first_s))
                for case in sorted(reading, key=lambda case: case.prompt_tokens)
            },
            "whole_s": {
                str(case.new_tokens): over(_within(case, lambda sample: sample.whole_s))
                for case in sorted(writing, key=lambda case: case.new_tokens)
            },
            "tokens_per_s": over(_within(longest, lambda sample: sample.tokens_per_s)),
            "inter_token_p50_s": over(lambda made: percentile(_gaps(made, longest), 50)),
            "inter_token_p99_s": over(lambda made: percentile(_gaps(made, longest), 99)),
            "peak_bytes": over(lambda made: made.peak_bytes),
            "device_peak_bytes": over(lambda made: made.device_peak_bytes),
            **self._reading(rounds, longest),
        }
        same = self._identity(subject, visits)
        row["same_tokens"] = None if same is None else asdict(same)
        return row

    def _reading(
        self, rounds: Sequence[tuple[Visit, Bandwidth | None]], case: Case
    ) -> dict[str, Any]:
        """Return the weight bytes per second, and their share of the same round's bandwidth.

        Every token reads all weights once, unless it was drafted: then there is no figure.
        """
        names = ("weight_bytes_per_s", "share_of_memory", "share_of_own_size")
        values: dict[str, list[float | None]] = {name: [] for name in names}
        for made, bandwidth in rounds:
            speed = _within(case, lambda sample: sample.tokens_per_s)(made)
            if speed is None or made.subject.mode == "lookup":
                continue
            size = made.facts["weight_bytes"]
            values["weight_bytes_per_s"].append(speed * size)
            if bandwidth is not None:
                values["share_of_memory"].append(speed * size / bandwidth.memory)
                values["share_of_own_size"].append(speed * size / bandwidth.at(size))
        return {name: _dict(figure(found)) for name, found in values.items()}

    def _choose_reference(self) -> str | None:
        for beginning in REFERENCES:
            for name, rounds in self._rounds.items():
                if name.startswith(beginning) and name.endswith("float32") and rounds[0][0].samples:
                    return name
        return None

    def _identity(self, subject: Subject, visits: Sequence[Visit]) -> Identity | None:
        if self._reference is None:
            return None
        wanted = {
            (sample.case, sample.time): sample.token_ids
            for made, _ in self._rounds[self._reference]
            for sample in made.samples
        }
        same = compared = 0
        for made in visits:
            for sample in made.samples:
                reference = wanted.get((sample.case, sample.time))
                if reference is None:
                    continue
                if not subject.writes_stops:
                    reference = self._until_stop(reference)
                compared += len(reference)
                same += common_start(reference, sample.token_ids)
        return Identity(same, compared, self._reference)

    def _until_stop(self, token_ids: Sequence[int]) -> tuple[int, ...]:
        for index, token_id in enumerate(token_ids):
            if token_id in self._stop_ids:
                return tuple(token_ids[:index])
        return tuple(token_ids)


def _start(kind: str, visits: Sequence[Found]) -> dict[str, Any]:
    starts = [one for each in visits for one in each.starts if one.kind == kind]
    return {
        "first_s": _dict(figure(one.first_s for one in starts)),
        "compiled_s": _dict(figure(one.compiled_s for one in starts)),
    }


def _request(kind: str, visits: Sequence[Found]) -> dict[str, Any]:
    """Return both servers' medians, and the medians of the peer's time over the page's, pair by pair."""
    rounds = [[one for one in each.exchanges if one.request == kind] for each in visits]

    def over(value: Callable[[Exchange], float]) -> dict[str, Any] | None:
        return _dict(figure(median([value(one) for one in each]) for each in rounds))

    return {
        "pairs": sum(map(len, rounds)),
        "first_s": over(lambda one: one.ours.first_s),
        "peer_first_s": over(lambda one: one.peer.first_s),
        "first_ratio": over(lambda one: one.peer.first_s / one.ours.first_s),
        "whole_s": over(lambda one: one.ours.whole_s),
        "peer_whole_s": over(lambda one: one.peer.whole_s),
        "whole_ratio": over(lambda one: one.peer.whole_s / one.ours.whole_s),
    }


def _together(server: str, visits: Sequence[Found]) -> dict[str, Any]:
    found = [one for each in visits for one in each.together if one.server == server]
    return {
        "one": _dict(figure(one.one for one in found)),
        "many": _dict(figure(one.many for one in found)),
        "ratio": _dict(figure(one.many / one.one for one in found)),
    }


def _cases(visits: Sequence[Visit]) -> list[Case]:
    return list(dict.fromkeys(sample.case for made in visits for sample in made.samples))


def _first_ever(made: Visit) -> float | None:
    return made.samples[0].first_s if made.samples else None


def _within(case: Case, value: Callable[[Sample], float | None]) -> Callable[[Visit], float | None]:
    """Return a function of a visit: the median over a case's warm samples."""

    def of(made: Visit) -> float | None:
        values = [value(sample) for sample in made.of(case, warm=True)]
        return median([one for one in values if one is not None])

    return of


def _gaps(made: Visit, case: Case) -> list[float]:
    """Return the seconds between consecutive tokens of a case's warm samples; empty without streaming."""
    if not made.subject.streams:
        return []
    gaps: list[float] = []
    for sample in made.of(case, warm=True):
        gaps += np.diff(sample.arrivals_s).tolist()
    return gaps


def _dict(value: Figure | None) -> dict[str, Any] | None:
    return None if value is None else asdict(value)
