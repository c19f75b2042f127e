"""Every lesson is true of the bundled model: the real engine runs it, greedily, in float32."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from dataclasses import asdict, replace

import pytest

from codegemma_ui import fim
from codegemma_ui.client.client import EngineClient
from codegemma_ui.fim.boundaries import apply, check
from codegemma_ui.fim.scoring import parses
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import Event, PrefillEvent
from codegemma_ui.presets import bundled
from codegemma_ui.settings import Settings
from codegemma_ui.ui.lessons import State, by_key
from tests.support.events import done_of, middle_of, prompt_of, tokens_of


def reported(number: float | None) -> float:
    """Return a number that this engine reports for every token."""
    assert number is not None
    return number


LENGTHS = (128, 256, bundled().context_length)
"""What a pupil may set max_length to, from the lesson's own to the most."""


class Answer:
    """The model's completion of a state."""

    def __init__(self, events: list[Event]) -> None:
        # On a busy machine the prefill of a longer prompt takes long enough to be reported.
        kept = [event for event in events if not isinstance(event, PrefillEvent)]
        self.prompt, self.tokens, self.done = prompt_of(kept), tokens_of(kept), done_of(kept)
        assert kept == [self.prompt, *self.tokens, self.done]
        self.middle = middle_of(kept)
        self.reason = self.done.stop_reason

    def sure(self, index: int) -> float:
        """Return the probability of a token."""
        return math.exp(reported(self.tokens[index].logprob))


@pytest.fixture(scope="module")
def client() -> Iterator[EngineClient]:
    client = EngineClient(Settings(backend="jax", dtype="float32"))
    client.start()
    yield client
    client.close()


def ask(client: EngineClient, state: State, **more: object) -> Answer:
    async def collect() -> list[Event]:
        return [event async for event in client.complete({**asdict(state), **more})]

    return Answer(asyncio.run(collect()))


def program(state: State, answer: Answer) -> str:
    return fim.splice(state.prefix, answer.middle, state.suffix)


def test_fim_finds_what_only_the_suffix_tells(client: EngineClient) -> None:
    state = by_key("fim").state
    answer = ask(client, state)
    assert answer.middle.strip() == "sys"
    assert "sys" not in state.prefix
    assert "sys." in state.suffix
    assert parses(program(state, answer))


def test_anatomy_each_part_stands_behind_its_control_token(
    client: EngineClient, vocabulary: Vocabulary
) -> None:
    lesson = by_key("anatomy")
    orders = {}
    for name, state in {"psm": lesson.state, **lesson.tries}.items():
        answer = ask(client, state)
        assert bundled().knows(state.layout)
        assert answer.middle.strip() == "sys"
        orders[name] = [vocabulary.token_text(one) for one in answer.prompt.token_ids]
        parts = [
            role
            for role, before in zip(answer.prompt.roles, (None, *answer.prompt.roles), strict=False)
            if role != before
        ]
        sides = ["prefix", "suffix"] if name == "psm" else ["suffix", "prefix"]
        assert parts == ["bos", "control", sides[0], "control", sides[1], "control"]
    (psm, spm) = orders.values()
    assert psm[:2] == ["<bos>", fim.FIM_PREFIX]
    assert spm[:2] == ["<bos>", fim.FIM_SUFFIX]
    assert psm[-1] == spm[-1] == fim.FIM_MIDDLE
    assert "".join(psm[1:]) == fim.text_of(fim.segments(lesson.state.prefix, lesson.state.suffix))
    assert sorted(psm) == sorted(spm)


def test_anatomy_no_typed_text_becomes_a_control_token(vocabulary: Vocabulary) -> None:
    typed = vocabulary.prompt("".join(fim.CONTROL_TOKENS), "".join(fim.CONTROL_TOKENS), 256)
    assert [token.role for token in typed.tokens].count("control") == 3
    controls = {vocabulary.control_id(name) for name in fim.FIM_TOKENS}
    assert not controls & {one.id for one in typed.tokens if one.role != "control"}


def test_suffix_decides_which_module_it_is(client: EngineClient) -> None:
    lesson = by_key("suffix")
    with_math = ask(client, lesson.state)
    assert with_math.middle == "math"
    assert with_math.sure(0) > 0.95
    other = ask(client, lesson.tries["other"])
    assert other.middle == "random"
    assert other.sure(0) > 0.95
    nothing = ask(client, lesson.tries["none"])
    assert nothing.middle not in ("math", "random")
    assert nothing.sure(0) < 0.1


def test_boundaries_a_space_before_the_cursor_is_fine_where_models_fill_in(
    client: EngineClient, vocabulary: Vocabulary
) -> None:
    lesson = by_key("boundaries")
    with_space = ask(client, lesson.state)
    without = lesson.tries["no_space"]
    without_space = ask(client, without)
    assert (with_space.middle, without_space.middle) == ("values", " values")
    assert program(lesson.state, with_space) == program(without, without_space)
    assert with_space.tokens[0].id != without_space.tokens[0].id
    assert min(with_space.sure(0), without_space.sure(0)) > 0.9
    (space,) = check(lesson.state.prefix, lesson.state.suffix, vocabulary)
    assert (space.kind, space.severity) == ("trailing_space", "fine")


