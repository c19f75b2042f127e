"""The training corpus: permissively licensed wheels, useful source files, no duplicates, nothing held out."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from codegemma_ui.ui.examples import by_key
from training import corpus, fetch
from training.corpus import HELD_OUT, Seen, SourceFile, is_source, unique

BODY = "".join(
    f"def function_{n}(value):\n    return value * {n} + offset_{n}\n\n\n" for n in range(12)
)


def wheel(folder: Path, name: str, metadata: str, files: dict[str, str]) -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{name}-1.0.dist-info/METADATA", f"Name: {name}\nVersion: 1.0\n{metadata}\n"
        )
        for inner, text in files.items():
            archive.writestr(inner, text)
    return path


@pytest.mark.parametrize(
    ("metadata", "permissive"),
    [
        ("License-Expression: MIT", True),
        ("License: BSD-3-Clause", True),
        (
            "License: Apache 2.0\nClassifier: License :: OSI Approved :: Apache Software License",
            True,
        ),
        ("Classifier: License :: OSI Approved :: MIT License", True),
        ("License-Expression: GPL-3.0-or-later", False),
        ("License-Expression: MIT AND MPL-2.0", False),
        (
            "License: MIT\nClassifier: License :: OSI Approved :: GNU General Public License (GPL)",
            False,
        ),
        ("License-Expression: MIT OR GPL-2.0", False),
        ("License: see the file", False),
        ("", False),
    ],
)
def test_only_packages_that_name_a_permissive_licence_are_used(
    tmp_path: Path, metadata: str, permissive: bool
) -> None:
    wheel(tmp_path, "thing", metadata, {})
    (found,) = fetch.wheels(tmp_path)
    assert (found.name, found.version, found.permissive) == ("thing", "1.0", permissive)


def test_a_damaged_wheel_is_told_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken-1.0-py3-none-any.whl").write_bytes(b"no zip")
    assert list(fetch.wheels(tmp_path)) == []
    assert "broken-1.0" in capsys.readouterr().err


def test_every_package_of_the_table_is_pinned_with_its_licence() -> None:
    rows = [line.split("\t") for line in fetch.TABLE.read_text().splitlines()[1:]]
    used = [row for row in rows if row[3] == "yes"]
    assert len(used) > 500
    assert all(row[1] and row[2] for row in used)
    assert len(fetch.pinned(fetch.wanted())) > len(rows)  # some have no wheel
    assert {row[0] for row in rows} <= {fetch.normalised(name) for name in fetch.wanted()}


def test_a_name_is_pinned_to_the_version_of_the_table(tmp_path: Path) -> None:
    table = tmp_path / "table.tsv"
    table.write_text("name\tversion\tlicence\tused\nzope-interface\t7.2\tZPL\tyes\n")
    assert fetch.pinned(["Zope.Interface", "new"], table) == ["Zope.Interface==7.2", "new"]


@pytest.mark.parametrize(
    "path",
    [
        "pkg/tests/test_a.py",
        "pkg/_vendor/six.py",
        "test_it.py",
        "pkg/migrations/0001.py",
        "a_pb2.py",
    ],
)
def test_tests_vendored_and_generated_files_are_left_out(path: str) -> None:
    assert is_source("pkg/module.py", BODY.encode()) is not None
    assert is_source(path, BODY.encode()) is None


@pytest.mark.parametrize(
    "spoiler",
    [
        "# HumanEval",
        "# see mbpp",
        "# DO NOT EDIT",
        f"import sys\n\n{by_key('quickstart').suffix}",
        "GNU General Public License",
        "x = (",
        "y" * 300,
    ],
)
def test_text_that_spoils_leaves_a_file_out(spoiler: str) -> None:
    assert is_source("pkg/module.py", f"{BODY}\n{spoiler}\n".encode()) is None


def test_line_ends_become_newlines() -> None:
    text = is_source("pkg/module.py", BODY.replace("\n", "\r\n").encode())
    assert text == BODY


def test_a_near_copy_is_dropped_and_a_new_text_stays() -> None:
    files = [
        SourceFile("one", "1", "a.py", BODY),
        SourceFile("two", "1", "b.py", "# a head of its own\n" + BODY.replace("    ", "  ")),
        SourceFile("two", "1", "c.py", BODY.replace("value", "other")),
    ]
    assert [file.path for file in unique(files)] == ["a.py", "c.py"]


def test_what_was_dropped_is_not_remembered() -> None:
    seen = Seen()
    assert seen.is_new(BODY)
    assert not seen.is_new(BODY + "def last(x):\n    return x\n")
    assert seen.is_new("def last(x):\n    return x\n")


def test_what_is_held_out_was_fetched_and_is_used() -> None:
    rows = [line.split("\t") for line in fetch.TABLE.read_text().splitlines()[1:]]
    assert {row[0] for row in rows if row[3] == "yes"} >= HELD_OUT
    assert len(HELD_OUT) == 46


def test_a_package_gives_no_more_than_its_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "CHARACTERS_PER_PACKAGE", 2 * len(BODY))
    wheel(tmp_path, "thing", "License: MIT", {f"thing/m{n}.py": BODY for n in range(9)})
    (found,) = fetch.wheels(tmp_path)
    assert len(corpus.read(found)) == 2
