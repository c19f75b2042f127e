"""Training samples: realistic holes, in the layouts that the page uses."""

from __future__ import annotations

import ast
import textwrap
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from codegemma_ui import fim
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.presets import BUNDLED_FOLDER
from training import holes, samples
from training.corpus import SourceFile
from training.samples import Sample

HERE = Path(__file__)
TEXT = HERE.read_text()


@pytest.fixture(scope="module")
def source() -> holes.Source:
    return holes.understand(TEXT)


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary(BUNDLED_FOLDER)


def file() -> SourceFile:
    return SourceFile("package", "1.0", "package/module.py", TEXT)


def test_a_hole_is_inside_the_text_and_not_empty(source: holes.Source) -> None:
    random = Random(0)
    drawn = [hole for _ in range(2000) if (hole := holes.draw(source, random))]
    assert len(drawn) > 1900
    assert all(0 <= hole.start < hole.end <= len(TEXT) for hole in drawn)
    assert all(hole.end - hole.start <= holes.MAX_HOLE for hole in drawn)


def test_every_kind_of_hole_is_drawn(source: holes.Source) -> None:
    random = Random(0)
    forms: Counter[str] = Counter()
    for _ in range(2000):
        hole = holes.draw(source, random)
        if hole is None:
            continue
        starts_line = hole.start in source.line_starts
        ends_line = hole.end in source.line_starts
        lines = TEXT[hole.start : hole.end].count("\n")
        forms["whole line"] += starts_line and ends_line and lines == 1
        forms["whole lines"] += starts_line and ends_line and lines > 1
        forms["rest of a line"] += not starts_line and TEXT[hole.end : hole.end + 1] == "\n"
        forms["within a line"] += lines == 0 and not starts_line and not ends_line
    assert min(forms.values()) > 100


def test_holes_lean_to_what_the_surroundings_tell() -> None:
    pairs = (f"    total = total + count\n    strange_{n} = unseen_{n}\n" for n in range(50))
    source = holes.understand("def f(total, count):\n" + "".join(pairs))
    random = Random(0)
    told: Counter[str] = Counter()
    for _ in range(1000):
        if hole := holes.draw(source, random):
            text = source.text[hole.start : hole.end]
            told["known"] += "total" in text and "strange" not in text
            told["strange"] += "strange" in text and "total" not in text
    assert 2 * told["strange"] < told["known"] < 6 * told["strange"]


def test_hard_holes_lean_less() -> None:
    pairs = (f"    total = total + count\n    strange_{n} = unseen_{n}\n" for n in range(50))
    source = holes.understand("def f(total, count):\n" + "".join(pairs))
    known = {}
    for hard in (0.0, 1.0):
        random = Random(0)
        drawn = [hole for _ in range(1000) if (hole := holes.draw(source, random, hard))]
        texts = [source.text[hole.start : hole.end] for hole in drawn]
        known[hard] = sum("total" in text and "strange" not in text for text in texts)
    assert known[0.0] > 1.2 * known[1.0]


def test_nodes_are_whole_statements_or_expressions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holes, "KINDS", {"node": 1.0})
    text = (
        'def f(rows):\n    """Say it."""\n    for row in rows:\n'
        "        call(\n            row,\n            1,\n        )\n"
        "    else:\n        done = True\n    return done or None\n"
    )
    source, random = holes.understand(text), Random(0)
    drawn = [hole for _ in range(500) if (hole := holes.draw(source, random))]
    texts = {text[hole.start : hole.end].strip() for hole in drawn}
    assert "call(\n            row,\n            1,\n        )" in texts
    assert {"done = True", "return done or None", "done or None"} <= texts
    assert any(one.startswith("for row") and one.endswith("return done or None") for one in texts)
    for hole in drawn:
        line = text.rfind("\n", 0, hole.start) + 1
        whole = (
            text[line : hole.end]
            if text[line : hole.start].isspace()
            else text[hole.start : hole.end]
        )
        ast.parse(textwrap.dedent(whole))
    assert not any("Say it" in one for one in texts)


def test_body_lines_are_code_of_functions(source: holes.Source) -> None:
    lines = TEXT.split("\n")
    body = {lines[number].strip() for number in source.body_lines}
    assert "forms: Counter[str] = Counter()" in body
    assert not any(line.startswith(("import ", "from ", "#", '"""')) for line in body)


def test_windows_join_to_a_part_of_the_file(source: holes.Source) -> None:
    found = list(samples.windows(file(), source, Random(3), tokens=300))
    assert found
    for sample in found:
        assert sample.prefix + (sample.middle or "") + sample.suffix in TEXT


def test_snippets_are_whole_functions_with_the_imports_they_use(
    source: holes.Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "NO_SUFFIX_RATE", 0.0)
    found = list(samples.snippets(file(), source, Random(3), tokens=400))
    texts = [sample.prefix + (sample.middle or "") + sample.suffix for sample in found]
    assert all(ast.parse(text) for text in texts)
    (counting,) = [
        text
        for text in texts
        if "    forms: Counter[str] = Counter()" in text and "ast.parse" not in text
    ]
    assert "from collections import Counter\n" in counting
    assert "import ast" not in counting


@pytest.mark.parametrize("layout", fim.LAYOUTS)
def test_a_sample_begins_with_the_prompt_that_the_page_writes(
    vocabulary: Vocabulary, layout: fim.Layout
) -> None:
    sample = Sample("def f(x):\n    return ", "x + 1", "\n\nprint(f(2))\n", layout)
    ids, middle = samples.encode(sample, vocabulary)
    prompt = vocabulary.prompt(sample.prefix, sample.suffix, 512, layout)
    assert tuple(ids[:middle]) == prompt.token_ids
    assert ids[middle:] == [*vocabulary.encode("x + 1"), vocabulary.control_id(fim.FILE_SEPARATOR)]


def test_another_file_stands_before_with_its_path(vocabulary: Vocabulary) -> None:
    other = SourceFile("package", "1.0", "package/other.py", "x = 1\n" * 200)
    sample = samples.beside(Sample("a = ", "1", "\n"), "package/module.py", other, Random(0))
    ids, middle = samples.encode(sample, vocabulary)
    names = [vocabulary.token_text(id) for id in ids]
    assert vocabulary.decode(ids[1:]).startswith("package/other.py\nx = 1\n")
    separator, prefix = names.index(fim.FILE_SEPARATOR), names.index(fim.FIM_PREFIX)
    assert vocabulary.decode(ids[separator + 1 : prefix]) == "package/module.py\n"
    assert names[-1] == fim.FILE_SEPARATOR
    assert vocabulary.decode(ids[middle:-1]) == "1"


def test_plain_text_ends_in_the_separator_only_where_the_file_ends(vocabulary: Vocabulary) -> None:
    separator = vocabulary.control_id(fim.FILE_SEPARATOR)
    for ends in (True, False):
        ids, middle = samples.encode(Sample("x = 1\n", None, "", ends=ends), vocabulary)
        assert (ids[-1] == separator) is ends
        assert middle == len(ids)  # none of its tokens counts as part of a middle
