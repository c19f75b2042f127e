"""Encoding and decoding, with the bundled vocabulary."""

from __future__ import annotations

import itertools
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codegemma_ui import fim
from codegemma_ui.fim import DEFAULT_MAX_LENGTH
from codegemma_ui.fim.vocabulary import Vocabulary

TEXTS = [
    "",
    "\tx = 1  \r\n\r\n",
    "def 한글():\n    return '😀 café ﷺ'\n",
    "trailing   ",
    "a\x00b",
    "<|fim_middle|> typed by a person <|file_separator|>",
    "<bos><eos>",
]


def test_control_tokens_are_one_token_each(vocabulary: Vocabulary) -> None:
    ids = [vocabulary.control_id(name) for name in fim.FIM_TOKENS]
    assert len(set(ids)) == 4
    assert [vocabulary.token_text(token_id) for token_id in ids] == list(fim.FIM_TOKENS)
    assert vocabulary.stop_ids == {*ids, vocabulary.eos_id}


@pytest.mark.parametrize("text", TEXTS)
def test_text_survives_encoding(vocabulary: Vocabulary, text: str) -> None:
    assert vocabulary.decode(vocabulary.encode(text)) == text


ANY = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\u2581 \n<|\ufeff"))


@settings(max_examples=500, deadline=None)
@given(ANY)
@example("\u2581")
@example(" \u2581\u2581  \u2581x\u2581<|fim_middle|>\u2581")
def test_any_text_survives_encoding(vocabulary: Vocabulary, text: str) -> None:
    ids = vocabulary.encode(text)
    assert vocabulary.decode(ids) == text
    prompt = vocabulary.prompt("x" + text, text, 10_000)
    for role in ("prefix", "suffix"):
        tokens = [token for token in prompt.tokens if token.role == role]
        whole = "x" + text if role == "prefix" else text
        assert [token.id for token in tokens] == vocabulary.encode(whole)
        assert "".join(whole[token.start : token.end] for token in tokens) == whole


def test_every_character_but_for_rare_ideographs_survives_encoding(vocabulary: Vocabulary) -> None:
    """Those beyond U+20000 take the same path, but would need a minute."""
    none_yet = ("Cn", "Co", "Cs")
    characters = [chr(code) for code in range(0x20000)]
    characters = [one for one in characters if unicodedata.category(one) not in none_yet]
    for start in range(0, len(characters), 1000):
        text = "a".join(characters[start : start + 1000])
        assert vocabulary.decode(vocabulary.encode(text)) == text


def test_a_lower_block_is_its_three_bytes_and_no_space(vocabulary: Vocabulary) -> None:
    block = [vocabulary.id_of(f"<0x{byte:02X}>") for byte in "\u2581".encode()]
    assert vocabulary.encode("\u2581") == block
    assert vocabulary.encode("a\u2581b") == [
        *vocabulary.encode("a"),
        *block,
        *vocabulary.encode("b"),
    ]


@pytest.mark.parametrize("layout", fim.LAYOUTS)
def test_a_byte_order_mark_at_the_head_is_not_read(
    vocabulary: Vocabulary, layout: fim.Layout
) -> None:
    mark = fim.BYTE_ORDER_MARK
    plain = vocabulary.prompt("x = ", "\n", 128, layout, "a.py", FILES)
    marked = [fim.File(file.path, mark + file.text) for file in FILES]
    prompt = vocabulary.prompt(f"{mark}x = ", "\n", 128, layout, "a.py", marked)
    assert prompt.token_ids == plain.token_ids
    assert mark not in prompt.text
    first = next(token for token in prompt.tokens if token.role == "prefix")
    assert first.start == 1  # positions refer to the original text
    inside = vocabulary.prompt(f"x{mark} = ", "\n", 128, layout)
    assert mark in inside.text  # elsewhere it is an ordinary character


@pytest.mark.parametrize("text", TEXTS)
def test_a_stream_gives_whole_characters_that_join_to_the_text(
    vocabulary: Vocabulary, text: str
) -> None:
    decoder = vocabulary.text_decoder()
    pieces = [decoder.feed(token_id) for token_id in vocabulary.encode(text)]
    assert "".join(pieces) == text
    assert "\N{REPLACEMENT CHARACTER}" not in "".join(pieces)
    assert decoder.flush() == ""


