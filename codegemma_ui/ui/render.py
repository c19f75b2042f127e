"""HTML of captions, panes, the status line and notices. Pure.

All text of users and models goes through `escape`. `gr.HTML` runs its *template* as a JavaScript template
literal and as Handlebars; the value is data to both (6.31), and `escape` removes their special characters
too.
"""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from math import ceil
from typing import Any

from codegemma_ui import fim, presets
from codegemma_ui.client.pace import LEAST_TOKENS, most_left_s
from codegemma_ui.client.progress import UPDATE_INTERVAL_S, Progress
from codegemma_ui.completions.recording import LONGEST, Recording
from codegemma_ui.errors import PlaygroundError
from codegemma_ui.fim.vocabulary import Prompt
from codegemma_ui.ipc.messages import (
    MAX_FILES_CHARACTERS,
    CancelledEvent,
    DoneEvent,
    ErrorEvent,
    TokenEvent,
    parse_request,
)
from codegemma_ui.settings import DEFAULT_TIME_LIMIT_S
from codegemma_ui.ui import durations
from codegemma_ui.ui.strings import Language, error_hint, error_title, template, text

TOLD_QUEUE_S = 0.5
"""A shorter wait in the queue is not mentioned."""

_TEMPLATE_CHARACTERS = str.maketrans(
    {"$": "&#36;", "{": "&#123;", "}": "&#125;", "`": "&#96;", "\\": "&#92;", "\r": "&#13;"}
)


def escape(value: object) -> str:
    """Return text as HTML that no parser and no template interprets."""
    return html.escape(str(value)).translate(_TEMPLATE_CHARACTERS)


def with_ending(value: str, ending: str) -> str:
    """Return a text with all lines ended in "LF" or "CRLF"; LF texts are unchanged."""
    return value if ending == "LF" else value.replace("\r\n", "\n").replace("\n", "\r\n")


