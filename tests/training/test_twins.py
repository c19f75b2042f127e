"""A twin is the same function with other names, placed in the same sample."""

from __future__ import annotations

import ast
from pathlib import Path
from random import Random

from training import holes, twins

SOURCE = holes.understand(Path(holes.__file__).read_text())


def test_functions_stand_at_the_left_margin() -> None:
    found = list(twins.functions(SOURCE))
    assert len(found) > 8
    for text in found:
        (function,) = ast.parse(text).body
        assert isinstance(function, holes.Body)


def test_a_twin_has_the_same_form_and_some_other_names() -> None:
    text = "def find(self, item):\n    for one in self.items:\n        print(one, item)\n"
    random, words = Random(0), ["price", "total", "label"]
    twin = [twins.renamed(text, words, random) for _ in range(50)]
    assert all(len(one.split()) == len(text.split()) for one in twin)
    assert all("for " in one and "self." in one and "print(" in one for one in twin)
    assert sum(one != text for one in twin) > 45
    assert any("price" in one for one in twin)


def test_a_word_is_renamed_wherever_it_stands_in_a_name() -> None:
    text = "item = ItemList(last_item, itemised)\n"
    random = Random(0)
    renamed = {twins.renamed(text, ["price"], random) for _ in range(50)}
    assert any("price = Price" in one and "last_price" in one for one in renamed)
    assert not any("priceised" in one for one in renamed)


def test_samples_are_python_with_a_hole_in_one_of_two_alike_functions() -> None:
    found = [s for seed in range(20) for s in twins.samples(SOURCE, Random(seed), tokens=600)]
    assert len(found) > 20
    for sample in found:
        text = sample.prefix + (sample.middle or "") + sample.suffix
        functions = [node for node in ast.parse(text).body if isinstance(node, holes.Body)]
        assert len(functions) in (2, 3)
        first, last = (len(ast.dump(functions[index])) for index in (0, -1))
        assert 0.7 < first / last < 1.4
        assert sample.middle
