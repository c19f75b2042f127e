"""The end of a middle, and the conversion of its tokens to text, with a scripted decode loop."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import pytest

from codegemma_ui import fim
from codegemma_ui.errors import BadInput
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import CompletionRequest, Event, Loaded, PrefillEvent
from codegemma_ui.workers.keras.decode import Decoder, PrefillProgress
from codegemma_ui.workers.keras.generation import generate
from codegemma_ui.workers.keras.sampling import Sampling, TokenChoice
from tests.support.events import cancelled_of, done_of, length_of, middle_of, prompt_of, tokens_of

LOADED = Loaded(
    preset="bundled",
    backend="jax",
    dtype="float32",
    device="CPU",
    parameters=1,
    memory_bytes=1,
    context_length=512,
    summary="",
)


class ScriptedDecoder:
    """Generates the given ids, then one id repeatedly, up to `max_length`."""

    def __init__(self, ids: Sequence[int], then: int) -> None:
        self.ids, self.then = ids, then

    def stream(
        self,
        prompt_ids: Sequence[int],
        max_length: int,
        sampling: Sampling,
        stop_ids: frozenset[int],
        cursor: int,
        should_stop: Callable[[], bool],
        forced: Sequence[int],
    ) -> Iterator[TokenChoice]:
        endless = itertools.chain(forced, self.ids, itertools.repeat(self.then))
        for token_id in itertools.islice(endless, max_length - len(prompt_ids)):
            yield TokenChoice(token_id, -0.5, ((token_id, -0.5),))


def run(
    vocabulary: Vocabulary, ids: Sequence[int], *, cancel_after: int = 10**9, **request: Any
) -> list[Event]:
    decoder = cast(Decoder, ScriptedDecoder(ids, vocabulary.encode("x")[0]))
    ticks = itertools.count()
    asked = itertools.count()
    return list(
        generate(
            CompletionRequest(**request),
            vocabulary,
            decoder,
            LOADED,
            cancelled=lambda: next(asked) >= cancel_after,
            clock=lambda: float(next(ticks)),
        )
    )


def texts(events: list[Event]) -> list[str]:
    return [event.text for event in tokens_of(events)]


@pytest.mark.parametrize("name", [*fim.FIM_TOKENS, "<eos>"])
def test_each_stop_token_ends_the_middle(vocabulary: Vocabulary, name: str) -> None:
    stop = vocabulary.eos_id if name == "<eos>" else vocabulary.control_id(name)
    ids = [*vocabulary.encode("sys"), stop]
    last = done_of(run(vocabulary, ids, prefix="import ", suffix="\n"))
    assert (last.event, last.stop_reason, last.stop_token) == ("done", "stop_token", name)
    assert (last.middle, last.raw_output) == ("sys", "sys" + name)
    assert last.token_ids == tuple(ids)
    assert last.program == "import sys\n"


def test_max_length_counts_the_prompt(vocabulary: Vocabulary) -> None:
    last = done_of(run(vocabulary, [], prefix="import ", max_length=40))
    assert last.stop_reason == "max_length"
    assert length_of(last) == 40
    assert last.stop_token is None
    assert last.middle == last.raw_output  # nothing is cut without a stop token


def test_korean_and_emoji_arrive_whole(vocabulary: Vocabulary) -> None:
    text = "한글 😀!"
    events = run(vocabulary, [*vocabulary.encode(text), vocabulary.eos_id])
    assert "".join(texts(events)) == text == middle_of(events)
    assert all(piece in ("", *text, *(" " + one for one in text)) for piece in texts(events))


def test_a_character_cut_off_by_max_length_is_shown_as_broken(vocabulary: Vocabulary) -> None:
    room = 32 - 4
    letters = vocabulary.encode("x") * (room - 1)
    half = vocabulary.encode("한")[0]
    events = run(vocabulary, [*letters, half], max_length=32)
    assert middle_of(events) == "x" * (room - 1) + "\N{REPLACEMENT CHARACTER}"
    assert "".join(texts(events)) == middle_of(events)


def test_the_time_limit_keeps_what_was_generated(vocabulary: Vocabulary) -> None:
    last = done_of(run(vocabulary, [], max_length=128, time_limit_s=5))
    assert (last.event, last.stop_reason) == ("done", "time_limit")
    assert last.completion_tokens == 5  # the clock ticks once a token
    assert last.middle == "x" * 5


def test_the_time_limit_counts_the_reading_of_the_prompt(vocabulary: Vocabulary) -> None:
    class Slow:
        def stream(
            self, *given: object, should_stop: Callable[[], bool], **more: object
        ) -> Iterator:
            while not should_stop():  # a prompt of many passes
                pass
            return iter(())

    ticks = itertools.count()
    events = list(
        generate(
            CompletionRequest(prefix="x", time_limit_s=5),
            vocabulary,
            cast(Decoder, Slow()),
            LOADED,
            cancelled=lambda: False,
            clock=lambda: float(next(ticks)),
        )
    )
    last = done_of(events)
    assert (last.event, last.stop_reason, last.middle) == ("done", "time_limit", "")


def test_the_prefill_is_told_at_most_four_times_a_second(vocabulary: Vocabulary) -> None:
    now_s = 0.0

    class Prefilling:
        def stream(self, *given: object, **more: object) -> Iterator:
            nonlocal now_s
            for tokens in range(0, 1000, 10):
                yield PrefillProgress(tokens, 1000)
                now_s += 0.0625
            yield TokenChoice(vocabulary.eos_id, -0.5, ((vocabulary.eos_id, -0.5),))

    request = CompletionRequest(prefix="x")
    decoder = cast(Decoder, Prefilling())
    events = list(
        generate(request, vocabulary, decoder, LOADED, lambda: False, clock=lambda: now_s)
    )
    assert [event.event for event in events if event.event != "prefill"] == [
        *("prompt", "token", "done")
    ]
    told = [event for event in events if isinstance(event, PrefillEvent)]
    assert events[1 : 1 + len(told)] == told
    assert told[0] == PrefillEvent(prefilled_tokens=0, total_tokens=1000)
    assert len(told) == 25
    assert done_of(events).ttft_s == 6.25


LINE = "        self.kwargs = kwargs\n"


def test_what_repeats_itself_is_stopped_and_kept(vocabulary: Vocabulary) -> None:
    ids = vocabulary.encode(LINE * 60)
    events = run(vocabulary, ids, max_length=900, time_limit_s=3600)
    last = done_of(events)
    assert (last.event, last.stop_reason, last.stop_token) == ("done", "repetition", None)
    assert (LINE * 60).startswith(middle_of(events))
    assert 300 <= len(middle_of(events)) <= 400
    sampled = run(vocabulary, ids, max_length=900, time_limit_s=3600, temperature=0.5)
    assert done_of(sampled).stop_reason == "repetition"
    assert 600 <= len(middle_of(sampled)) <= 700


def test_it_goes_on_where_that_is_asked_for(vocabulary: Vocabulary) -> None:
    ids = vocabulary.encode(LINE * 60)
    last = done_of(
        run(vocabulary, ids, max_length=400, time_limit_s=3600, stop_on_repetition=False)
    )
    assert last.stop_reason == "max_length"
    assert length_of(last) == 400


@pytest.mark.parametrize("score", [False, True])
def test_what_is_forced_never_counts_as_repetition(vocabulary: Vocabulary, score: bool) -> None:
    ids = [vocabulary.eos_id]
    asked: dict[str, Any] = {"max_length": 900, "time_limit_s": 3600}
    last = done_of(run(vocabulary, ids, forced=LINE * 40, score=score, **asked))
    assert last.stop_reason == ("scored" if score else "stop_token")
    assert last.middle == LINE * 40


@pytest.mark.parametrize(
    ("request_", "written", "middle", "reason"),
    [
        ({"one_line": True}, "a = 1\nb = 2", "a = 1", "end_of_line"),
        ({"one_line": True}, "\n\n    a = 1\nb", "\n\n    a = 1", "end_of_line"),
        ({"one_line": True, "stop": ("=",)}, "a = 1\nb = 2", "a ", "stop_string"),
        ({"stop": ("= 2",)}, "a = 1\nb = 2", "a = 1\nb ", "stop_string"),
        ({"stop": ("\n",)}, "\na = 1\n", "", "stop_string"),
        ({"stop": ("a",), "forced": "a = "}, "1 + a", "a = 1 + ", "stop_string"),
        ({"one_line": True, "forced": "a\nb"}, "\nc", "a\nb", "end_of_line"),
    ],
)
def test_a_middle_ends_before_a_stop_string(
    vocabulary: Vocabulary, request_: dict[str, Any], written: str, middle: str, reason: str
) -> None:
    events = run(vocabulary, vocabulary.encode(written), **request_)
    last = done_of(events)
    assert (last.stop_reason, last.stop_token) == (reason, None)
    assert (last.middle, middle_of(events)) == (middle, middle)
    assert (last.raw_output or "").startswith(middle)
    assert len(last.raw_output or "") > len(middle)


def test_what_could_begin_a_stop_string_is_kept_at_another_end(vocabulary: Vocabulary) -> None:
    ids = [*vocabulary.encode("a = ["), vocabulary.eos_id]
    events = run(vocabulary, ids, stop=("[1",))
    assert (done_of(events).stop_reason, middle_of(events)) == ("stop_token", "a = [")
    room = len(prompt_of(run(vocabulary, ids)).token_ids) + len(ids) - 1
    events = run(vocabulary, ids, stop=("[1",), max_length=max(fim.MIN_MAX_LENGTH, room))
    assert done_of(events).middle == middle_of(events)


def test_a_stop_string_does_not_end_what_is_past_the_end(vocabulary: Vocabulary) -> None:
    ids = vocabulary.encode("a\nb\n")
    request: dict[str, Any] = {"max_length": 64, "time_limit_s": 3600}
    events = run(vocabulary, ids, one_line=True, forced=(vocabulary.eos_id,), **request)
    assert (done_of(events).stop_reason, middle_of(events)) == ("max_length", "")


def test_a_cancel_keeps_what_was_generated(vocabulary: Vocabulary) -> None:
    last = cancelled_of(run(vocabulary, [], cancel_after=4))
    assert (last.event, last.stop_reason, last.middle) == ("cancelled", None, "xxxx")


def test_a_cancel_before_the_first_token(vocabulary: Vocabulary) -> None:
    events = run(vocabulary, [], cancel_after=0)
    assert [event.event for event in events] == ["prompt", "cancelled"]
    assert cancelled_of(events).token_ids == ()


def test_speeds_are_of_the_tokens(vocabulary: Vocabulary) -> None:
    last = done_of(run(vocabulary, [*vocabulary.encode("x") * 4, vocabulary.eos_id]))
    assert last.ttft_s == 1.0
    assert last.tokens_per_s == 1.0
    alone = done_of(run(vocabulary, [vocabulary.eos_id]))
    assert alone.tokens_per_s is None


def test_forced_tokens_count_for_no_speed(vocabulary: Vocabulary) -> None:
    given = vocabulary.encode("sys.")
    alone = done_of(run(vocabulary, [vocabulary.eos_id], forced="sys."))
    assert alone.ttft_s == 1.0 + len(given)  # a tick each, and the first token from the model
    assert alone.tokens_per_s is None
    more = done_of(run(vocabulary, [*vocabulary.encode("x") * 2, vocabulary.eos_id], forced="sys."))
    assert more.tokens_per_s == 1.0


def test_trimming_is_told(vocabulary: Vocabulary) -> None:
    prompt = prompt_of(run(vocabulary, [], prefix="x = 1\n" * 400, suffix="y\n", max_length=64))
    assert prompt.trimmed_prefix_tokens > 0
    assert prompt.trimmed_suffix_tokens == 0
    assert prompt.prompt_tokens <= 64 - fim.MIN_ROOM


def test_the_prompt_is_told_token_by_token(vocabulary: Vocabulary) -> None:
    event = prompt_of(run(vocabulary, [vocabulary.eos_id], prefix="a = ", suffix="\n"))
    assert event.event == "prompt"
    assert event.token_ids == vocabulary.prompt("a = ", "\n", 128).token_ids
    assert set(event.roles) == {"bos", "control", "prefix", "suffix"}
    assert len(event.roles) == len(event.token_ids) == event.prompt_tokens


def test_forced_text_begins_the_middle(vocabulary: Vocabulary) -> None:
    given = vocabulary.encode("sys.")
    events = run(vocabulary, [vocabulary.eos_id], prefix="import ", forced="sys.")
    last, tokens = done_of(events), tokens_of(events)
    assert prompt_of(events).forced_tokens == len(given)
    assert (last.middle, last.stop_reason) == ("sys.", "stop_token")
    assert [one.forced for one in tokens] == [True] * len(given) + [False]


def test_what_comes_after_a_forced_stop_token_is_past_the_end(vocabulary: Vocabulary) -> None:
    separator = vocabulary.control_id(fim.FILE_SEPARATOR)
    forced = (*vocabulary.encode("sys"), separator)
    past = vocabulary.encode("print")
    events = run(vocabulary, [*past, vocabulary.eos_id], suffix="\n", forced=forced)
    last, tokens = done_of(events), tokens_of(events)
    assert last.middle == "sys"
    assert last.program == "sys\n"
    assert last.raw_output == f"sys{fim.FILE_SEPARATOR}print<eos>"
    assert last.stop_token == fim.FILE_SEPARATOR
    assert "".join(one.text for one in tokens if one.past_end) == "print"
    assert [one.past_end for one in tokens] == [False] * len(forced) + [True] * (len(past) + 1)


def test_a_score_writes_nothing(vocabulary: Vocabulary) -> None:
    last = done_of(run(vocabulary, vocabulary.encode("more"), forced="sys", score=True))
    count = len(vocabulary.encode("sys"))
    assert (last.event, last.stop_reason, last.middle) == ("done", "scored", "sys")
    assert last.completion_tokens == count
    assert last.logprob == pytest.approx(-0.5 * count)
    assert last.stop_token is None


def test_a_score_of_nothing_is_nothing(vocabulary: Vocabulary) -> None:
    last = done_of(run(vocabulary, [], score=True))
    assert (last.event, last.stop_reason, last.completion_tokens) == ("done", "scored", 0)


@pytest.mark.parametrize(
    ("forced", "said"), [([10**6], "size of the vocabulary"), (["x"] * 40, "beside the prompt")]
)
def test_what_cannot_be_forced_is_refused(vocabulary: Vocabulary, forced: list, said: str) -> None:
    ids = tuple(one if isinstance(one, int) else vocabulary.encode(one)[0] for one in forced)
    with pytest.raises(BadInput, match=said):
        run(vocabulary, [], forced=ids, max_length=32)