@dataclass
class Run:
    """One completion as the page shows it.

    Attributes:
        request: as sent to the engine, unchecked; its texts are in LF, as in the editors.
        ending: "LF" or "CRLF", for the program.
        parent: the completion of the page it branched off and the token, as sent by the page.
        prompt: as the model receives it.
        progress: the state so far; None at first.
        ahead: number of requests before this one at the moment.
        wait_s: about how long these take; None if unknown.
        waits_for: what the engine does before this one's turn, in words; empty if unknown.
        time_limit_s: time limit, from its first dispatch.
        context_length: maximum of `max_length`.
        arrived_s: `time.monotonic()` when it was requested.
        begun_s: the same when it was sent to the model.
        stopped: whether a person stopped it.
        gave_way: whether it was ended for a person who pressed Complete.
        warm: the share of the engine's programs that are compiled; None if unknown.
        cut: the middle so far when a reload of its page ended it; its tokens were lost with that page.
        first_token_s: `time.monotonic()` when the page received the first token that was not forced.
        seen_s: the same for the latest update.
    """

    request: Mapping[str, Any]
    ending: str = "LF"
    parent: dict[str, int] | None = None
    prompt: Prompt | None = None
    progress: Progress | None = None
    ahead: int = 0
    wait_s: float | None = None
    waits_for: str = ""
    time_limit_s: float = DEFAULT_TIME_LIMIT_S
    context_length: int = 0
    arrived_s: float = field(default_factory=time.monotonic)
    begun_s: float | None = None
    stopped: bool = False
    gave_way: bool = False
    warm: float | None = None
    cut: str | None = None
    first_token_s: float | None = None
    seen_s: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, recording: Recording, parent: dict[str, int] | None) -> Run:
        """Return the run of a completion that ended earlier, here or elsewhere."""
        request = recording.request
        progress = Progress(request.prefix, request.suffix)
        for event in (*recording.tokens, recording.last):
            progress.add(event)
        stopped = isinstance(recording.last, CancelledEvent)
        return cls(
            asdict(request), recording.ending, parent, recording.prompt, progress, stopped=stopped
        )

    @property
    def prefix(self) -> str:
        """The prefix with the program's line endings."""
        return with_ending(self.request.get("prefix") or "", self.ending)

    @property
    def suffix(self) -> str:
        """The suffix with the program's line endings."""
        return with_ending(self.request.get("suffix") or "", self.ending)

    @property
    def over(self) -> bool:
        """Return whether it has ended, failed or been stopped."""
        return self.stopped or (self.progress is not None and self.progress.last is not None)

    @property
    def recording(self) -> Recording | None:
        """The recording, once it has ended by itself or was stopped."""
        if self.progress is None or self.prompt is None:
            return None
        last = self.progress.last
        if last is None and self.stopped:
            self.progress.refresh()
            last = CancelledEvent(**vars(self.progress.completion))
        if not isinstance(last, DoneEvent | CancelledEvent):
            return None
        request = parse_request(self.request, LONGEST)
        return Recording(request, self.ending, self.prompt, tuple(self.progress.tokens), last)

    @property
    def middle(self) -> str:
        if self.cut is not None:
            return self.cut
        if self.progress is None:
            return ""
        if isinstance(self.progress.last, DoneEvent | CancelledEvent):
            return self.progress.completion.middle or ""
        return "".join(token.text for token in self.progress.tokens if not token.past_end)

    @property
    def error(self) -> PlaygroundError | None:
        last = self.progress.last if self.progress else None
        return last.error() if isinstance(last, ErrorEvent) else None

    @property
    def ended(self) -> bool:
        ended = self.stopped or self.cut is not None
        return ended or bool(self.progress and self.progress.last)

    @property
    def unfinished(self) -> bool:
        """Return whether a limit ended it before the model did."""
        last = self.progress.last if self.progress else None
        return isinstance(last, DoneEvent) and last.stop_reason in ("time_limit", "max_length")

    @property
    def written(self) -> list[TokenEvent]:
        """The tokens that were not forced."""
        tokens = self.progress.tokens if self.progress else []
        return [token for token in tokens if not token.forced]

    def slim(self) -> None:
        """Drop what no view shows: Gradio keeps this while the page is open, and an hour longer."""
        if self.progress is not None:
            self.progress.tokens = [
                replace(token, alternatives=()) for token in self.progress.tokens
            ]

    def speed(self) -> float | None:
        """Return tokens per second: the engine's figure at the end, the page's estimate until then."""
        if self.progress is None:
            return None
        known = self.progress.completion.tokens_per_s
        if known is not None or isinstance(self.progress.last, DoneEvent):
            return known
        count = len(self.written)
        if count < LEAST_TOKENS or self.first_token_s is None or self.seen_s <= self.first_token_s:
            return None
        return (count - 1) / (self.seen_s - self.first_token_s)

    def limit_left_s(self) -> float:
        """Return the seconds left of its time limit."""
        begun_s = self.seen_s if self.begun_s is None else self.begun_s
        return max(0.0, begun_s + self.time_limit_s - self.seen_s)

    def room_left(self) -> int:
        """Return the tokens left of `max_length`, once the prompt is known."""
        if self.progress is None or self.progress.prompt is None:
            return 0
        prompt = self.progress.prompt
        return max(0, prompt.max_length - prompt.prompt_tokens - len(self.progress.tokens))


def dotted(parts: Iterable[str]) -> str:
    """Join the parts of a line, already HTML, with dots."""
    return '<i class="dot"> · </i>'.join(f"<span>{part}</span>" for part in parts)


# The line under the middle


def caption(run: Run | None, language: Language) -> str:
    """Return the line under the middle: stop reason, tokens, speed; it is always present."""
    if run is None:
        key = "<kbd>Ctrl</kbd>+<kbd>Enter</kbd>"
        return _line("idle", [text("caption_idle", language, key=key)])
    if not run.ended:
        return _line("running", map(escape, doing(run, language)))
    stopped = run.stopped or run.cut is not None
    kind = "failed" if run.error else "stopped" if stopped else "done"
    kind += " unfinished" if run.unfinished else ""
    return _line(kind, [_reason(run, language), *_figures(run, language)])


def doing(run: Run, language: Language) -> list[str]:
    """Return what a run in progress is doing and how long that may take, in parts, as text.

    Every view that shows a run uses this text.
    """
    parts = [_doing(run, language)]
    progress = run.progress
    if progress and not progress.tokens and (left_s := progress.prefill_left_s) is not None:
        parts.append(text("caption_prefill_left", language, seconds=f"{ceil(left_s):,}"))
    compiling = run.warm is not None and run.warm < 1
    if compiling and progress and progress.prompt and not progress.tokens:
        parts.append(text("caption_compiling", language, share=f"{run.warm:.0%}"))
    return [*parts, *_figures(run, language), *_left(run, language)]


def _doing(run: Run, language: Language) -> str:
    if run.middle or (run.progress and run.progress.tokens):
        return text("caption_scoring" if run.request.get("score") else "caption_writing", language)
    if run.progress and run.progress.prompt:
        return _prefilling(run.progress, language)
    if run.ahead:
        return text("caption_queued", language, ahead=run.ahead)
    if run.waits_for:
        return text("caption_waiting_for", language, what=run.waits_for)
    return text("caption_waiting", language)


