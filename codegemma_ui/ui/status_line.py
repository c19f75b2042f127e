"""The page's view of a `Status`: the status line, the choices, the notices. Pure.

`Shown` holds all that the page shows of a status. The timer of every open page compares the last `Shown` with
the next, and updates only the parts that differ, so that a control in use is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codegemma_ui import errors
from codegemma_ui.errors import ChoiceFailed, WorkerDied
from codegemma_ui.ipc.messages import AS_SERVED, Status
from codegemma_ui.machine import OPENAI
from codegemma_ui.presets import Preset, amounts, memory, quality
from codegemma_ui.settings import DEFAULT_TIME_LIMIT_S
from codegemma_ui.ui import advice, model_note, render
from codegemma_ui.ui.strings import Language, text


@dataclass(frozen=True)
class Shown:
    """The parts of the page that depend on the engine.

    Attributes:
        line: the status line, HTML.
        choice: (preset, backend, dtype) for the dropdowns.
        context_length: the slider's maximum, in tokens.
        cancellable: whether a switch is in progress with a choice to go back to.
        notices: HTML.
        summary: of the loaded model, HTML.
        footer: HTML.
        counts_by: what the token sum depends on: the preset for its vocabulary, and the speed if a completion
            may reach its time limit.
        precisions: explanation of the precisions, with their cost for the bundled model.
        locked: the reason why this visitor may not switch; empty if they may.
        ability: what the loaded model can do; empty if its name says enough.
    """

    line: str
    choice: tuple[str | None, str | None, str | None]
    context_length: int
    cancellable: bool
    notices: str
    summary: str
    footer: str
    counts_by: str
    precisions: str
    locked: str = ""
    ability: str = ""


def shown(
    status: Status,
    offered: Sequence[Preset],
    language: Language,
    locked: str = "",
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
    requested: Mapping[str, str] | None = None,
    highlighted: str = model_note.KNOWN,
) -> Shown:
    """Return what the page shows of a status.

    Args:
        requested: the switch that this page requested last; its failure is shown here alone, as long as
            another model serves the others.
        highlighted: the language that this page highlights.
    """
    by_name = {preset.name: preset for preset in offered}
    target = status.switching_to
    choice = (
        (target["preset"], target["backend"], target["dtype"])
        if target
        else (status.preset, status.backend, status.dtype)
    )
    chosen = by_name.get(choice[0] or "")
    return Shown(
        line=_line(status, by_name, language),
        choice=choice,
        context_length=status.context_length,
        cancellable=target is not None and status.returns_to is not None,
        notices=_notices(status, chosen, by_name, language, requested, highlighted),
        summary=render.summary(status.summary, language),
        footer=render.footer(by_name.get(status.preset or ""), language),
        counts_by=f"{status.preset} {_speed_that_matters(status, time_limit_s)}",
        precisions=_precisions(choice[1], language),
        locked=locked,
        ability="" if target else model_note.ability(status.preset, language),
    )


def waits_for(status: Status, offered: Sequence[Preset], language: Language) -> str:
    """Return what the engine does while the first request in the queue waits; empty if there is nothing."""
    by_name = {preset.name: preset for preset in offered}
    if status.switching_to:
        return _state(status, status.switching_to, by_name, language)
    return text(f"phase_{status.phase}", language) if status.phase in ("ending", "quiet") else ""


def _speed_that_matters(status: Status, time_limit_s: float) -> float | None:
    speed = status.tokens_per_s
    if speed is None or speed * time_limit_s >= status.context_length:
        return None
    return round(speed, 1)


def _precisions(backend: str | None, language: Language) -> str:
    if backend == OPENAI:
        return text("precision_served", language)
    measured = quality.by_precision(memory.precisions(backend or ""), backend)
    tasks = next(iter(measured.values())).tasks
    cost = text("precision_cost", language, tasks=tasks, figures=quality.figures(measured))
    return " ".join([text("precision_info", language), cost])


def _line(status: Status, by_name: dict[str, Preset], language: Language) -> str:
    serving = status.summary is not None
    target = status.switching_to
    parts = [_state(status, target, by_name, language)]
    if target and serving:
        parts.append(
            text("still_serving", language, name=_label(status.preset, status.backend, by_name))
        )
    else:
        dtype = text("as_served", language) if status.dtype == AS_SERVED else status.dtype
        if status.narrowed is not None:
            dtype = text("chosen_by_auto", language, dtype=status.narrowed.dtype)
        if not target:  # otherwise the state names both
            parts.extend(filter(None, (_label(status.preset, None, by_name), status.backend)))
        # Before a model is loaded its device and size are not known yet.
        parts.extend(filter(None, (dtype, status.device)))
        if status.parameters:
            count = amounts.parameters(status.parameters)
            parts.append(text("parameters", language, count=count))
        if status.memory_bytes:
            size = amounts.size(status.memory_bytes)
            parts.append(text("memory", language, size=size))
    if status.at_once > 1 and status.serving:
        parts.append(text("serving", language, count=status.serving, most=status.at_once))
    if status.queue_length:
        parts.append(text("waiting", language, count=status.queue_length))
    state, *rest = parts
    facts = render.dotted(map(render.escape, rest))
    bar = ""
    if target and status.progress is not None:
        bar = f'<progress max="1" value="{status.progress:.2f}" aria-hidden="true"></progress>'
    kind = "busy" if target else status.state
    return (
        f'<div class="status {kind}"><strong>{render.escape(state)}</strong>{bar}'
        f'<span class="facts">{facts}</span></div>'
    )


def _state(
    status: Status, target: dict[str, str] | None, by_name: dict[str, Preset], language: Language
) -> str:
    if target is None:
        name = _label(status.preset, None, by_name)
        if status.phase in ("ending", "scoring", "prefill", "quiet"):
            return text(f"phase_{status.phase}", language)
        return text(f"state_{status.state}", language, name=name)
    if status.phase in ("waiting", "stopping"):
        return text(f"phase_{status.phase}", language)
    state = status.phase if status.phase in ("downloading", "loading", "warming") else status.state
    if state in ("ready", "busy"):
        state = "loading"  # a switch that has only begun
    percent = f" {status.progress:.0%}" if status.progress is not None else ""
    name = _label(target["preset"], target["backend"], by_name)
    return text(f"state_{state}", language, name=name) + percent


def _label(preset: str | None, backend: str | None, by_name: dict[str, Preset]) -> str:
    known = by_name.get(preset or "")
    name = known.title if known else preset or "?"
    return f"{name} · {backend}" if backend else name


def _error(
    status: Status,
    by_name: dict[str, Preset],
    language: Language,
    requested: Mapping[str, str] | None,
) -> str:
    """Return the notice of the last failure, if it is this page's or everybody's."""
    if status.error is None:
        return ""
    error = errors.from_dict(status.error)
    restarting = isinstance(error, WorkerDied | ChoiceFailed)
    if (
        status.switching_to
    ):  # which makes earlier errors obsolete, but not that of the restart itself
        return render.error_notice(error, language) if restarting else ""
    serves = status.summary is not None
    if serves and requested is None and not restarting:
        return ""
    name = _label(requested["preset"], requested["backend"], by_name) if requested else ""
    remaining = _label(status.preset, status.backend, by_name) if serves else ""
    return render.error_notice(
        error, language, failed=name, remaining=remaining, dismissable=serves
    )


def _notices(
    status: Status,
    chosen: Preset | None,
    by_name: dict[str, Preset],
    language: Language,
    requested: Mapping[str, str] | None,
    highlighted: str,
) -> str:
    notices = [_error(status, by_name, language, requested)]
    if not status.switching_to:
        sentences = advice.sentences(
            status.narrowed, status.backend, status.faster_backend, language
        )
        wrong = model_note.wrong_language(status.preset, highlighted, language)
        notices.extend(map(render.advice, filter(None, (wrong, *sentences))))
    if chosen and chosen.instruct:
        notices.append(render.notice(text("instruct", language)))
    if status.lacks:
        lacking = "; ".join(text(f"lacks_{name}", language) for name in status.lacks)
        notices.append(render.notice(text("lacks", language, what=lacking)))
    if status.note:
        notices.append(render.notice(text("note", language, note=status.note)))
    return "".join(notices)
