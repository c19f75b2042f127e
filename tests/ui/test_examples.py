"""The required examples, byte for byte."""

from __future__ import annotations

from codegemma_ui.ui.code_editor import CodeEditor
from codegemma_ui.ui.examples import EXAMPLES, by_key
from codegemma_ui.ui.strings import text


def test_the_quickstart_is_googles() -> None:
    example = by_key("quickstart")
    assert example.prefix == "import "
    assert example.suffix == 'if __name__ == "__main__":\n    sys.exit(0)'


def test_the_multiplication_table_keeps_its_newlines() -> None:
    example = by_key("table")
    assert example.prefix.startswith("\n")
    assert example.suffix.endswith("\n\n")


def test_either_side_may_be_empty() -> None:
    assert by_key("empty_prefix").prefix == ""
    assert by_key("empty_suffix").suffix == ""


def test_those_where_a_small_model_fails_come_last_and_say_so() -> None:
    hard = [example.hard for example in EXAMPLES]
    assert hard == sorted(hard)
    assert [example.key for example in EXAMPLES if example.hard] == [
        *("empty_suffix", "docstring", "body", "javascript")
    ]
    assert by_key("body").title("en") == "A body of several lines (a small model fails here)"
    assert by_key("body").title("ko").startswith(text("example_body", "ko"))
    assert by_key("table").title("en") == "Multiplication table"


def test_keys_are_unique_and_languages_are_known_to_the_editor() -> None:
    assert len({example.key for example in EXAMPLES}) == len(EXAMPLES)
    assert all(example.language in CodeEditor.languages for example in EXAMPLES)
    assert by_key("javascript").language == "javascript"


def test_editors_hold_lf() -> None:
    assert not any("\r" in example.prefix + example.suffix for example in EXAMPLES)


def test_the_editor_leaves_whitespace_alone() -> None:
    text = "\n\n  x \n"
    assert CodeEditor().postprocess(text) == text
    assert CodeEditor(value=text).value == text
