"""`python -m codegemma_ui complete`: one middle, streamed to stdout as text or as events."""

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
from codegemma_ui.commands.shell import Cancelled, Commands, Told
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
    "stop_on_repetition",
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
        ("--seed", int, "repeat a sample"),
    ):
        parser.add_argument(name, type=kind, default=None, help=text)
    parser.add_argument("--layout", choices=fim.LAYOUTS, help="prompt order; default psm")
    parser.add_argument("--path", help="of the file that is written, for the model to read")
    parser.add_argument(
        "--context-file",
        metavar="FILE",
        action="append",
        help="another file of the project, for the model to read before; may be repeated",
    )
    forced = parser.add_mutually_exclusive_group()
    forced.add_argument("--forced", metavar="TEXT", help="the middle begins with this")
    forced.add_argument(
        "--forced-ids", metavar="ID,ID…", help="the same as token ids, stop tokens among them"
    )
    parser.add_argument(
        "--score", action="store_true", help="tell how likely what is forced is; write nothing"
    )
    parser.add_argument(
        "--no-stop-on-repetition",
        dest="stop_on_repetition",
        action="store_false",
        help="go on where the model writes the same again and again",
    )
    parser.add_argument("--json", action="store_true", help="one event a line")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Complete once.

    Raises:
        Told: what went wrong, which an event has said.
        Cancelled: a signal ended it.
    """
    console.log_errors_only()
    # The middle is bytes of a program: no newline translation, UTF-8 whatever the locale says.
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
        parse_request(raw, client.status().context_length)  # before seconds are spent on loading
    except BadInput as error:
        raise _told(error, parsed.json) from error
    client.start()
    try:
        asyncio.run(_stream(client, raw, parsed.json))
    finally:
        client.close()


def parsed_model(parsed: argparse.Namespace) -> argparse.Namespace:
    """Only the model's flags: `--max-length` here is the request's, not the page's slider."""
    return argparse.Namespace(
        **{name: value for name, value in vars(parsed).items() if name not in _REQUEST_FIELDS}
    )


def _side(parsed: argparse.Namespace, name: str) -> str:
    """The text of a side. A byte-order mark at its head stays at the program's head alone."""
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
        raise BadInput(f"--forced-ids must be numbers with commas. Received: {ids!r}") from error


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
                raise Told(event.error())
            if isinstance(event, CancelledEvent):
                raise Cancelled

    async def come_up() -> None:
        """Waits for the model apart from the stream, so that Ctrl+C can end it while loading."""
        with coming_up.Line() as line:
            for status in coming_up.statuses(client):
                line.show(status)
                await asyncio.sleep(coming_up.LOOK_S)
        status = client.status()
        for said in advice.sentences(status.narrowed, status.backend, status.faster_backend):
            print(said, file=sys.stderr)

    waiting = asyncio.create_task(come_up())
    interrupts.call_on(interrupts.ENDING, interrupt)
    try:
        await waiting
    except PlaygroundError as error:
        raise _told(error, as_json) from error
    except asyncio.CancelledError:
        if not interrupted:
            raise
    if interrupted:
        _show(CancelledEvent(), as_json)
        raise Cancelled
    await consume()


def _told(error: PlaygroundError, as_json: bool) -> Told:
    """Tell of an error as an event is told."""
    _show(ErrorEvent.of(error), as_json)
    return Told(error)


class _PrefillLine:
    """How far the prefill is, in one line on stderr, which the next event takes away."""

    def __init__(self) -> None:
        self._width = 0

    def show(self, event: Event) -> None:
        """Write it, or take it away."""
        said = ""
        if isinstance(event, PrefillEvent):
            said = f"Prefilling: {event.prefilled_tokens:,} of {event.total_tokens:,} tokens"
        elif not self._width:
            return
        end = "" if said else "\r"
        print(f"\r{said.ljust(self._width)}", end=end, file=sys.stderr, flush=True)
        self._width = len(said)


def _show(event: Event, as_json: bool) -> None:
    if as_json:
        print(to_json(event_to_dict(event)), flush=True)
    elif isinstance(event, TokenEvent) and not event.past_end:
        print(event.text, end="", flush=True)
    elif isinstance(event, DoneEvent) and event.stop_reason == "time_limit":
        said = f"not finished: the time limit ended it after {event.completion_tokens} tokens"
        print(f"\n{said}; --time-limit raises it", file=sys.stderr)
    elif isinstance(event, ErrorEvent):
        print(f"error: {sentences(event.message, event.hint)}", file=sys.stderr)
