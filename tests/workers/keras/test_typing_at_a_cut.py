"""Typing at the end of a cut prefix prefills only a small part of the prompt.

The prefilled part depends on the token ids alone, so the steps are scripted; the text is cut with the bundled
vocabulary.
"""

from __future__ import annotations

import pytest

from codegemma_ui.fim import CUT_STEP, DEFAULT_MAX_LENGTH, FIM_LAYOUTS, MIN_MAX_LENGTH, Layout
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.presets import BUNDLED_FOLDER
from codegemma_ui.workers.keras import planning
from codegemma_ui.workers.keras.decode import Decoder
from codegemma_ui.workers.keras.sampling import Sampling
from tests.workers.keras.scripted_steps import ScriptedSteps

CONTEXT = 512
KEYSTROKES = 300

TEXTS = {
    "python": "".join(
        f"def area_{number}(width, height):\n    return width * height + {number}\n\n\n"
        for number in range(40)
    ),
    "korean": "".join(
        f"def 넓이_{number}(너비, 높이):\n    # 사각형의 넓이를 돌려준다\n    return 너비\n\n"
        for number in range(30)
    ),
}


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary(BUNDLED_FOLDER)


@pytest.mark.parametrize("layout", FIM_LAYOUTS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("max_length", [MIN_MAX_LENGTH, DEFAULT_MAX_LENGTH, CONTEXT])
def test_little_is_prefilled(
    vocabulary: Vocabulary, max_length: int, text: str, layout: Layout
) -> None:
    decoder = Decoder(ScriptedSteps(), context_length=CONTEXT)
    before, after = text[:-KEYSTROKES], text[-KEYSTROKES:] * 4
    prefilled = []
    for end in range(len(before), len(text)):
        prompt = vocabulary.prompt(text[:end], after, max_length, layout)
        assert prompt.trimmed_prefix_tokens > 0
        next(decoder.decode(prompt.token_ids, max_length, Sampling()))
        prefilled.append(decoder.prefilled_tokens)
    _, *keystrokes = prefilled  # the first finds no cached prefix

    most = CUT_STEP
    if layout == "psm":
        most += sum(token.role == "suffix" for token in prompt.tokens)
    if max_length < CONTEXT:  # the cut moves more often: its chunks count whole
        most = sum(size for _, size in planning.chunks(0, most, planning.CACHE_LENGTHS[0]))
    typed = vocabulary.count(text) - vocabulary.count(before)
    assert typed > 100
    assert sum(tokens > most for tokens in keystrokes) <= typed // CUT_STEP + 1