def test_a_character_that_never_became_whole_is_shown_as_such(vocabulary: Vocabulary) -> None:
    ids = vocabulary.encode("한")
    assert len(ids) == 3
    decoder = vocabulary.text_decoder()
    assert [decoder.feed(token_id) for token_id in ids[:2]] == ["", ""]
    assert decoder.flush() == "\N{REPLACEMENT CHARACTER}"


def test_control_token_text_typed_by_a_person_stays_text(vocabulary: Vocabulary) -> None:
    controls = {vocabulary.control_id(name) for name in fim.FIM_TOKENS}
    assert not controls & set(vocabulary.encode("x" + "".join(fim.FIM_TOKENS) + "y"))
    prompt = vocabulary.prompt("<|fim_middle|>", "<|fim_suffix|>", 128)
    assert [token_id for token_id in prompt.token_ids if token_id in controls] == [
        vocabulary.control_id(fim.FIM_PREFIX),
        vocabulary.control_id(fim.FIM_SUFFIX),
        vocabulary.control_id(fim.FIM_MIDDLE),
    ]


def test_bos_comes_once_and_first(vocabulary: Vocabulary) -> None:
    prompt = vocabulary.prompt("a", "b", 128)
    assert prompt.token_ids[0] == vocabulary.bos_id
    assert prompt.token_ids.count(vocabulary.bos_id) == 1
    assert prompt.text == "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"


@pytest.mark.parametrize("max_length", [32, 33, 64, 128, 512])
@pytest.mark.parametrize("layout", fim.FIM_LAYOUTS)
@pytest.mark.parametrize("unit", ["x = 1\n", "한글 😀 ", "\t\r\n", "<|fim_middle|>", "\u2581x "])
def test_a_long_context_is_trimmed_at_its_far_ends(
    vocabulary: Vocabulary, max_length: int, layout: fim.Layout, unit: str
) -> None:
    prefix, suffix = "start " + unit * 400, unit * 400 + " end"
    prompt = vocabulary.prompt(prefix, suffix, max_length, layout)
    kept = {part.role: part.text for part in prompt.segments}
    assert prefix.endswith(kept["prefix"])
    assert suffix.startswith(kept["suffix"])
    assert len(prompt.token_ids) <= max_length - fim.MIN_ROOM
    step = fim.cut_step(max_length - fim.MIN_ROOM - 4, vocabulary.count(suffix))
    # No token of the budget is wasted.
    assert len(prompt.token_ids) > max_length - fim.MIN_ROOM - step - step // 2 - 10
    assert prompt.trimmed_prefix_tokens == vocabulary.count(prefix) - vocabulary.count(
        kept["prefix"]
    )
    assert prompt.trimmed_prefix_tokens > 0
    assert prompt.trimmed_suffix_tokens > 0
    assert prompt.token_ids[-1] == vocabulary.control_id(fim.FIM_MIDDLE)


@pytest.mark.parametrize("max_length", [32, 33, 64, 128, 512])
def test_left_to_right_keeps_the_end_of_the_prefix_alone(
    vocabulary: Vocabulary, max_length: int
) -> None:
    prefix = "start " + "x = 1\n" * 400
    prompt = vocabulary.prompt(prefix, "never read", max_length, "ltr")
    assert prefix.endswith(prompt.text)
    step = fim.cut_step(max_length - fim.MIN_ROOM - 1)
    most = max_length - fim.MIN_ROOM
    assert most - step - step // 2 - 10 < len(prompt.token_ids) <= most
    assert prompt.trimmed_prefix_tokens == vocabulary.count(prefix) - vocabulary.count(prompt.text)
    assert prompt.trimmed_suffix_tokens == 0
    assert {token.role for token in prompt.tokens} == {"bos", "prefix"}


def test_where_nobody_types_as_much_is_kept_as_fits(vocabulary: Vocabulary) -> None:
    text = "x = 1\n" * 400
    for max_length in range(500, 513):
        prompt = vocabulary.prompt(text, text, max_length, steady=False)
        assert max_length - fim.MIN_ROOM - 1 <= len(prompt.tokens) <= max_length - fim.MIN_ROOM


PYTHON = "".join(
    f"def area_{number}(width, height):\n    return width * height + {number}\n\n\n"
    for number in range(60)
)
KOREAN = "".join(
    f"def 넓이_{number}(너비, 높이):\n    # 사각형의 넓이를 돌려준다\n    return 너비 * 높이\n\n"
    for number in range(40)
)


