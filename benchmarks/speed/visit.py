"""One visit: all measurements of one subject in a fresh process."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.speed import comparisons, conversation, http_visit, replay, subjects
from benchmarks.speed.comparisons import Pair
from benchmarks.speed.conversation import Conversation, SubjectFailed
from benchmarks.speed.plan import Case, Plan
from benchmarks.speed.prompts import Prompts
from benchmarks.speed.replay import Typed
from benchmarks.speed.subjects import Device, Subject


@dataclass(frozen=True)
class Sample:
    """One finished request.

    Attributes:
        case: its case.
        time: index of the repetition; 0 is the first, which includes compilation.
        arrivals_s: arrival time of each token.
        token_ids: the new tokens.
        first_inside_s: see `engine.subject.Generated`.
    """

    case: Case
    time: int
    arrivals_s: tuple[float, ...]
    token_ids: tuple[int, ...]
    first_inside_s: float | None = None

    @property
    def first_s(self) -> float:
        return self.arrivals_s[0]

    @property
    def whole_s(self) -> float:
        return self.arrivals_s[-1]

    @property
    def tokens_per_s(self) -> float | None:
        """Return the speed of all tokens but the first; None for a single one."""
        first = self.first_s if self.first_inside_s is None else self.first_inside_s
        after = self.whole_s - first
        return (len(self.token_ids) - 1) / after if after > 0 else None


@dataclass
class Visit:
    """The results of one visit, partial if something went wrong.

    Attributes:
        start_s: seconds from the start of the process until it was ready.
        compiles: whether nothing that an earlier visit compiled was there.
        facts: `engine.subject.Facts` as a dict.
        samples: of the cases.
        pairs: of the comparisons.
        typed: of the typing trace.
        http: of the page beside its peer.
        peak_bytes: peak main memory of its process.
        device_peak_bytes: peak GPU memory.
        error: why it ended early, or None.
    """

    subject: Subject
    start_s: float | None = None
    compiles: bool = True
    facts: dict[str, Any] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    typed: list[Typed] = field(default_factory=list)
    http: http_visit.Found | None = None
    peak_bytes: int | None = None
    device_peak_bytes: int | None = None
    error: str | None = None

    def of(self, case: Case, *, warm: bool) -> list[Sample]:
        """Return the samples of a case: the first one, or all others."""
        return [
            sample for sample in self.samples if sample.case == case and (sample.time > 0) == warm
        ]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Settings shared by all subjects of a run.

    Attributes:
        preset_folder: of the model and its vocabulary.
        weights: format and dtype -> folder, for the subjects that read another format.
        context_length: in tokens.
        threads: cores that a subject may use.
        time_limit_s: of one visit.
        pythons: Keras backend -> interpreter of another environment.
        settings: subject -> its settings, from a sweep.
    """

    preset_folder: Path
    weights: dict[tuple[str, str], Path]
    context_length: int
    threads: int
    device: Device
    time_limit_s: float
    pythons: dict[str, str]
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def weights_of(self, subject: Subject) -> Path:
        """Return the path of a subject's weights."""
        if subject.weights == "preset":
            return self.preset_folder
        return self.weights[subject.weights, subject.dtype]

    def command(self, subject: Subject, module: str = "") -> list[str]:
        """Return the command of a subject's process.

        Args:
            module: another one than its own, with the same flags.
        """
        if subject.family == "http":
            folder, dtype = self.preset_folder, subject.dtype
            return http_visit.page_command(folder, subject.backend, dtype, self.threads)
        python = self.pythons.get(subject.backend, sys.executable)
        pinned = (python, "-m", "benchmarks.speed.pinned", str(self.threads))
        if subject.family == "worker":
            return [
                *(*pinned, "codegemma_ui.workers.keras.worker"),
                *("--preset", "bench", "--folder", str(self.preset_folder)),
                *("--backend", subject.backend, "--dtype", subject.dtype),
                *("--context-length", str(self.context_length)),
            ]
        return [
            *(*pinned, f"benchmarks.speed.engine.{module or subject.module}"),
            *("--weights", str(self.weights_of(subject))),
            *("--backend", subject.backend, "--dtype", subject.dtype, "--mode", subject.mode),
            *("--threads", str(self.threads), "--device", self.device),
            *("--context-length", str(self.context_length)),
            *("--settings", json.dumps(self.settings_of(subject))),
        ]

    def settings_of(self, subject: Subject) -> dict[str, str]:
        """Return a subject's settings: those that are fixed, and those that a sweep chose."""
        return {**subject.settings, **self.settings.get(subject.name, {})}


