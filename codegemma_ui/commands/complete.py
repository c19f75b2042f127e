"""`python -m codegemma_ui complete`: one middle, streamed to stdout as text or as events."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import sys
from collections.abc import Mapping
from pathlib import Path

from codegemma_ui import settings
from codegemma_ui.client import coming_up
from codegemma_ui.client.client import EngineClient
from codegemma_ui.commands import text_files
from codegemma_ui.commands.main import BAD_INPUT, CANCELLED, DONE, ENGINE_ERROR
from codegemma_ui.errors import BadInput, sentences
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
from codegemma_ui.machine import interrupts
from codegemma_ui.ui import advice

_REQUEST_FIELDS = (
    *("max_length", "temperature", "top_k", "top_p", "seed", "layout", "score", "path"),
    "stop_on_repetition",
)


def run(parsed: argparse.Namespace) -> int:
    """Complete once; returns the exit code."""
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
        _show(ErrorEvent.of(error), parsed.json)
        return BAD_INPUT
    client.start()
    try:
        return asyncio.run(_stream(client, raw, parsed.json))
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


async def _stream(client: EngineClient, raw: Mapping[str, object], as_json: bool) -> int:
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        client.cancel()
        waiting.cancel()

    async def consume() -> int:
        prefill = _PrefillLine()
        async for event in client.complete(raw):
            if not as_json and sys.stderr.isatty():
                prefill.show(event)
            if interrupted and not isinstance(event, CancelledEvent | ErrorEvent):
                client.cancel()
            _show(event, as_json)
            if isinstance(event, ErrorEvent):
                return BAD_INPUT if event.code == BadInput.code else ENGINE_ERROR
            if isinstance(event, CancelledEvent):
                return CANCELLED
        return DONE

    async def come_up() -> None:
        """Waits for the model apart from the stream, so that Ctrl+C can end it while loading."""
        with coming_up.Line() as line:
            while (status := client.status()).state not in ("ready", "failed"):
                line.show(status)
                await asyncio.sleep(0.02)
        for said in advice.sentences(status.narrowed, status.backend, status.faster_backend):
            print(said, file=sys.stderr)

    waiting = asyncio.create_task(come_up())
    interrupts.call_on(interrupts.ENDING, interrupt)
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    if interrupted:
        _show(CancelledEvent(), as_json)
        return CANCELLED
    return await consume()


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
