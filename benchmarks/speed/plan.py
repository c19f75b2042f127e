"""The requests of one visit to a subject, and their number."""

from __future__ import annotations

from dataclasses import dataclass, replace

CONTEXT_LENGTH = 1024
"""The context that subjects are started with, in tokens; every case and the typing fit in it."""


@dataclass(frozen=True)
class Case:
    """A prompt length and a number of new tokens."""

    prompt_tokens: int
    new_tokens: int

    @property
    def total(self) -> int:
        return self.prompt_tokens + self.new_tokens


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One visit.

    Attributes:
        cases: in order; the first one gives the cold first token, so it is a typical prompt.
        warm: number of repetitions of each case after the first, each with another prompt.
        case_s: a case ends early after this long if it has one warm sample.
        extra_tokens: new tokens of a comparison.
        extra_pairs: pairs of a comparison.
        extra_s: a comparison ends early after this long if it has one pair.
        typing_moments: number of keystrokes to replay.
        typing_tokens: maximum new tokens of one completion while typing.
        typing_s: a replay ends early after this long.
        http_tokens: new tokens of a request over HTTP.
        http_pairs: requests of a kind that both servers are asked.
        http_stream_tokens: new tokens of each request where several streams run at once.
        http_stream_turns: requests of each stream, one after the other.
        sweep_tokens: new tokens of each request of a sweep.
        sweep_turns: how often each setting is tried.
        extras: whether the subjects' extra measurements are made.
    """

    cases: tuple[Case, ...] = (
        Case(200, 16),
        Case(22, 16),
        Case(900, 16),
        Case(200, 64),
        Case(200, 256),
    )
    warm: int = 5
    case_s: float = 20.0
    extra_tokens: int = 64
    extra_pairs: int = 6
    extra_s: float = 20.0
    typing_moments: int = 1000
    typing_tokens: int = 16
    typing_s: float = 45.0
    http_tokens: int = 16
    http_pairs: int = 20
    http_stream_tokens: int = 64
    http_stream_turns: int = 4
    sweep_tokens: int = 64
    sweep_turns: int = 2
    extras: bool = True

    def within(self, context_length: int) -> Plan:
        """Return the plan without the cases that do not fit into a context, in tokens."""
        return replace(
            self, cases=tuple(case for case in self.cases if case.total <= context_length)
        )


FULL = Plan()
QUICK = Plan(
    cases=(Case(200, 16), Case(22, 16)),
    warm=2,
    case_s=4.0,
    extra_tokens=16,
    extra_pairs=2,
    extra_s=4.0,
    typing_moments=8,
    typing_s=10.0,
    http_pairs=3,
    http_stream_tokens=16,
    http_stream_turns=1,
    sweep_tokens=16,
    sweep_turns=1,
)
LARGE = Plan(
    cases=(Case(200, 32), Case(22, 32)),
    warm=2,
    case_s=60.0,
    http_pairs=4,
    http_stream_turns=1,
    sweep_tokens=24,
    sweep_turns=1,
    extras=False,
)
"""For models whose tokens take tenths of a second."""

LARGE_PARAMETERS = 1_000_000_000
"""From here on a model has the plan `LARGE`."""


def of(parameters: int | None, *, quick: bool) -> Plan:
    """Return the plan for a model of so many parameters, or of an unknown number."""
    if quick:
        return QUICK
    return LARGE if (parameters or 0) >= LARGE_PARAMETERS else FULL
