"""The programs of the grammar are valid Python, and none of them contains an example of the page."""

from __future__ import annotations

import ast
from random import Random

from codegemma_ui.ui.examples import EXAMPLES
from training import grammar


def test_every_program_parses_and_every_form_is_drawn() -> None:
    random = Random(0)
    for form in grammar.FORMS:
        for _ in range(50):
            assert ast.parse(form(random)).body
    assert all(ast.parse(grammar.program(random)) for _ in range(200))


def test_no_program_holds_an_example_of_the_page() -> None:
    texts = [max(example.prefix, example.suffix, key=len).strip() for example in EXAMPLES]
    random = Random(0)
    for _ in range(grammar.PROGRAMS):
        program = grammar.program(random)
        assert not any(text in program for text in texts)


def test_a_sample_joins_to_its_program() -> None:
    for sample in grammar.samples(Random(1), programs=200):
        assert ast.parse(sample.prefix + (sample.middle or "") + sample.suffix)