def _figures(run: Run, language: Language) -> list[str]:
    """Return the number of tokens, the speed and the time to first token."""
    parts = []
    count = len(run.progress.tokens) if run.progress else 0
    if count:
        parts.append(
            text("token", language) if count == 1 else text("tokens", language, count=count)
        )
    speed = run.speed()
    if speed is not None:
        parts.append(text("speed", language, speed=durations.speed(speed)))
    return [*parts, *_first_token(run, language)]


def _first_token(run: Run, language: Language) -> list[str]:
    """Return the time to first token, and the time in the queue before that."""
    ttft_s = run.progress.completion.ttft_s if run.progress else None
    if ttft_s is None and run.first_token_s is not None and run.begun_s is not None:
        ttft_s = run.first_token_s - run.begun_s
        # The page is not updated more often; the engine reports the exact figure at the end.
        if ttft_s < UPDATE_INTERVAL_S:
            return []
    if ttft_s is None:
        return []
    values = {"seconds": durations.seconds(ttft_s)}
    queued_s = 0.0 if run.begun_s is None else run.begun_s - run.arrived_s
    if queued_s < TOLD_QUEUE_S:
        return [text("first_token", language, **values)]
    return [text("first_token_queued", language, **values, queued=durations.seconds(queued_s))]


def _left(run: Run, language: Language) -> list[str]:
    """Return how long a run may still take; in the queue, about how long until its turn."""
    speed = run.speed()
    if run.ahead and run.wait_s is not None:
        return [text("about", language, time=durations.about(run.wait_s, language))]
    by_limit_s = run.limit_left_s()
    most_s = most_left_s(run.room_left(), speed, by_limit_s)
    if speed is None or most_s is None or not run.written:
        return []
    time_left = durations.about(most_s, language)
    if most_s < by_limit_s:
        return [text("at_most_left", language, time=time_left)]
    more = max(1, round(speed * most_s))
    return [text("limit_left", language, time=time_left, count=more)]


def _reason(run: Run, language: Language) -> str:
    if run.error:
        return text("stop_error", language)
    if run.cut is not None:
        return text("stop_cut", language)
    if run.gave_way:
        return text("stop_gave_way", language)
    if run.stopped or run.progress is None or isinstance(run.progress.last, CancelledEvent):
        return text("stop_you", language)
    completion = run.progress.completion
    if completion.stop_reason == "stop_token":
        if not completion.stop_token:
            return text("stop_unnamed", language)
        return f"{text('stop_token', language)} {_control(completion.stop_token)}"
    return text(f"stop_{completion.stop_reason}", language)


def _prefilling(progress: Progress, language: Language) -> str:
    if progress.prefill is not None:
        done, total = progress.prefill.prefilled_tokens, progress.prefill.total_tokens
        return text("caption_prefilling", language, done=f"{done:,}", total=f"{total:,}")
    count = progress.completion.prompt_tokens or 0
    return text("caption_prefill", language, count=f"{count:,}")


def _line(kind: str, parts: Iterable[str]) -> str:
    return f'<div class="caption {kind}">{dotted(parts)}</div>'


# Panes


def _control(token: str) -> str:
    return f'<code class="role control">{escape(token)}</code>'


def _role(role: str, value: str) -> str:
    return f'<span class="role {role}">{escape(value)}</span>' if value else ""


def _pane(
    name: str, body: str, language: Language, roles: Iterable[str], ending: str = "LF"
) -> str:
    """Return a pane with its legend and copy button; `copying.js` copies from the `pre`."""
    legend = "".join(
        f'<li class="{role}">{escape(text(f"legend_{role}", language))}</li>' for role in roles
    )
    copied, by_hand = escape(text("copied", language)), escape(template("copy_by_hand", language))
    buttons = (
        f'<button type="button" data-copy="{copied}" data-by-hand="{by_hand}">'
        f"{escape(text('copy', language))}</button>"
    )
    if name == "program":
        download = escape(text("download", language))
        buttons += f'<button type="button" data-download="program.txt">{download}</button>'
    title = escape(text(name, language))
    return (
        f'<div class="pane"><h2 class="unseen">{title}</h2>'
        f'<div class="pane-head"><ul class="legend">{legend}</ul>'
        f'<div class="pane-buttons">{buttons}</div></div><p class="copy-hint" role="status"></p>'
        f'<pre tabindex="0" aria-label="{title}" data-ending="{escape(ending)}"><code>{body}</code></pre>'
        "</div>"
    )


