"""A server that refuses, hangs, disconnects or sends invalid data: what arrived is kept, the error is
reported."""

from __future__ import annotations

import socket
import time
from typing import Any

import openai
import pytest

from codegemma_ui import presets
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import Event
from codegemma_ui.settings import RemoteServer
from codegemma_ui.ui.strings import TABLE
from codegemma_ui.workers.openai.failures import readable
from tests.support.events import cancelled_of, done_of, length_of, tokens_of
from tests.workers.openai.asking import ask

from .odd_server import Odd, odd_server

REQUEST: dict[str, Any] = {"prefix": "import ", "suffix": "\nsys.exit(0)\n", "max_length": 64}
KEY = "sk-hush-hush"


def place(url: str, **given: Any) -> RemoteServer:
    return RemoteServer(url, **({"timeout_s": 5.0, "retries": 2} | given))


def code(error: object) -> str:
    """Return the code of an error as shown on the page, which must have a headline."""
    assert isinstance(error, BaseException), error
    told = readable(error)
    assert told.hint
    assert f"error_{told.code}" in TABLE
    return told.code


def refused(url: str, **given: Any) -> str:
    """Return the code of an error that occurs before any request."""
    with pytest.raises(Exception) as caught:
        ask(place(url, **given))
    return code(caught.value)


def written(events: list[Any]) -> str:
    return "".join(event.text for event in tokens_of(events))


def test_texts_alone_are_enough() -> None:
    odd = Odd(pieces=("sy", "s", "\n"))
    with odd_server(odd) as url:
        asked = ask(place(url), REQUEST)
    done = done_of(asked.events[0])
    assert (done.middle, done.stop_reason, done.stop_token) == ("sys\n", "stop_token", None)
    assert done.program == "import sys\n\nsys.exit(0)\n"
    assert done.logprob is None
    assert asked.can.lacks == ("logprobs", "stop_probability", "token_ids", "score", "top_k")
    (body,) = odd.streamed()
    assert body["prompt"].startswith("<|fim_prefix|>import <|fim_suffix|>")
    assert len(body["stop"]) == 4
    assert {"logprobs", "top_k"} & set(body) == set()


def test_logprobs_are_taken_where_they_are_given() -> None:
    with odd_server(Odd(tells_logprobs=True)) as url:
        asked = ask(place(url), REQUEST)
    (token,), done = tokens_of(asked.events[0]), done_of(asked.events[0])
    assert len(asked.events[0]) == 3
    assert (token.logprob, [one.text for one in token.alternatives]) == (-0.5, ["sys", "os"])
    assert "logprobs" not in asked.can.lacks
    assert done.event == "done"


def test_another_vocabulary_is_noticed_and_gets_no_ids() -> None:
    with odd_server(Odd(tokens=3, takes_ids=True)) as url:
        can = ask(place(url)).can
    assert can.same_vocabulary is False
    assert can.counted is not None
    assert can.counted[0] == 3
    assert "token_ids" in can.lacks
    with odd_server(Odd(tells_usage=False, takes_ids=True)) as url:
        can = ask(place(url)).can
    assert can.same_vocabulary is None
    assert "token_ids" in can.lacks


def test_text_that_spells_a_control_token_is_not_sent_to_a_server_without_ids() -> None:
    odd = Odd()
    raws: list[dict[str, Any]] = [
        {"prefix": "a = '<|fim_middle|>'"},
        {"prefix": "a", "forced": [2105, 7]},
        {"prefix": "a", "temperature": 1.0, "top_k": 5},
    ]
    with odd_server(odd) as url:
        asked = ask(place(url), *raws)
    assert [code(events[-1]) for events in asked.events] == ["not_supported"] * 3
    assert odd.streamed() == []


def test_a_forced_text_is_part_of_what_is_sent() -> None:
    odd = Odd(pieces=(".path",))
    with odd_server(odd) as url:
        done = done_of(ask(place(url), {**REQUEST, "forced": "sys"}).events[0])
    assert odd.streamed()[0]["prompt"].endswith("<|fim_middle|>sys")
    assert done.middle == "sys.path"


def test_no_more_is_taken_than_was_asked_for() -> None:
    odd = Odd(pieces=("x = 1\n" * 100,) * 3)
    with odd_server(odd) as url:
        done = done_of(ask(place(url), REQUEST).events[0])
    assert done.stop_reason == "max_length"
    assert length_of(done) == 64


def test_nobody_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        assert refused(url, retries=0) == "server_absent"


def test_a_key_is_needed_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with odd_server(Odd(key=KEY)) as url:
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        assert refused(url) == "server_key"
        monkeypatch.setenv("OPENAI_API_KEY", "sk-another-one")
        with pytest.raises(openai.AuthenticationError) as caught:
            ask(place(url))
        told = str(readable(caught.value))
        assert "Incorrect key: Bearer ***" in told
        assert "another" not in told
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        assert done_of(ask(place(url), REQUEST).events[0]).middle == "sys"


