"""An export is the same model: equal ids for a text, equal greedy tokens for a prompt, close logits.

The presets have one key/value head, four, and those of the bundled model; the programs are the engine,
llama.cpp and transformers, all in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from codegemma_ui import fim
from codegemma_ui.fim.vocabulary import Vocabulary
from tests.commands.export.exported import Exported

from . import cases

# Three programs add the same numbers in different orders; logits of the random models reach 40.
LOGIT_TOLERANCE = 2e-3
CLEAR_LEAD = 5 * LOGIT_TOLERANCE
BUNDLED = cases.PRESETS[-1]


@pytest.fixture(scope="module", params=cases.PRESETS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(exported: Exported, name: str) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(exported.folder / f"{name}-transformers")


@pytest.fixture(scope="module")
def tokenizer(exported: Exported) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(exported.folder / "fim_small-transformers")


def compared(answer: dict[str, Any], vocabulary: Vocabulary, lead: float = CLEAR_LEAD) -> list[int]:
    """Return the engine's tokens up to a stop token, or to where the second best is too close."""
    tokens = []
    for token, leads in zip(answer["tokens"], answer["leads"], strict=True):
        if leads < lead:
            break
        tokens.append(token)
        if token in vocabulary.stop_ids:
            break
    return tokens


def test_enough_is_compared(exported: Exported, vocabulary: Vocabulary, name: str) -> None:
    tokens = [token for answer in exported.engine[name] for token in compared(answer, vocabulary)]
    assert len(tokens) >= (10 if name == BUNDLED else 3 * cases.NEW_TOKENS)
    assert len(set(tokens)) >= len(tokens) // 2  # they are not one token repeated


def test_llama_cpp_gives_the_engines_greedy_tokens(
    exported: Exported, llama_cpp: dict, vocabulary: Vocabulary, name: str
) -> None:
    for answer, theirs in zip(exported.engine[name], llama_cpp[name]["answers"], strict=True):
        tokens = compared(answer, vocabulary)
        assert theirs[: len(tokens)] == tokens


@pytest.mark.parametrize("dtype", [one for one in cases.NARROWER if one != "q4_0"])
def test_llama_cpp_gives_them_in_less_precision(
    exported: Exported, llama_cpp: dict, vocabulary: Vocabulary, dtype: str
) -> None:
    answers = llama_cpp[f"{BUNDLED}-{dtype}"]["answers"]
    alike = 0
    for answer, theirs in zip(exported.engine[BUNDLED], answers, strict=True):
        tokens = compared(answer, vocabulary, lead=0.5)
        assert theirs[: len(tokens)] == tokens
        alike += len(tokens)
    assert alike >= 8


def test_llama_cpp_completes_in_four_bits(
    exported: Exported, llama_cpp: dict, vocabulary: Vocabulary
) -> None:
    answers = llama_cpp[f"{BUNDLED}-q4_0"]["answers"]
    alike = 0
    for answer, theirs in zip(exported.engine[BUNDLED], answers, strict=True):
        assert theirs
        # With four bits any token may differ, so the common beginnings are counted.
        tokens = compared(answer, vocabulary, lead=0.5)
        alike += theirs[: len(tokens)] == tokens
    assert alike >= len(answers) // 2
    assert llama_cpp[f"{BUNDLED}-q4_0"]["ids"] == llama_cpp[BUNDLED]["ids"]


def test_transformers_gives_the_engines_greedy_tokens(
    exported: Exported, model: Any, vocabulary: Vocabulary, name: str
) -> None:
    import torch

    for prompt, answer in zip(cases.prompts(vocabulary), exported.engine[name], strict=True):
        ids = torch.tensor([prompt.token_ids])
        output = model.generate(ids, max_new_tokens=cases.NEW_TOKENS, do_sample=False)
        theirs, tokens = output[0, ids.shape[1] :].tolist(), compared(answer, vocabulary)
        assert theirs[: len(tokens)] == tokens
        if tokens[-1] in vocabulary.stop_ids:
            assert len(theirs) == len(tokens)  # it ends there by itself


def test_transformers_logits_are_kerashubs(
    exported: Exported, model: Any, vocabulary: Vocabulary, name: str
) -> None:
    import torch

    theirs = np.load(exported.folder / f"{name}.npz")
    for number, prompt in enumerate(cases.prompts(vocabulary)):
        with torch.no_grad():
            ours = model(torch.tensor([prompt.token_ids])).logits[0].numpy()
        expected = theirs[f"arr_{number}"]
        assert np.ptp(expected) > 10
        np.testing.assert_allclose(ours, expected, atol=LOGIT_TOLERANCE)


def test_llama_cpp_gives_a_text_the_engines_ids(llama_cpp: dict, vocabulary: Vocabulary) -> None:
    ids = llama_cpp["fim_small"]["ids"]
    for text, theirs in zip(cases.TEXTS, ids, strict=False):
        assert theirs == vocabulary.encode(text), text
    prompts = cases.prompts(vocabulary)
    assert ids[len(cases.TEXTS) :] == [list(prompt.token_ids) for prompt in prompts]


def test_transformers_gives_a_text_the_engines_ids(tokenizer: Any, vocabulary: Vocabulary) -> None:
    for text in cases.TEXTS:
        ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids
        assert ids == vocabulary.encode(text), text
        assert tokenizer.decode(ids) == vocabulary.decode(ids)


def test_transformers_reads_a_lower_block_as_sentencepiece_does(
    tokenizer: Any, vocabulary: Vocabulary
) -> None:
    text = cases.LOWER_BLOCKS
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids
    assert ids == vocabulary.encode(text.replace("\u2581", " "))  # the engine encodes it as bytes
    assert tokenizer.decode(vocabulary.encode(text)) == text


def test_transformers_reads_a_prompt_as_the_engine_does(
    tokenizer: Any, vocabulary: Vocabulary
) -> None:
    for prompt in cases.prompts(vocabulary):
        assert tokenizer(prompt.text).input_ids == list(prompt.token_ids)
        shown = tokenizer.decode(prompt.token_ids, skip_special_tokens=True)
        assert not any(token in shown for token in fim.FIM_TOKENS)