@pytest.mark.parametrize("text", [PYTHON, KOREAN], ids=["python", "korean"])
@pytest.mark.parametrize("files", [(), (fim.File("a.py", "a = [1, 2, 3]\n" * 90),)])
@pytest.mark.parametrize("max_length", [300, 512])
def test_the_cut_stays_while_a_person_types(
    vocabulary: Vocabulary, text: str, files: tuple[fim.File, ...], max_length: int
) -> None:
    """It starts from an empty prefix, so the suffix is cut first, then the files, then the prefix."""
    cuts: list[object] = []
    ends = range(0, min(len(text), 1500), 4)
    for end in ends:
        prompt = vocabulary.prompt(text[:end], PYTHON, max_length, "spm", "b.py", files)
        before = [part.text for part in prompt.segments if part.role in ("context", "suffix")]
        assert prompt.trimmed_suffix_tokens > 0
        cuts.append((*before, prompt.trimmed_prefix_tokens))
    typed = vocabulary.count(text[: ends[-1]])
    assert typed > 400
    # One more when the suffix is down to its share, and one when the prefix begins to be cut.
    assert 2 <= len(set(cuts)) - 1 <= typed // fim.CUT_STEP + 2
    moves = sum(one != other for one, other in itertools.pairwise(cuts))
    assert moves == len(set(cuts)) - 1  # and none moves back


@pytest.mark.parametrize("layout", fim.FIM_LAYOUTS)
@pytest.mark.parametrize("after", [PYTHON, ""], ids=["suffix", "no suffix"])
@pytest.mark.parametrize("text", [PYTHON, KOREAN], ids=["python", "korean"])
@pytest.mark.parametrize("max_length", [fim.MIN_MAX_LENGTH, DEFAULT_MAX_LENGTH, 160, 512])
def test_few_keystrokes_prefill_more_than_a_step(
    vocabulary: Vocabulary, max_length: int, text: str, after: str, layout: fim.Layout
) -> None:
    """At most one in 64 typed tokens, plus the suffix in PSM, from the smallest `max_length` on."""
    before: list[int] = []
    over, ends = 0, range(600)
    for end in ends:
        prompt = vocabulary.prompt(text[:end], after, max_length, layout)
        ids = list(prompt.token_ids)
        cached = next(
            (at for at, (one, two) in enumerate(zip(before, ids, strict=False)) if one != two), 0
        )
        suffix = sum(token.role == "suffix" for token in prompt.tokens) if layout == "psm" else 0
        over += bool(before) and len(ids) - cached > fim.CUT_STEP + suffix
        before = ids
    typed = vocabulary.count(text[: ends[-1]])
    assert typed > 2 * fim.CUT_STEP
    assert over <= typed // fim.CUT_STEP + 1


