"""Conversion of `max_tokens` to `max_length`, prompt included; what is too long is rejected, or cut."""

from __future__ import annotations

import pytest

from codegemma_ui import fim
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.server.openai_api.ask import Ask, fields_for
from codegemma_ui.server.openai_api.problems import Problem

CONTEXT = 1024
LONG = "value = other(1, 2)\n" * 400


def prompt_of(request: dict, vocabulary: Vocabulary) -> tuple[int, int]:
    """Return the number of tokens of the prompt that the engine builds, and how many it cuts."""
    files = [fim.File(**each) for each in request.get("files", ())]
    sides = (request.get("prefix", ""), request.get("suffix", ""))
    layout, path = request.get("layout", "psm"), request.get("path", "")
    prompt = vocabulary.prompt(*sides, request["max_length"], layout, path, files)
    cut = (
        prompt.trimmed_prefix_tokens + prompt.trimmed_suffix_tokens + prompt.trimmed_context_tokens
    )
    return len(prompt.tokens), cut


@pytest.mark.parametrize(
    "request_",
    [
        {"prefix": "import ", "suffix": "\n"},
        {"prefix": "import ", "layout": "ltr"},
        {"prefix": "", "suffix": "", "layout": "spm"},
        {"prefix": "x", "suffix": "y", "path": "a/rather/long/path/of/a/file.py"},
        {"prefix": "x", "suffix": "y", "files": [{"path": "b.py", "text": "한글 = 1\n" * 9}]},
    ],
)
@pytest.mark.parametrize("max_tokens", [1, 16, 40])
def test_the_engine_has_room_for_what_is_asked(
    request_: dict, max_tokens: int, vocabulary: Vocabulary
) -> None:
    fields, was_cut = fields_for(Ask(request=request_, max_tokens=max_tokens), vocabulary, CONTEXT)
    tokens, cut = prompt_of(fields, vocabulary)
    assert not was_cut
    assert cut == 0
    assert (
        "path" not in request_
        or request_["path"]
        in vocabulary.prompt("x", "y", fields["max_length"], "psm", request_["path"]).text
    )
    assert fields["max_length"] >= tokens + max(max_tokens, fim.MIN_ROOM)


def test_more_than_fits_ends_at_the_context(vocabulary: Vocabulary) -> None:
    ask = Ask(request={"prefix": "x", "suffix": ""}, max_tokens=4096)
    assert fields_for(ask, vocabulary, CONTEXT)[0]["max_length"] == CONTEXT


def test_a_prompt_that_is_too_long_is_refused(vocabulary: Vocabulary) -> None:
    with pytest.raises(Problem) as caught:
        fields_for(Ask(request={"prefix": LONG}, max_tokens=1), vocabulary, CONTEXT)
    problem = caught.value
    assert (problem.status, problem.code) == (400, "context_length_exceeded")
    assert f"at most {CONTEXT - fim.MIN_ROOM} tokens" in problem.message


def test_or_cut_so_that_the_middle_has_room(vocabulary: Vocabulary) -> None:
    request = {"prefix": LONG, "suffix": LONG, "files": [{"path": "a.py", "text": LONG}]}
    ask = Ask(request=request, max_tokens=128, cuts=True)
    fields, was_cut = fields_for(ask, vocabulary, CONTEXT)
    tokens, cut_by_engine = prompt_of(fields, vocabulary)
    assert was_cut
    assert cut_by_engine == 0
    assert fields["max_length"] == CONTEXT
    assert CONTEXT - 128 - 8 - 1.5 * fim.CUT_STEP < tokens <= CONTEXT - 128
    assert LONG.endswith(fields["prefix"])
    assert LONG.startswith(fields["suffix"])


def test_files_that_fit_stay_when_a_side_is_cut(vocabulary: Vocabulary) -> None:
    request = {
        "prefix": "x = 1\n",
        "suffix": "y = 2\n",
        "path": "main.py",
        "files": [{"path": "a.py", "text": LONG}, {"path": "b.py", "text": "b = 3\n"}],
    }
    fields, was_cut = fields_for(
        Ask(request=request, max_tokens=64, cuts=True), vocabulary, CONTEXT
    )
    assert was_cut
    assert (fields["prefix"], fields["suffix"], fields["path"]) == ("x = 1\n", "y = 2\n", "main.py")
    assert fields["files"][-1] == {"path": "b.py", "text": "b = 3\n"}
    assert LONG.endswith(fields["files"][0]["text"])


@pytest.mark.parametrize("request_", [{"prefix": 3}, {"temperature": "hot"}, {"seed": -1}])
def test_the_one_parser_judges_the_rest(request_: dict, vocabulary: Vocabulary) -> None:
    with pytest.raises(Problem) as caught:
        fields_for(Ask(request=request_, max_tokens=1), vocabulary, CONTEXT)
    assert caught.value.status == 400
    assert "Received" in caught.value.message
