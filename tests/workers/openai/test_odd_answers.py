"""Responses in every format that servers use: the text is complete, and the end is detected."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from codegemma_ui.ipc.messages import DoneEvent, StopReason, TokenEvent
from codegemma_ui.settings import RemoteServer
from codegemma_ui.workers.openai.abilities import Abilities
from codegemma_ui.workers.openai.failures import readable
from codegemma_ui.workers.openai.finish import reason_of
from codegemma_ui.workers.openai.server import ServedModel
from tests.workers.openai.asking import ask

from .odd_server import Odd, odd_server

REQUEST: dict[str, Any] = {"prefix": "import ", "suffix": "\nsys.exit(0)\n", "max_length": 64}
DONE = "[DONE]"

TEXT_ALONE = Abilities(
    model=ServedModel("odd"),
    extras=False,
    logprobs=True,
    same_vocabulary=None,
    token_ids=False,
    score=False,
    counted=None,
)


def answered(odd: Odd, **given: Any) -> list[Any]:
    """Return the events of a request; an exception replaces those of a request that it ended."""
    with odd_server(odd) as url:
        place = RemoteServer(url, **({"timeout_s": 5.0, "retries": 0} | given))
        return ask(place, REQUEST, can=TEXT_ALONE).events[0]


def whole(odd: Odd, **given: Any) -> DoneEvent:
    done = answered(odd, **given)[-1]
    assert isinstance(done, DoneEvent), done
    return done


def piece(text: str | None, finish: object = None, **more: object) -> dict[str, Any]:
    return {"choices": [{"text": text, "index": 0, "finish_reason": finish, **more}]}


def lines(*events: object, end: str = "\n\n") -> bytes:
    """Return a stream of these events, each an object or a text sent unchanged."""
    told = (one if isinstance(one, str) else json.dumps(one) for one in events)
    return "".join(f"data: {one}{end}" for one in told).encode()


SYS = (piece("sy"), piece("s"))
STOP = piece("", "stop")


# Reasons


@pytest.mark.parametrize(
    ("finish", "expected"),
    [
        (None, None),
        *((name, None) for name in ("", " ", "null", "None")),
        *((name, "max_length") for name in ("length", "max_tokens", "LENGTH")),
        *((name, "stop_token") for name in ("stop", "eos", "eos_token", "stop_sequence")),
        *((name, "stop_token") for name in ("end_turn", "STOP")),
        *((name, "server") for name in ("content_filter", "abort", "tool_calls", "soon")),
        *((odd, "server") for odd in (7, True, {"type": "stop"}, ["stop"])),
    ],
)
def test_a_reason_in_our_words(finish: object, expected: StopReason | None) -> None:
    assert reason_of(finish) == expected


@pytest.mark.parametrize("waiting", ["", "null", None, "stop", "abort"])
def test_a_reason_in_every_piece_ends_nothing_before_the_end(waiting: object) -> None:
    pieces = [piece(text, waiting) for text in ("sy", "s")]
    done = whole(Odd(body=lines(*pieces, STOP, DONE)))
    assert (done.middle, done.stop_reason) == ("sys", "stop_token")


@pytest.mark.parametrize("finish", ["content_filter", "abort", "tool_calls", "whatever"])
def test_an_unknown_reason_costs_no_text(finish: str) -> None:
    done = whole(Odd(pieces=("sy", "s"), finish=finish))
    assert (done.middle, done.stop_reason, done.stop_token) == ("sys", "server", None)
    assert done.program == "import sys\nsys.exit(0)\n"


def test_text_in_the_same_piece_as_the_reason_and_behind_it() -> None:
    body = lines(piece("s", "eos"), piece("y"), piece("s", "eos"), STOP, STOP, DONE)
    done = whole(Odd(body=body))
    assert (done.middle, done.stop_reason) == ("sys", "stop_token")


@pytest.mark.parametrize("stops", [True, False])
def test_what_repeats_itself_is_stopped_where_that_is_wanted(stops: bool) -> None:
    line = "self.kwargs = kwargs\n"
    request = {**REQUEST, "max_length": 512, "stop_on_repetition": stops}
    with odd_server(Odd(pieces=(line,) * 30)) as url:
        events = ask(RemoteServer(url, retries=0), request, can=TEXT_ALONE).events[0]
    done = events[-1]
    assert isinstance(done, DoneEvent)
    if not stops:
        assert (done.middle, done.stop_reason) == (line * 30, "stop_token")
        return
    assert done.stop_reason == "repetition"
    assert (line * 30).startswith(done.middle or "")
    assert 300 <= len(done.middle or "") < 400


def test_done_without_a_reason_is_an_end() -> None:
    done = whole(Odd(body=lines(*SYS, DONE)))
    assert (done.middle, done.stop_reason) == ("sys", "server")


def test_neither_is_a_broken_connection() -> None:
    events = answered(Odd(body=lines(*SYS)))
    assert readable(events[-1]).code == "server_broke_off"
    assert "".join(event.text for event in events if isinstance(event, TokenEvent)) == "sys"


@pytest.mark.parametrize("odd", [Odd(body=lines(*SYS, STOP)), Odd(body=lines(*SYS, STOP), stays=9)])
def test_an_end_without_done_is_not_waited_for(odd: Odd) -> None:
    started = time.monotonic()
    assert whole(odd).middle == "sys"
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("behind", [b"data: {not json\n\n", lines({"error": "too late"})])
def test_what_fails_behind_the_end_takes_nothing_from_it(behind: bytes) -> None:
    done = whole(Odd(body=lines(*SYS, STOP) + behind))
    assert (done.middle, done.stop_reason) == ("sys", "stop_token")


# Pieces

USAGE = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}


@pytest.mark.parametrize(
    "pieces",
    [
        [piece("sy"), USAGE, piece("s"), STOP, USAGE],
        [{"choices": None}, {}, *SYS, STOP],
        [{"choices": [{"text": "sys"}]}, {"choices": [{"finish_reason": "stop"}]}],
        [piece(None), *SYS, piece(None, "stop")],
        [
            {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
            {"choices": [{"index": 0, "delta": {"content": "sys"}, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        ],
    ],
    ids=["usage", "no choices", "no index", "no text", "delta"],
)
def test_pieces_that_lack_something(pieces: list[dict[str, Any]]) -> None:
    done = whole(Odd(body=lines(*pieces, DONE)))
    assert (done.middle, done.stop_reason) == ("sys", "stop_token")


@pytest.mark.parametrize(
    "logprobs",
    [
        {},
        [],
        [-0.5],
        "none",
        {"tokens": ["sys"]},
        {"tokens": ["sys"], "token_logprobs": []},
        {"tokens": ["sys"], "token_logprobs": [-0.5, -1.0], "top_logprobs": [{}]},
        {"tokens": ["sys"], "token_logprobs": [None], "top_logprobs": [None]},
        {"tokens": ["sys"], "token_logprobs": ["a"], "top_logprobs": None},
        {"tokens": ["sys"], "token_logprobs": [-0.5], "top_logprobs": [["os"]]},
        {"tokens": [None], "token_logprobs": [-0.5]},
        {"tokens": ["other"], "token_logprobs": [-0.5]},
        {"content": [{"logprob": -0.5}]},
        {"content": 3},
    ],
)
def test_log_probabilities_that_cannot_be_read_cost_no_text(logprobs: object) -> None:
    done = whole(Odd(body=lines(piece("sys", logprobs=logprobs), STOP, DONE)))
    assert (done.middle, done.stop_reason, done.logprob) == ("sys", "stop_token", None)


def test_log_probabilities_as_a_chat_has_them() -> None:
    other = [{"token": "sys", "logprob": -0.5}, {"token": "os", "logprob": -2.0}]
    content = [{"token": "sys", "logprob": -0.5, "top_logprobs": other}]
    delta = {"choices": [{"delta": {"content": "sys"}, "logprobs": {"content": content}}]}
    _, token, done = answered(Odd(body=lines(delta, STOP, DONE)))
    assert (token.logprob, [one.text for one in token.alternatives]) == (-0.5, ["sys", "os"])
    assert (done.middle, done.logprob) == ("sys", -0.5)


def test_half_of_a_character_is_replaced() -> None:
    done = whole(Odd(body=lines('{"choices": [{"text": "s\\ud83d"}]}', STOP, DONE)))
    assert done.middle == "s\ufffd"


# Events


@pytest.mark.parametrize(
    "body",
    [
        lines(*SYS, STOP, DONE, end="\n"),
        lines(*SYS, STOP, DONE, end="\r\n\r\n"),
        lines(*SYS, STOP, DONE, end="\r\r"),
        lines(*SYS, STOP, DONE).replace(b"data: ", b"data:"),
        b"\xef\xbb\xbf" + lines(*SYS, STOP, DONE),
        b": ping\n\n" + lines(piece("sy")) + b": ping\n\ndata:\n\n" + lines(piece("s"), STOP, DONE),
        b"id: 1\nretry: 10\nevent: message\n" + lines(*SYS, STOP, DONE),
        b"event: ping\ndata: {}\n\n" + lines(*SYS, STOP, DONE),
        lines(*SYS, STOP, DONE)[:-2],
        lines(*SYS, json.dumps(STOP, indent=1).replace("\n", "\ndata: "), DONE),
        lines(*SYS, json.dumps(STOP, indent=1).replace("\n", "\r\ndata: "), DONE, end="\r\n\r\n"),
    ],
    ids=[
        *("no blank lines", "CRLF", "CR", "no space", "byte-order mark", "keep-alives"),
        *("all fields", "a named event", "no last line end", "several lines", "and with CRLF"),
    ],
)
def test_events_in_every_way_to_write_them(body: bytes) -> None:
    done = whole(Odd(body=body))
    assert (done.middle, done.stop_reason) == ("sys", "stop_token")


def test_a_line_break_of_unicode_is_text() -> None:
    body = lines('{"choices": [{"text": "s\u2028\u0085y"}]}', STOP, DONE)
    assert whole(Odd(body=body)).middle == "s\u2028\u0085y"


def test_bytes_that_are_no_unicode_cost_the_rest_nothing() -> None:
    body = b'data: {"choices": [{"text": "s\xff"}]}\n\n' + lines(STOP, DONE)
    assert whole(Odd(body=body)).middle == "s\ufffd"


def test_an_answer_in_one_piece_where_a_stream_was_asked_for() -> None:
    body = json.dumps(piece("sys", "stop"), indent=2).encode()
    done = whole(Odd(body=body, kind="application/json; charset=utf-8"))
    assert (done.middle, done.stop_reason) == ("sys", "stop_token")


# Errors


@pytest.mark.parametrize(
    "told",
    [
        lines({"error": {"message": "out of blocks", "type": "server_error"}}),
        lines({"error": "out of blocks", "error_type": "generation"}),
        lines({"object": "error", "message": "out of blocks", "code": 500}),
        b"event: error\n" + lines({"message": "out of blocks"}),
        b"event: error\n" + lines({"detail": "out of blocks"}),
        b'error: {"code": 500, "message": "out of blocks"}\n\n',
    ],
    ids=["OpenAI", "TGI", "FastChat", "an event", "FastAPI", "llama.cpp"],
)
def test_an_error_within_a_stream_is_told_in_the_servers_words(told: bytes) -> None:
    events = answered(Odd(body=lines(piece("sys")) + told + lines(DONE)))
    error = readable(events[-1])
    assert error.code == "server_failed"
    assert "out of blocks" in str(error)
    assert [event.text for event in events if isinstance(event, TokenEvent)] == ["sys"]


def test_an_error_in_one_piece_where_a_stream_was_asked_for() -> None:
    body = b'{"error": {"message": "out of blocks"}}'
    error = readable(answered(Odd(body=body, kind="application/json"))[-1])
    assert error.code == "server_failed"
    assert "out of blocks" in str(error)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>\n<p>Sign in</p>\n</html>", "text/html"),
        (b"<html>", "application/json"),
        (b"[]", "application/json"),
        (lines({"content": "sys", "stop": False}, {"content": "", "stop": True}, DONE), ""),
        (lines("3", DONE), ""),
        (lines("{not json", DONE), ""),
        (lines({"choices": ["sys"]}, DONE), ""),
        (lines({"choices": [{"text": ["sys"]}]}, DONE), ""),
    ],
)
def test_another_protocol_is_said_to_be_one(body: bytes, kind: str) -> None:
    events = answered(Odd(body=body, kind=kind or "text/event-stream"))
    assert readable(events[-1]).code == "server_nonsense"
