"""A prompt with control tokens is parsed into its sides; no other text is."""

from __future__ import annotations

import pytest

from codegemma_ui import fim
from codegemma_ui.server.openai_api import fim_prompt


@pytest.mark.parametrize("layout", fim.FIM_LAYOUTS)
@pytest.mark.parametrize("path", ["", "pkg/a.py"])
@pytest.mark.parametrize("files", [(), (fim.File("", "x = 1\n"), fim.File("", "y = 2"))])
def test_it_is_the_way_back_from_segments(
    layout: fim.Layout, path: str, files: tuple[fim.File, ...]
) -> None:
    prefix, suffix = "def f(\n", "):\n    pass\n"
    written = fim.text_of(fim.segments(prefix, suffix, layout, path, files))
    for text in (written, f"<bos>{written}"):
        assert fim_prompt.read(text) == {
            "prefix": prefix,
            "suffix": suffix,
            "layout": layout,
            "path": path,
            "files": [{"path": "", "text": file.text} for file in files],
        }


def test_what_continue_puts_before_the_prompt_is_read_as_a_file() -> None:
    found = fim_prompt.read("Context:\n\nx<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>")
    assert found is not None
    assert (found["files"], found["path"]) == ([{"path": "", "text": "Context:\n\nx"}], "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "import ",
        "<|fim_prefix|>a<|fim_suffix|>b",
        "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>c",
        "<|fim_middle|><|fim_prefix|>a<|fim_suffix|>b",
        "<|fim_prefix|>a<|fim_prefix|><|fim_suffix|>b<|fim_middle|>",
        "# the token <|fim_middle|> is written so",
    ],
)
def test_other_texts_stay_texts(text: str) -> None:
    assert fim_prompt.read(text) is None