def empty_pane(name: str, language: Language) -> str:
    """Return a pane before there is anything to show."""
    title, says = escape(text(name, language)), escape(text(f"{name}_empty", language))
    return f'<div class="pane empty"><h2 class="unseen">{title}</h2><p>{says}</p></div>'


def program(run: Run | None, language: Language) -> str:
    """Return the spliced program, the middle marked; copies use the line ending in the `pre`'s
    data-ending."""
    if run is None:
        return empty_pane("program", language)
    middle = _role("middle", run.middle)
    if not run.ended:
        middle += '<span class="cursor"></span>'
    body = _role("prefix", run.prefix) + middle + _role("suffix", run.suffix)
    return _pane("program", body, language, ("prefix", "middle", "suffix"), run.ending)


def raw_prompt(run: Run | None, language: Language) -> str:
    """Return the prompt; only real control tokens are marked, not their names typed by a user."""
    if run is None or run.prompt is None:
        return empty_pane("raw_prompt", language)
    body = "".join(
        _control(part.text) if part.role == "control" else _role(part.role, part.text)
        for part in run.prompt.segments
    )
    known = {part.role for part in run.prompt.segments}
    roles = [role for role in ("path", "context") if role in known]
    return _pane("raw_prompt", body, language, (*roles, "control", "prefix", "suffix"))


def raw_output(run: Run | None, language: Language) -> str:
    """Return all generated text, with stop tokens marked, and what was requested past the first one."""
    if run is not None and run.cut:
        return _pane("raw_output", _role("middle", run.cut), language, ("middle",))
    if run is None or run.progress is None or not run.progress.tokens:
        return empty_pane("raw_output", language)
    completion = run.progress.completion
    ended = isinstance(run.progress.last, DoneEvent | CancelledEvent)
    output = completion.raw_output or ""
    body, roles = _role("middle", run.middle), ["middle"]
    stop = completion.stop_token if ended else None
    cut = ended and not stop and len(output) > len(run.middle)  # before a stop string
    if not cut:
        roles.append("control")
    if stop:
        body += _control(stop)
        past, last = output[len(run.middle) + len(stop) :], run.progress.tokens[-1].piece
        if past:
            ends = completion.stop_reason == "stop_token"
            body += _role("past", past.removesuffix(last) if ends else past)
            body += _control(last) if ends else ""
            roles.append("past")
    elif cut:
        body += _role("past", output[len(run.middle) :])
        roles.append("past")
    return _pane("raw_output", body, language, roles)


# The sum, notices, the footer


_TOO_LONG = {
    "prefix": ("prefix_too_long", fim.MAX_SIDE_CHARACTERS),
    "suffix": ("suffix_too_long", fim.MAX_SIDE_CHARACTERS),
    "files": ("files_too_long", MAX_FILES_CHARACTERS),
}
"""Texts that may be too long: the key of the message, and the maximum number of characters."""


def token_sum(
    prompt: Prompt,
    max_length: int,
    language: Language,
    *,
    characters: Mapping[str, int] | None = None,
    trained: bool = True,
    tokens_per_s: float | None = None,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
) -> str:
    """Return `prompt 22 + room 106 = 128`, how much was cut, and whether the model knows the prompt's order.

    Args:
        characters: of `prefix`, `suffix` and `files` on the page. If one has more than a completion takes,
            nothing is cut, and a message says so.
        tokens_per_s: speed of the last completion, if any.
        time_limit_s: of a completion; mentioned if it allows less than the room.
    """
    used = len(prompt.token_ids)
    numbers = {
        "prompt": f"<b>{used:,}</b>",
        "room": f"<b>{max_length - used:,}</b>",
        "total": f"<b>{max_length:,}</b>",
    }
    line = f'<div class="sum" aria-live="off">{text("sum", language, **numbers)}</div>'
    too_long = {
        name: count for name, count in (characters or {}).items() if count > _TOO_LONG[name][1]
    }
    for name, count in too_long.items():
        key, limit = _TOO_LONG[name]
        refused = text(key, language, count=f"{count:,}", limit=f"{limit:,}")
        line += f'<div class="trimmed">{escape(refused)}</div>'
    trimmed = {
        "trimmed_prefix": prompt.trimmed_prefix_tokens,
        "trimmed_suffix": prompt.trimmed_suffix_tokens,
    }
    for key, count in trimmed.items():
        if count and not too_long:
            cut = text(key, language, count=f"{count:,}")
            line += f'<div class="trimmed">{escape(cut)}</div>'
    if tokens_per_s is not None and tokens_per_s * time_limit_s < max_length - used:
        allowed = text(
            "limit_allows",
            language,
            speed=durations.speed(tokens_per_s),
            limit=f"{time_limit_s:g}",
            count=f"{_rounded(tokens_per_s * time_limit_s):,}",
        )
        line += f'<div class="trimmed">{escape(allowed)}</div>'
    if not trained:
        line += f'<div class="trimmed">{escape(text("spm_untrained", language))}</div>'
    return line