@given(
    prefix=st.integers(0, 3000),
    suffix=st.integers(0, 3000),
    budget=st.integers(0, 2000),
)
def test_shares_are_fair_and_leave_less_than_a_step(prefix: int, suffix: int, budget: int) -> None:
    step = fim.cut_step(budget, suffix)
    assert 1 <= step <= fim.CUT_STEP
    room = budget - min(suffix, int(budget * fim.SUFFIX_SHARE))
    assert step == fim.CUT_STEP or room - step <= fim.PREFILLED_ANEW
    if room <= fim.PREFILLED_ANEW or budget >= 4 * fim.CUT_STEP:
        assert step <= max(1, budget // 4)
    prefix_kept, suffix_kept = fim.share_budget(prefix, suffix, budget, step)
    assert 0 <= prefix_kept <= prefix
    assert 0 <= suffix_kept <= suffix
    assert prefix_kept + suffix_kept <= budget
    if prefix + suffix > budget:
        assert prefix_kept + suffix_kept > budget - step
        assert suffix_kept >= min(suffix, int(budget * fim.SUFFIX_SHARE))
        assert prefix_kept >= min(prefix, budget - int(budget * fim.SUFFIX_SHARE) - step)
    else:
        assert (prefix_kept, suffix_kept) == (prefix, suffix)


@given(suffix=st.integers(0, 3000), budget=st.integers(256, 2000), start=st.integers(0, 2000))
def test_shares_move_once_in_a_step(suffix: int, budget: int, start: int) -> None:
    kept = [
        fim.share_budget(prefix, suffix, budget, fim.CUT_STEP)[1]
        for prefix in range(start, start + fim.CUT_STEP)
        if prefix + suffix > budget
    ]
    assert sum(one != other for one, other in itertools.pairwise(kept)) <= 1


def test_what_fits_is_not_trimmed(vocabulary: Vocabulary) -> None:
    prefix = "x = 1\n" * 10
    tokens = vocabulary.count(prefix)
    exact = tokens + 4 + fim.MIN_ROOM
    assert vocabulary.prompt(prefix, "", exact).trimmed_prefix_tokens == 0
    assert vocabulary.prompt(prefix, "", exact - 1).trimmed_prefix_tokens > 0


def test_a_folder_without_a_vocabulary_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Received: .*") as caught:
        Vocabulary(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("layout", ["psm", "spm"])
def test_the_cursor_is_right_after_the_prefix(vocabulary: Vocabulary, layout: fim.Layout) -> None:
    for prefix, suffix in (("import os\n", "\nprint(os.name)\n"), ("", "x"), ("x", ""), ("", "")):
        ids = vocabulary.prompt(prefix, suffix, 128, layout).token_ids
        cursor = vocabulary.cursor(ids)
        assert vocabulary.decode(ids[:cursor]).endswith(prefix)
        assert ids[cursor] in (
            vocabulary.control_id(fim.FIM_SUFFIX),
            vocabulary.control_id(fim.FIM_MIDDLE),
        )


LONG = "".join(f"def f{number}(한글='😀'):\n\treturn {number}\r\n" for number in range(60))


@pytest.mark.parametrize("layout", fim.LAYOUTS)
@pytest.mark.parametrize("max_length", [40, 128, 4000])
def test_each_token_of_a_prompt_names_the_characters_it_stands_for(
    vocabulary: Vocabulary, layout: fim.Layout, max_length: int
) -> None:
    prompt = vocabulary.prompt(LONG, LONG, max_length, layout)
    assert len(prompt.tokens) <= max_length - fim.MIN_ROOM
    for part in prompt.segments:
        tokens = [token for token in prompt.tokens if token.role == part.role]
        if part.role in ("prefix", "suffix"):
            assert "".join(LONG[token.start : token.end] for token in tokens) == part.text
            starts, ends = [token.start for token in tokens], [token.end for token in tokens]
            assert starts[1:] == ends[:-1]
            assert (starts[0] == 0) if part.role == "suffix" else (ends[-1] == len(LONG))
    for token in prompt.tokens:
        if token.role in ("prefix", "suffix") and not token.piece.startswith("<0x"):
            assert LONG[token.start : token.end] == token.piece


def test_left_to_right_is_the_prefix_alone(vocabulary: Vocabulary) -> None:
    prompt = vocabulary.prompt("import ", "sys.exit(0)", 128, "ltr")
    assert prompt.text == "import "
    assert prompt.token_ids == (vocabulary.bos_id, *vocabulary.encode("import "))
    assert vocabulary.cursor(prompt.token_ids) == len(prompt.token_ids)


FILES = (fim.File("a.py", "A = 1\n"), fim.File("b/c.py", "def helper():\n    return 2\n"))


def test_files_and_paths_stand_before_as_in_the_report(vocabulary: Vocabulary) -> None:
    prompt = vocabulary.prompt("x = ", "\n", 256, path="main.py", files=FILES)
    assert prompt.text == (
        "a.py\nA = 1\n<|file_separator|>b/c.py\ndef helper():\n    return 2\n<|file_separator|>"
        "main.py\n<|fim_prefix|>x = <|fim_suffix|>\n<|fim_middle|>"
    )
    roles = list(dict.fromkeys(token.role for token in prompt.tokens))
    assert roles == ["bos", "path", "context", "control", "prefix", "suffix"]
    cursor = vocabulary.cursor(prompt.token_ids)
    assert prompt.tokens[cursor - 1].role == "prefix"
    assert prompt.tokens[cursor].piece == fim.FIM_SUFFIX


def test_files_get_what_the_sides_leave_and_the_last_one_first(vocabulary: Vocabulary) -> None:
    for max_length in range(60, 32, -1):
        prompt = vocabulary.prompt("x = 1 + " * 2, "\n", max_length, path="main.py", files=FILES)
        assert len(prompt.tokens) <= max_length - fim.MIN_ROOM
        assert prompt.trimmed_prefix_tokens == 0 or "context" not in {
            token.role for token in prompt.tokens
        }
        if "A = 1" in prompt.text:
            assert "def helper" in prompt.text
    assert prompt.trimmed_context_tokens == sum(vocabulary.count(file.text) for file in FILES)
