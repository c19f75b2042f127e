"""Every visible string stands in one table, in both languages."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from codegemma_ui import errors
from codegemma_ui.fim.boundaries import KINDS
from codegemma_ui.ipc.messages import LACKS, STATES
from codegemma_ui.ui import strings
from codegemma_ui.ui.examples import EXAMPLES
from codegemma_ui.ui.lessons import LESSONS
from codegemma_ui.ui.strings import TABLE, choose_language, error_title, text

UI = Path(strings.__file__).parent
PLACEHOLDER = re.compile(r"{(\w+)}")


@pytest.mark.parametrize("key", TABLE)
def test_both_languages_say_the_same_things(key: str) -> None:
    english, korean = TABLE[key]
    assert english
    assert korean
    assert set(PLACEHOLDER.findall(english)) == set(PLACEHOLDER.findall(korean))


def test_korean_is_korean() -> None:
    same = {key for key, (english, korean) in TABLE.items() if english == korean}
    assert same == {"max_length", "top_k", "top_p"}


def test_every_lesson_and_every_finding_has_its_words() -> None:
    keys = [f"lesson_{lesson.key}{name}" for lesson in LESSONS for name in ("", "_says")]
    keys += [f"lesson_{lesson.key}_{name}" for lesson in LESSONS for name in lesson.tries]
    told = {key for key in TABLE if key.startswith("lesson_")}
    card = {f"lesson_{name}" for name in ("ask", "says", "of", "look", "try", "as_given")}
    assert told - card - {"lesson_next", "lesson_back", "lesson_close"} == set(keys)
    kinds = {key.split("_", 1)[1] for key in TABLE if key.startswith("check_")}
    assert [one for one in kinds if not one.startswith(KINDS)] == []


def test_every_key_that_the_page_builds_has_a_string() -> None:
    built = [f"example_{example.key}" for example in EXAMPLES]
    built += [f"state_{state}" for state in STATES]
    built += [f"phase_{phase}" for phase in ("waiting", "stopping", "ending")]
    built += [f"legend_{role}" for role in ("prefix", "middle", "suffix", "control")]
    built += [f"lacks_{name}" for name in LACKS]
    built += [f"stop_{reason}" for reason in ("token", "max_length", "time_limit", "you", "error")]
    assert [key for key in built if key not in TABLE] == []


def test_every_string_is_used() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8") for path in UI.rglob("*.py") if path.name != "strings.py"
    )
    families = ("example_", "state_", "phase_", "legend_", "stop_", "error_", "hint_", "layout_")
    families += ("role_", "tab_", "check_", "boundaries_", "lesson_", "take_note_", "open_")
    families += ("lacks_",)
    pane_families = ("_empty", "_says")
    unused = [
        key
        for key in TABLE
        if f'"{key}"' not in sources
        and not key.startswith(families)
        and not key.endswith(pane_families)
    ]
    assert unused == []


def test_every_error_has_a_headline_of_its_own() -> None:
    classes = [errors.BadInput, errors.WorkerDied, errors.NotEnoughMemory, errors.LoadFailed]
    for error in classes:
        assert error_title(error.code, "en") != text("error", "en")
    assert error_title("something_new", "ko") == text("error", "ko")


def test_the_layout_holds_no_visible_words() -> None:
    tree = ast.parse((UI / "layout.py").read_text(encoding="utf-8"))
    visible = {"label", "info", "placeholder", "title"}
    spoken = [
        keyword.value.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg in visible and isinstance(keyword.value, ast.Constant)
    ]
    assert spoken == []


@pytest.mark.parametrize(
    ("asked", "operators", "accepted", "expected"),
    [
        (None, "auto", None, "en"),
        (None, "auto", "ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        (None, "auto", "en-US,en;q=0.9,ko;q=0.8", "en"),
        (None, "auto", "fr-FR,fr;q=0.9,ko;q=0.5,en;q=0.3", "ko"),
        (None, "auto", "de, ko;q=nonsense", "en"),
        (None, "ko", "en-US", "ko"),
        ("en", "ko", "ko", "en"),
        ("ko-KR", "auto", "en", "ko"),
        ("xx", "auto", "ko", "ko"),
    ],
)
def test_the_language_of_a_page(
    asked: str | None, operators: str, accepted: str | None, expected: str
) -> None:
    assert choose_language(asked, operators, accepted) == expected


def test_every_way_a_download_fails_has_a_headline_and_a_korean_hint() -> None:
    from codegemma_ui.download.words import WORDS

    for code in set(WORDS) - {"bad_handle", "unexpected"}:
        assert f"error_{code}" in TABLE
        assert f"hint_{code}" in TABLE
