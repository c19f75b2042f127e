"""`python -m codegemma_ui complete`: one completion, streamed to stdout as text or as events."""

from __future__ import annotations

import argparse
import asyncio
import io
import sys
from collections.abc import Mapping
from pathlib import Path

from codegemma_ui import fim, settings
from codegemma_ui.client import coming_up
from codegemma_ui.client.client import EngineClient
from codegemma_ui.commands import text_files
from codegemma_ui.commands.shell import Cancelled, Commands, Reported
from codegemma_ui.errors import BadInput, PlaygroundError, sentences
from codegemma_ui.fim import BYTE_ORDER_MARK
from codegemma_ui.ipc.messages import (
    CancelledEvent,
    DoneEvent,
    ErrorEvent,
    Event,
    PrefillEvent,
    TokenEvent,
    event_to_dict,
    parse_request,
    to_json,
)
from codegemma_ui.machine import console, interrupts
from codegemma_ui.ui import advice

_REQUEST_FIELDS = (
    *("max_length", "temperature", "top_k", "top_p", "seed", "layout", "score", "path"),
    *("stop_on_repetition", "one_line", "stop"),
)


def add_parser(commands: Commands) -> None:
    """Add `complete` with its flags."""
    parser = commands.add_parser("complete", help="fill in one middle, streamed to stdout")
    for side in ("prefix", "suffix"):
        source = parser.add_mutually_exclusive_group()
        source.add_argument(f"--{side}", metavar="TEXT", help="- reads stdin; default empty")
        source.add_argument(f"--{side}-file", metavar="FILE", help="- reads stdin")
    settings.add_model_flags(parser)
    for name, kind, text in (
        ("--max-length", int, "prompt and middle together, in tokens"),
        ("--temperature", float, "0 is greedy"),
        ("--top-k", int, "0 is off"),
        ("--top-p", float, "1 is off"),
        ("--seed", int, "makes sampling repeatable"),
    ):
        parser.add_argument(name, type=kind, default=None, help=text)
    parser.add_argument("--layout", choices=fim.LAYOUTS, help="prompt order; default psm")
    parser.add_argument("--path", help="path of the edited file, shown to the model")
    parser.add_argument(
        "--context-file",
        metavar="FILE",
        action="append",
        help="another file of the project, shown to the model first; may be repeated",
    )
    forced = parser.add_mutually_exclusive_group()
    forced.add_argument("--forced", metavar="TEXT", help="the middle begins with this")
    forced.add_argument(
        "--forced-ids", metavar="ID,ID…", help="the same as token ids, including stop tokens"
    )
    parser.add_argument(
        "--score",
        action="store_true",
        help="report the probabilities of forced tokens; generate nothing",
    )
    parser.add_argument(
        "--no-stop-on-repetition",
        dest="stop_on_repetition",
        action="store_false",
        help="continue even if the model repeats itself",
    )
    parser.add_argument(
        "--one-line", action="store_true", help="end before the first line break after text"
    )
    parser.add_argument(
        "--stop",
        metavar="TEXT",
        action="append",
        help="end before this text; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="one event per line")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Complete once.

    Raises:
        Reported: a failure, which an event has already reported.
        Cancelled: a signal ended it.
    """
    console.log_errors_only()
    # The middle is part of a program: no newline translation, and UTF-8 whatever the locale.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="")
    try:
        chosen = settings.resolve(parsed_model(parsed))
        raw: dict[str, object] = {name: getattr(parsed, name) for name in _REQUEST_FIELDS}
        raw["prefix"], raw["suffix"] = _side(parsed, "prefix"), _side(parsed, "suffix")
        raw["forced"] = _forced(parsed)
        raw["files"] = [
            {"path": file, "text": _read("--context-file", file).removeprefix(BYTE_ORDER_MARK)}
            for file in parsed.context_file or ()
        ]
        client = EngineClient(chosen)
        parse_request(raw, client.status().context_length)  # before spending seconds on loading
    except BadInput as error:
        raise _reported(error, parsed.json) from error
    client.start()
    try:
        asyncio.run(_stream(client, raw, parsed.json))
    finally:
        client.close()


def parsed_model(parsed: argparse.Namespace) -> argparse.Namespace:
    """Keep only the model's flags: `--max-length` here is the request's, not the page's slider."""
    return argparse.Namespace(
        **{name: value for name, value in vars(parsed).items() if name not in _REQUEST_FIELDS}
    )


def _side(parsed: argparse.Namespace, name: str) -> str:
    """Return the text of a side. A byte-order mark is kept at the start of the program only."""
    text = _given(parsed, name)
    return text if name == "prefix" else text.removeprefix(BYTE_ORDER_MARK)


def _given(parsed: argparse.Namespace, name: str) -> str:
    text: str | None = getattr(parsed, name)
    file: str | None = getattr(parsed, f"{name}_file")
    if text == "-" or file == "-":
        both = [getattr(parsed, one) for one in ("prefix", "suffix", "prefix_file", "suffix_file")]
        if both.count("-") > 1:
            raise BadInput("Only one side can be read from stdin. Received: - for both")
        return text_files.decode(sys.stdin.buffer.read(), "stdin")
    return text or "" if file is None else _read(f"--{name}-file", file)


def _read(flag: str, file: str) -> str:
    try:
        return text_files.decode(Path(file).read_bytes(), file)
    except OSError as error:
        raise BadInput(f"{flag} must be a readable file. Received: {error}") from error


def _forced(parsed: argparse.Namespace) -> str | list[int] | None:
    ids: str | None = parsed.forced_ids
    if ids is None:
        text: str | None = parsed.forced
        return text
    try:
        return [int(one) for one in ids.split(",") if one.strip()]
    except ValueError as error:
        raise BadInput(
            f"--forced-ids must be numbers separated by commas. Received: {ids!r}"
        ) from error


async def _stream(client: EngineClient, raw: Mapping[str, object], as_json: bool) -> None:
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        client.cancel()
        waiting.cancel()

    async def consume() -> None:
        prefill = _PrefillLine()
        async for event in client.complete(raw):
            if not as_json and sys.stderr.isatty():
                prefill.show(event)
            if interrupted and not isinstance(event, CancelledEvent | ErrorEvent):
                client.cancel()
            _show(event, as_json)
            if isinstance(event, ErrorEvent):
                raise Reported(event.error())
            if isinstance(event, CancelledEvent):
                raise Cancelled

    async def wait_for_model() -> None:
        """Wait for the model separately from the stream, so that Ctrl+C works while loading."""
        with coming_up.Line() as line:
            for status in coming_up.statuses(client):
                line.show(status)
                await asyncio.sleep(coming_up.LOOK_S)
        status = client.status()
        for sentence in advice.sentences(status.narrowed, status.backend, status.faster_backend):
            print(sentence, file=sys.stderr)

    waiting = asyncio.create_task(wait_for_model())
    interrupts.call_on(interrupts.ENDING, interrupt)
    try:
        await waiting
    except PlaygroundError as error:
        raise _reported(error, as_json) from error
    except asyncio.CancelledError:
        if not interrupted:
            raise
    if interrupted:
        _show(CancelledEvent(), as_json)
        raise Cancelled
    await consume()


def _reported(error: PlaygroundError, as_json: bool) -> Reported:
    """Report an error in the form of an event."""
    _show(ErrorEvent.of(error), as_json)
    return Reported(error)


class _PrefillLine:
    """Progress of the prefill in one line on stderr, which the next event clears."""

    def __init__(self) -> None:
        self._width = 0

    def show(self, event: Event) -> None:
        """Show or clear it."""
        line = ""
        if isinstance(event, PrefillEvent):
            line = f"Prefilling: {event.prefilled_tokens:,} of {event.total_tokens:,} tokens"
        elif not self._width:
            return
        end = "" if line else "\r"
        print(f"\r{line.ljust(self._width)}", end=end, file=sys.stderr, flush=True)
        self._width = len(line)


def _show(event: Event, as_json: bool) -> None:
    if as_json:
        print(to_json(event_to_dict(event)), flush=True)
    elif isinstance(event, TokenEvent) and not event.past_end:
        print(event.text, end="", flush=True)
    elif isinstance(event, DoneEvent) and event.stop_reason == "time_limit":
        line = f"not finished: the time limit ended it after {event.completion_tokens} tokens"
        print(f"\n{line}; --time-limit raises it", file=sys.stderr)
    elif isinstance(event, ErrorEvent):
        print(f"error: {sentences(event.message, event.hint)}", file=sys.stderr)