def test_a_web_page_is_no_server() -> None:
    with odd_server(Odd(page="<html>hello</html>")) as url:
        assert refused(url) == "server_nonsense"


def test_a_model_is_chosen_where_there_are_several() -> None:
    with odd_server(Odd(models=("one", "two"))) as url:
        assert refused(url) == "server_not_found"
        assert refused(url, model="three") == "server_not_found"
        assert ask(place(url, model="two")).can.model.id == "two"


@pytest.mark.parametrize("statuses", [[429], [500, 503]])
def test_a_busy_or_failing_server_is_asked_again(statuses: list[int]) -> None:
    odd = Odd(statuses=list(statuses))
    with odd_server(odd) as url:
        done = done_of(ask(place(url), REQUEST).events[0])
    assert done.middle == "sys"
    assert len(odd.streamed()) == 1 + len(statuses)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (429, "server_busy"),
        (500, "server_failed"),
        (400, "server_refused"),
        (404, "server_not_found"),
    ],
)
def test_but_not_for_ever(status: int, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    odd = Odd(statuses=[status] * 9)
    with odd_server(odd) as url:
        error = ask(place(url, retries=1), REQUEST).events[0][-1]
    assert code(error) == expected
    assert isinstance(error, BaseException)
    assert f"status {status} for Bearer ***" in str(readable(error))
    assert len(odd.streamed()) == (1 if status in (400, 404) else 2)


def test_an_answer_that_breaks_off_before_its_first_token_is_asked_for_again() -> None:
    odd = Odd(breaks=2)
    with odd_server(odd) as url:
        assert done_of(ask(place(url), REQUEST).events[0]).middle == "sys"
    assert len(odd.streamed()) == 3


def test_one_that_breaks_off_later_is_not_and_what_came_is_kept() -> None:
    odd = Odd(pieces=("sys", "\n"), finish=None)
    with odd_server(odd) as url:
        events = ask(place(url), REQUEST).events[0]
    assert code(events[-1]) == "server_broke_off"
    assert "after 2 tokens" in str(events[-1])
    assert written(events) == "sys\n"
    assert len(odd.streamed()) == 1


@pytest.mark.parametrize("raw", ["{not json", '{"choices": 3}', '{"choices": [{"text": 3}]}'])
def test_nonsense_within_a_stream(raw: str) -> None:
    with odd_server(Odd(raw=raw)) as url:
        assert code(ask(place(url), REQUEST).events[0][-1]) == "server_nonsense"


def test_an_error_that_a_server_tells_within_a_stream() -> None:
    with odd_server(Odd(raw='{"error": {"message": "out of blocks"}}')) as url:
        error = ask(place(url), REQUEST).events[0][-1]
    assert code(error) == "server_failed"
    assert isinstance(error, BaseException)
    assert "out of blocks" in str(readable(error))


def test_a_server_that_hangs_is_given_up() -> None:
    with odd_server(Odd(silent_s=3)) as url:
        error = ask(place(url, timeout_s=0.3, retries=0), REQUEST).events[0][-1]
    assert code(error) == "server_silent"


def test_a_stream_that_hangs_is_given_up_and_what_came_is_kept() -> None:
    with odd_server(Odd(pieces=("sys", "\n"), pause_s=3)) as url:
        events = ask(place(url, timeout_s=0.3), REQUEST).events[0]
    assert code(events[-1]) == "server_silent"
    assert written(events) == "sys"


def test_the_time_limit_ends_a_stream_that_hangs() -> None:
    with odd_server(Odd(pieces=("sys", "\n"), pause_s=3)) as url:
        done = done_of(ask(place(url), {**REQUEST, "time_limit_s": 0.4}).events[0])
    assert (done.stop_reason, done.middle) == ("time_limit", "sys")


@pytest.mark.parametrize("odd", [Odd(silent_s=3), Odd(pieces=("x",) * 1000, pause_s=0.01)])
def test_a_cancel_is_heard_and_the_server_is_left(odd: Odd) -> None:
    def cancelled(came: list[Event]) -> bool:
        return bool(odd.streamed()) and (len(came) > 2 or odd.silent_s > 0)

    with odd_server(odd) as url:
        asked = ask(place(url), {**REQUEST, "max_length": 512}, cancelled=cancelled)
        until = time.monotonic() + 10
        while not odd.left and not odd.silent_s and time.monotonic() < until:
            time.sleep(0.02)
    assert cancelled_of(asked.events[0]).stop_reason is None
    assert odd.left == (0 if odd.silent_s else 1)


def test_what_was_cancelled_is_kept() -> None:
    vocabulary = Vocabulary(presets.BUNDLED_FOLDER)
    odd = Odd(pieces=("x",) * 1000, pause_s=0.01)
    with odd_server(odd) as url:
        events = ask(place(url), REQUEST, cancelled=lambda came: len(came) > 3).events[0]
    last = cancelled_of(events)
    assert last.middle == vocabulary.decode(last.token_ids or ()) == written(events)