def _rounded(count: float) -> int:
    """Return an estimate, rounded to tens from 20 up."""
    return max(1, round(count)) if count < 20 else 10 * round(count / 10)


def error_notice(
    error: PlaygroundError,
    language: Language,
    *,
    failed: str = "",
    remaining: str = "",
    dismissable: bool = False,
) -> str:
    """Return an error and its hint; a translation precedes the engine's English details.

    Args:
        failed: the choice that could not be loaded.
        remaining: the choice that serves all the same.
        dismissable: `static/dismiss.js` takes the notice away.
    """
    title, translated = error_title(error.code, language), error_hint(error.code, language)
    if failed:
        title = text("not_loaded", language, name=failed, reason=title)
    paragraphs = [f"<p>{escape(translated)}</p>"] if translated else []
    paragraphs.append(f"<p>{linked(error.message)}</p>")
    if error.hint:
        paragraphs.append(f'<p class="hint">{linked(error.hint)}</p>')
    if remaining:
        keeps = text("still_serving", language, name=remaining)
        paragraphs.append(f"<p>{escape(keeps[0].upper() + keeps[1:])}.</p>")
    button = ""
    if dismissable:
        label = escape(text("dismiss", language))
        button = (
            f'<button type="button" class="dismiss" data-dismiss aria-label="{label}" '
            f'title="{label}">\u00d7</button>'
        )
    return (
        f'<div class="notice error" role="alert" data-code="{escape(error.code)}">{button}'
        f"<strong>{escape(title)}</strong>{''.join(paragraphs)}</div>"
    )


def linked(message: str) -> str:
    """Return a text as HTML, with its web addresses as links."""
    return _ADDRESS.sub(
        r'<a href="\g<0>" target="_blank" rel="noopener noreferrer">\g<0></a>', escape(message)
    )


_ADDRESS = re.compile(r"https://[\w./~%?=&;#+-]*[\w/]")
"""In escaped text. A full stop or comma behind an address is none of it."""


def install_notice(name: str, command: str, language: Language) -> str:
    """Return the pip command of a backend that is not installed."""
    message = escape(text("install", language, name=name))
    return f'<div class="notice"><p>{message}</p><pre><code>{escape(command)}</code></pre></div>'


def notice(message: str) -> str:
    """Return a notice, such as one about converted line endings."""
    return f'<div class="notice"><p>{escape(message)}</p></div>' if message else ""


def advice(message: str) -> str:
    """Return advice on the loaded model, less prominent than a notice."""
    return f'<p class="notice advice">{escape(message)}</p>'


def cut_notice(written: bool, language: Language) -> str:
    """Return the notice of a completion cut off by a reload; `static/restore.js` handles its button."""
    if not written:
        return notice(text("cut_early", language))
    message, more = escape(text("cut", language)), escape(text("cut_write_on", language))
    button = f'<button type="button" class="act" data-write-on>{more}</button>'
    return f'<div class="notice"><p>{message}</p><p>{button}</p></div>'


def footer(preset: presets.Preset | None, language: Language) -> str:
    """Return links to Google's terms, while a CodeGemma model is chosen."""
    if preset is None or not preset.codegemma:
        return ""
    links = " · ".join(
        f'<a href="{address}" target="_blank" rel="noopener noreferrer">{escape(text(key, language))}</a>'
        for key, address in (
            ("gemma_terms", presets.GEMMA_TERMS),
            ("gemma_policy", presets.GEMMA_POLICY),
        )
    )
    return f'<p class="terms">{escape(text("gemma", language))} {links}</p>'


def summary(value: str | None, language: Language) -> str:
    """Return the output of the model's `summary()`."""
    if not value:
        return f"<p>{escape(text('summary_empty', language))}</p>"
    title = escape(text("summary", language))
    return f'<pre class="summary" tabindex="0" aria-label="{title}">{escape(value)}</pre>'
