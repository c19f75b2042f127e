"""Real servers, through the protocol, generate the same tokens as the local engine."""

from __future__ import annotations

import pytest

from codegemma_ui.completions.recording import Recording
from codegemma_ui.settings import RemoteServer
from codegemma_ui.workers.openai.failures import NotSupported
from tests.completions.snippets import cases
from tests.support.events import done_of, middle_of, tokens_of
from tests.workers.openai.asking import Asked, ask


@pytest.fixture(scope="module", params=["llama_cpp", "vllm"])
def asked(request: pytest.FixtureRequest, recorded: dict[str, Recording]) -> dict[str, Asked]:
    """Send the same requests to each server."""
    url: str = request.getfixturevalue(request.param)
    branched = {**cases.request(cases.OF), "forced": [recorded[cases.BRANCHED].tokens[0].id]}
    raws = [branched if name == cases.BRANCHED else cases.request(name) for name in cases.NAMES]
    answered = ask(RemoteServer(url), *raws)
    return {
        name: Asked(answered.can, [events])
        for name, events in zip(cases.NAMES, answered.events, strict=True)
    }


@pytest.mark.parametrize("name", cases.NAMES)
def test_greedy_tokens_are_the_local_engines(
    name: str, asked: dict[str, Asked], recorded: dict[str, Recording]
) -> None:
    (events,) = asked[name].events
    done, local = done_of(events), recorded[name].last
    assert done.token_ids == local.token_ids
    assert (done.middle, done.program) == (local.middle, local.program)
    assert (done.raw_output, done.stop_token) == (local.raw_output, local.stop_token)
    assert (done.stop_reason, done.prompt_tokens) == (local.stop_reason, local.prompt_tokens)


def test_so_are_log_probabilities_and_alternatives(
    asked: dict[str, Asked], recorded: dict[str, Recording]
) -> None:
    for name in cases.NAMES:
        theirs = tokens_of(asked[name].events[0])
        for event, local in zip(theirs, recorded[name].tokens, strict=True):
            if event.forced and not asked[name].can.score:
                assert event.logprob is None
                continue
            assert event.logprob == pytest.approx(local.logprob, abs=2e-2)
            if event.forced:
                continue
            told = {one.id: one.logprob for one in event.alternatives}
            known = {one.id: one.logprob for one in local.alternatives}
            assert len(told) == 5
            for token_id in told.keys() & known.keys():
                assert told[token_id] == pytest.approx(known[token_id], abs=2e-2)


def test_what_llama_cpp_can_do_is_found_out(llama_cpp: str) -> None:
    asked = ask(RemoteServer(llama_cpp), {"prefix": "a", "forced": "b", "score": True})
    can = asked.can
    assert (can.model.server, can.model.context_length) == ("llama.cpp", 512)
    assert can.lacks == ("stop_probability", "score")
    assert isinstance(asked.events[0][-1], NotSupported)


def test_vllm_scores_what_is_given(vllm: str, recorded: dict[str, Recording]) -> None:
    local = recorded["lines"]
    raw = {**cases.request("lines"), "forced": list(local.last.token_ids or ()), "score": True}
    asked = ask(RemoteServer(vllm), raw)
    assert asked.can.lacks == ("stop_probability",)
    assert done_of(asked.events[0]).stop_reason == "scored"
    assert [token.logprob for token in tokens_of(asked.events[0])] == pytest.approx(
        [token.logprob for token in local.tokens], abs=2e-2
    )


def test_sampling_is_the_servers_and_a_seed_repeats_it(llama_cpp: str) -> None:
    raw = {"prefix": "def ", "temperature": 1.2, "top_k": 40, "top_p": 0.9, "max_length": 48}
    one, same, other = (
        done_of(events).token_ids
        for events in ask(
            RemoteServer(llama_cpp), *({**raw, "seed": seed} for seed in (7, 7, 8))
        ).events
    )
    assert one == same != other


def test_characters_that_come_byte_by_byte_are_whole(llama_cpp: str) -> None:
    text = "한글 😀 ﷺ"
    raw = {"prefix": f"a = '{text}'\nb = '{text}'\nc = '", "forced": text[:2], "max_length": 128}
    middle = middle_of(ask(RemoteServer(llama_cpp), raw).events[0])
    assert "\ufffd" not in middle
    assert middle.startswith(text[:2])