def test_boundaries_the_same_space_leads_astray_from_left_to_right(
    client: EngineClient, vocabulary: Vocabulary
) -> None:
    state = by_key("boundaries").tries["whole_text"]
    astray = ask(client, state)
    assert not astray.middle.startswith("values")
    (space,) = check(state.prefix, state.suffix, vocabulary, layout="ltr")
    assert (space.kind, space.severity) == ("trailing_space", "warning")
    mended = apply(space.edits, "prefix", state.prefix)
    found = ask(client, State(prefix=mended, layout="ltr"))
    assert found.middle.startswith(" values")
    assert found.sure(0) > 0.9


@pytest.mark.parametrize("max_length", LENGTHS)
@pytest.mark.parametrize("layout", ["psm", "spm"])
def test_boundaries_a_cursor_inside_a_name_spoils_the_program_and_the_fix_mends_it(
    client: EngineClient, vocabulary: Vocabulary, layout: fim.Layout, max_length: int
) -> None:
    lesson = by_key("boundaries")
    state = replace(lesson.tries["inside"], layout=layout, max_length=max_length)
    spoiled = ask(client, state)
    assert not parses(program(state, spoiled))
    (inside,) = check(state.prefix, state.suffix, vocabulary)
    assert (inside.kind, inside.severity) == ("inside_name", "warning")
    assert inside.facts["name"] == "number"
    prefix = apply(inside.edits, "prefix", state.prefix)
    suffix = apply(inside.edits, "suffix", state.suffix)
    assert (prefix, suffix) == (f"{state.prefix}ber", state.suffix.removeprefix("ber"))
    mended = replace(state, prefix=prefix, suffix=suffix)
    answer = ask(client, mended)
    assert answer.middle == " > best"
    assert parses(program(mended, answer))


@pytest.mark.parametrize("max_length", LENGTHS)
def test_stopping_its_chance_comes_when_nothing_is_missing(
    client: EngineClient, max_length: int
) -> None:
    lesson = by_key("stopping")
    answer = ask(client, replace(lesson.state, max_length=max_length))
    assert answer.middle.endswith(")")
    assert (answer.reason, answer.done.stop_token) == ("stop_token", fim.FILE_SEPARATOR)
    *before, end = (reported(token.stop_probability) for token in answer.tokens)
    assert max(before) < 0.02
    assert end > 0.98
    assert parses(program(lesson.state, answer))


@pytest.mark.parametrize("max_length", LENGTHS)
def test_stopping_without_a_suffix_it_writes_the_body_too(
    client: EngineClient, max_length: int
) -> None:
    lesson = by_key("stopping")
    alone = ask(client, replace(lesson.tries["none"], max_length=max_length))
    assert alone.middle.startswith(ask(client, lesson.state).middle)
    assert ":\n        print(" in alone.middle


@pytest.mark.parametrize("max_length", [64, *LENGTHS])
@pytest.mark.parametrize("layout", ["psm", "spm"])
@pytest.mark.parametrize("stop_on_repetition", [True, False])
def test_stopping_where_it_finds_no_end_max_length_stops_it(
    client: EngineClient, max_length: int, layout: fim.Layout, stop_on_repetition: bool
) -> None:
    state = replace(by_key("stopping").tries["endless"], max_length=max_length, layout=layout)
    endless = ask(client, state, stop_on_repetition=stop_on_repetition)
    assert endless.reason == "max_length"
    assert len(endless.prompt.token_ids) + len(endless.tokens) == max_length
    assert endless.done.stop_token is None
    starts = [token for token in endless.tokens if token.piece == " " * 4]
    assert len(starts) > 4
    ends = [reported(token.stop_probability) for token in starts]
    assert max(ends) > 0.2  # it comes close, and is never first
    chosen = [math.exp(reported(token.logprob)) for token in starts]
    assert all(end < own for end, own in zip(ends, chosen, strict=True))


def test_stopping_past_the_end_comes_the_path_of_a_next_file(client: EngineClient) -> None:
    state = by_key("stopping").state
    answer = ask(client, state)
    on = ask(client, state, forced=[token.id for token in answer.tokens])
    past = "".join(token.text for token in on.tokens if token.past_end)
    assert past.split("\n")[0].endswith(".py")
    assert on.middle == answer.middle


def test_files_another_file_tells_what_this_one_does_not(client: EngineClient) -> None:
    lesson = by_key("files")
    answer = ask(client, lesson.state)
    (other,) = lesson.state.files
    start = f"{other.path}\n{other.text}{fim.FILE_SEPARATOR}{lesson.state.path}\n{fim.FIM_PREFIX}"
    assert answer.prompt.prompt.startswith(start)
    assert answer.middle == "score"
    assert answer.sure(0) > 0.8
    alone = ask(client, lesson.tries["alone"])
    assert alone.middle != "score"
    assert alone.sure(0) < 0.5
