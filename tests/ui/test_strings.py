"""Every visible string is in its language's file, and the files of all languages have the same keys."""

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
from codegemma_ui.ui.strings import (
    LANGUAGES,
    TABLE,
    choose_language,
    error_title,
    files,
    template,
    text,
)

STRINGS = Path(strings.__file__).parent
UI = STRINGS.parent


def test_a_file_for_each_language() -> None:
    assert {file.stem for file in STRINGS.glob("*.toml")} == set(LANGUAGES)
    assert {len(said) for said in TABLE.values()} == {len(LANGUAGES)}


ENGLISH = 'stop = "Stop"\ntokens = "{count} tokens of {total:,}"\n'


def test_a_third_language_is_a_third_file(tmp_path: Path) -> None:
    (tmp_path / "en.toml").write_text(ENGLISH, encoding="utf-8")
    (tmp_path / "ko.toml").write_text(
        'tokens = "{total:,} 중 {count}토큰"\nstop = "멈추기"\n', encoding="utf-8"
    )
    (tmp_path / "fr.toml").write_text(
        'stop = "Arrêter"\ntokens = """\n{count} jetons\nsur {total:,}"""\n', encoding="utf-8"
    )
    assert files.read(tmp_path, ("en", "ko", "fr")) == {
        "stop": ("Stop", "멈추기", "Arrêter"),
        "tokens": (
            "{count} tokens of {total:,}",
            "{total:,} 중 {count}토큰",
            "{count} jetons\nsur {total:,}",
        ),
    }


@pytest.mark.parametrize(
    ("english", "korean", "told"),
    [
        (ENGLISH, 'stop = "멈추기"', "ko.toml: tokens is missing"),
        (ENGLISH, f'{ENGLISH}more = "더"', "ko.toml: more is unknown"),
        (
            ENGLISH,
            ENGLISH.replace("{count}", "{number}"),
            "ko.toml: tokens must have {count} {total",
        ),
        (ENGLISH, ENGLISH.replace("{count}", ""), "ko.toml: tokens must have {count} {total"),
        (
            ENGLISH,
            ENGLISH.replace("{total:,}", "{total}"),
            "ko.toml: tokens must have {count} {total:,",
        ),
        (ENGLISH, ENGLISH.replace("{count}", "{count"), "ko.toml: tokens must have {count} {total"),
        (ENGLISH, ENGLISH.replace("Stop", "{name}"), "ko.toml: stop must have no {name}"),
        (ENGLISH, ENGLISH.replace("Stop", ""), "ko.toml: stop must be a text"),
        (ENGLISH.replace('"Stop"', "1"), ENGLISH, "en.toml: stop must be a text"),
        (ENGLISH, f"{ENGLISH}stop = 'again'", "ko.toml: Cannot overwrite a value"),
        (ENGLISH, "stop = Stop", "ko.toml: Invalid value (at line 1, column 8)"),
    ],
)
def test_files_that_do_not_agree_are_refused(
    tmp_path: Path, english: str, korean: str, told: str
) -> None:
    (tmp_path / "en.toml").write_text(english, encoding="utf-8")
    (tmp_path / "ko.toml").write_text(korean, encoding="utf-8")
    with pytest.raises(ValueError, match=f"^{re.escape(told)}"):
        files.read(tmp_path, ("en", "ko"))


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "en.toml").write_text(ENGLISH, encoding="utf-8")
    (tmp_path / "ko.toml").write_text('stop = ""\nmore = "더"\n', encoding="utf-8")
    with pytest.raises(ValueError) as raised:
        files.read(tmp_path, ("en", "ko"))
    assert len(str(raised.value).splitlines()) == 3


def test_korean_is_korean() -> None:
    same = {key for key in TABLE if template(key, "en") == template(key, "ko")}
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
    sources = "".join(path.read_text(encoding="utf-8") for path in UI.rglob("*.py"))
    families = (
        *("example_", "state_", "phase_", "legend_", "stop_", "error_", "hint_", "layout_"),
        *("role_", "tab_", "check_", "boundaries_", "lesson_", "take_note_", "open_", "lacks_"),
        *("help_", "ghost_"),
    )
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
    from codegemma_ui.download.error_messages import WORDS

    for code in set(WORDS) - {"bad_handle", "unexpected"}:
        assert f"error_{code}" in TABLE
        assert f"hint_{code}" in TABLE