def fill(
    result: Visit, setting: Setting, plan: Plan, prompts: Prompts, caches: Path | None = None
) -> None:
    """Start a subject, run its part of the plan, and stop it.

    Args:
        result: an empty visit of the subject, filled as far as possible. A failing subject is not an error of
            the run: `result.error` has it.
        setting: of the run.
        plan: already cut to the model's context.
        prompts: of the model's vocabulary.
        caches: folder for what compilers keep, created if missing; None is one of its own.
    """
    if result.subject.family == "http":
        _visit_page(result, setting, plan, prompts)
        return
    with conversation.scratch_folder() as scratch:
        if caches is not None:
            result.compiles = not caches.exists()
            caches.mkdir(exist_ok=True)
        environment = conversation.environment(
            setting.threads, setting.device, str(caches or scratch)
        )
        command = setting.command(result.subject)
        try:
            with Conversation(command, environment, setting.time_limit_s) as talk:
                if result.subject.family == "worker":
                    _visit_worker(result, talk, plan, prompts)
                else:
                    _visit_subject(result, talk, plan, prompts)
        except SubjectFailed as failure:
            result.error = str(failure)
        except KeyboardInterrupt:
            result.error = "interrupted"
            raise


def _visit_subject(result: Visit, talk: Conversation, plan: Plan, prompts: Prompts) -> None:
    # 1. Ready.
    result.facts = talk.expect("bench", "ready")
    result.start_s = talk.elapsed_s - result.facts["aside_s"]

    # 2. Cases: each a first time, then with other prompts until there are enough or time is up.
    times = 1 + plan.warm
    for number, case in enumerate(plan.cases):
        spent = 0.0
        for time in range(times):
            if time > 1 and spent > plan.case_s:
                break
            # No prompt twice in any case, since a cached one may need no prefill.
            prompt_ids = prompts.window(case.prompt_tokens, number * times + time)
            sample = _ask(talk, case, time, prompt_ids)
            result.samples.append(sample)
            spent += sample.whole_s

    # 3. Extra measurements.
    for extra in result.subject.extras if plan.extras else ():
        if extra == "typing":
            result.typed += replay.of_subject(talk, plan, prompts)
        else:
            result.pairs += comparisons.compare(extra, talk, plan, prompts, result.facts["offers"])

    # 4. Memory, at the end.
    peak = talk.ask({"op": "peak"})
    result.peak_bytes = peak["peak_bytes"]
    result.device_peak_bytes = peak["device_peak_bytes"]


def _visit_worker(result: Visit, talk: Conversation, plan: Plan, prompts: Prompts) -> None:
    result.facts = talk.expect("worker", "loaded")
    result.start_s = talk.elapsed_s
    # It serves by now and compiles the rest meanwhile; the measurement begins here.
    while talk.expect("worker", "warm")["share"] < 1:
        pass
    result.typed += replay.of_worker(talk, plan, prompts)


def _visit_page(result: Visit, setting: Setting, plan: Plan, prompts: Prompts) -> None:
    peer = subjects.named(result.subject.peer)
    try:
        result.http = http_visit.visit(
            setting.command(result.subject),
            setting.command(peer, "llama_cpp_http"),
            setting.threads,
            plan,
            prompts,
            setting.time_limit_s,
        )
    except SubjectFailed as failure:
        result.error = str(failure)
    except KeyboardInterrupt:
        result.error = "interrupted"
        raise


def _ask(talk: Conversation, case: Case, time: int, prompt_ids: Sequence[int]) -> Sample:
    answer = talk.ask(
        {"op": "generate", "prompt_ids": list(prompt_ids), "new_tokens": case.new_tokens}
    )
    if len(answer["token_ids"]) != case.new_tokens:
        raise SubjectFailed(
            f"There must be {case.new_tokens} new tokens. Received: {len(answer['token_ids'])}"
        )
    return Sample(
        case,
        time,
        tuple(answer["arrivals_s"]),
        tuple(answer["token_ids"]),
        answer["first_inside_s"],
    )


def compile_s(result: Visit) -> float | None:
    """Return the time of compilation: the warm-up, and the extra time of each case's first request.

    Returns:
        Seconds; None if the subject was never ready, or found what an earlier visit had compiled.
    """
    if not result.facts or not result.compiles:
        return None
    seconds = float(result.facts["warm_up_s"])
    for case in {sample.case for sample in result.samples}:
        first, later = result.of(case, warm=False), result.of(case, warm=True)
        if first and later:
            usual = statistics.median(sample.whole_s for sample in later)
            seconds += max(0.0, first[0].whole_s - usual)
    return seconds
