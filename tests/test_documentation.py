"""The documentation matches the code: commands, flags, fields, files and links."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from typing import get_args

import pytest

from codegemma_ui import errors, fim, presets, secrets
from codegemma_ui.commands import main
from codegemma_ui.ipc import messages
from codegemma_ui.presets import memory
from codegemma_ui.server import guard, metrics
from codegemma_ui.settings import resolve
from scripts import write_settings
from tests.support.documentation import (
    PAGES,
    ROOT,
    blocks,
    command_lines,
    every_page,
    section,
    text,
)

ARCHITECTURE = "docs/architecture.md"


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub generates them."""
    bare = re.sub(r"```.*?```", "", text(page), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", bare, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_the_readme_is_short_and_links_every_page() -> None:
    assert len(text("README.md").splitlines()) <= 200
    for page in PAGES[1:]:
        assert f"]({page})" in text("README.md"), page


@pytest.mark.parametrize("page", [*PAGES, "SECURITY.md", "CHANGELOG.md", "benchmarks/README.md"])
def test_every_anchor_that_a_page_links_is_there(page: str) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", text(page)):
        file = (ROOT / page).parent.joinpath(target) if target else ROOT / page
        assert anchor in anchors(str(file.resolve().relative_to(ROOT))), (target, anchor)


# Commands


@pytest.mark.parametrize("page", PAGES)
def test_every_command_line_is_accepted(page: str) -> None:
    for words in command_lines(page):
        given = words if words and words[0] in main.COMMANDS else ["serve", *words]
        parsed = main.parser().parse_args([word for word in given if word != "--help"])
        if given[0] == "serve":
            resolve(parsed, {})


def test_the_pages_show_every_command() -> None:
    shown = {words[0] for page in PAGES for words in command_lines(page) if words}
    assert set(main.COMMANDS) - {"serve", "bench"} <= shown
    assert sum(1 for page in PAGES for _ in command_lines(page)) > 30


@pytest.mark.parametrize("page", [*PAGES, "SECURITY.md"])
def test_every_target_of_make_is_there(page: str) -> None:
    targets = re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE)
    console = "\n".join(blocks(text(page), "(?:bash|console)"))
    asked = re.findall(r"`make\s+([a-z-]+)", text(page))
    asked += re.findall(r"^(?:PYTHON=\S+ )?make ([a-z-]+)", console, re.MULTILINE)
    assert [target for target in asked if target not in targets] == []


@pytest.mark.parametrize("page", [*PAGES, "SECURITY.md"])
def test_every_test_and_module_that_a_page_runs_is_there(page: str) -> None:
    shown = text(page).replace("\n", " ")
    for run in re.findall(r"pytest ((?:-s )?tests/[^`|&]*)", shown):
        for path in re.findall(r"tests/[\w/.]+", run):
            assert (ROOT / path).exists(), path
    for module in re.findall(
        r"python -m +((?:benchmarks|scripts|tests|tools|training)[\w.]*)", shown
    ):
        file = ROOT / module.replace(".", "/")
        assert file.with_suffix(".py").is_file() or (file / "__main__.py").is_file(), module


# Settings


def test_the_memory_that_the_pages_tell_is_what_the_command_says() -> None:
    table = section("docs/backends.md", "## Models")
    for name in ("bundled", "code_gemma_2b_en", "code_gemma_7b_en", "code_gemma_instruct_7b_en"):
        figures = memory.by_precision(presets.named(name), "tensorflow")
        told = " / ".join(
            f"{(figures[dtype] or 0) / 1e9:.1f}" for dtype in ("float32", "bfloat16", "int8")
        )
        [row] = [line for line in table.splitlines() if line.startswith(f"| `{name}`")]
        assert f" {told} GB " in row
    two_b = memory.by_precision(presets.named("code_gemma_2b_en"), "torch")
    on_torch = [f"{(two_b[dtype] or 0) / 1e9:.1f}" for dtype in ("bfloat16", "int8", "int4")]
    assert "{} GB in bfloat16, {} in int8 and {} in int4".format(*on_torch) in " ".join(
        table.split()
    )
    half = memory.needed(presets.named("code_gemma_2b_en"), "tensorflow", "bfloat16")
    assert half
    assert f"takes {half / 1e9:.1f} GB of memory in bfloat16" in text("README.md")


def test_the_settings_page_is_what_the_flags_say() -> None:
    page = text("docs/settings.md")
    assert page == write_settings.page(page), "run .venv/bin/python -m scripts.write_settings"
    assert len(list(write_settings.flags())) > 30


def test_the_defaults_of_the_settings_page_are_in_force() -> None:
    chosen = resolve(None, {})
    named = {"time_limit": "time_limit_s"}
    for flag in write_settings.flags():
        name = flag.name.removeprefix("--").replace("-", "_")
        if flag.name.startswith("--openai-") or not re.fullmatch(r"\d+", flag.default):
            continue
        assert getattr(chosen, named.get(name, name)) == float(flag.default), flag.name


def test_every_variable_that_the_code_names_is_on_the_settings_page() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "codegemma_ui").rglob("*.py")
    )
    named = set(re.findall(r"CODEGEMMA_UI_[A-Z_]*[A-Z]", sources)) | set(secrets.NAMES)
    assert {name for name in named if name not in text("docs/settings.md")} == set()


# Events and status


def listed(rows: str) -> set[str]:
    """Return the names in the first column of a table."""
    cells = re.findall(r"^\| (.+?) \|", rows, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([\w]+)`", cell)}


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("## `prompt`", messages.PromptEvent),
        ("## `prefill`", messages.PrefillEvent),
        ("## `token`", messages.TokenEvent),
        ("## `done` and `cancelled`", messages.DoneEvent),
        ("## `/status`", messages.Status),
    ],
)
def test_the_events_page_lists_every_field(heading: str, kind: type) -> None:
    rows = section("docs/events.md", heading)
    assert listed(rows) == {one.name for one in fields(kind)}  # type: ignore[arg-type]


def test_the_events_page_lists_every_value() -> None:
    status = section("docs/events.md", "## `/status`")
    assert [one for one in (*messages.STATES, *messages.LACKS) if f"`{one}`" not in status] == []
    ended = section("docs/events.md", "## `done` and `cancelled`")
    assert [one for one in get_args(messages.StopReason) if f"`{one}`" not in ended] == []
    prompt = section("docs/events.md", "## `prompt`")
    assert [one for one in ("bos", *get_args(fim.Role)) if f"`{one}`" not in prompt] == []


def test_the_events_page_lists_every_error() -> None:
    rows = section("docs/events.md", "## `error`")
    assert {one.name for one in fields(messages.ErrorEvent)} <= listed(rows)
    kinds = [errors.PlaygroundError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    codes = {kind.code for kind in kinds if kind.__module__ == errors.__name__} - {"error"}
    assert codes <= listed(rows)
    sources = "".join(
        path.read_text(encoding="utf-8")
        for room in ("client", "download", "workers")
        for path in (ROOT / "codegemma_ui" / room).rglob("*.py")
    )
    told = set(re.findall(r'\bcode="([a-z_]+)"', sources))
    assert told <= listed(rows)


def test_the_http_page_lists_every_field_of_a_request_and_every_metric() -> None:
    rows = section("docs/http-api.md", "### Fields")
    taken = {one.name for one in fields(messages.CompletionRequest)}
    assert listed(rows) == taken - {"time_limit_s"}
    counted = metrics.Metrics(messages.Status, lambda: 0).page().decode()
    names = set(re.findall(r"^# HELP (\w+)", counted, re.MULTILINE))
    assert names == listed(section("docs/http-api.md", "## Metrics"))


# Architecture


def tree_entries(block: str) -> set[str]:
    return {f"codegemma_ui/{name}" for name in re.findall(r"^  ([\w./]+)", block, re.MULTILINE)}


def test_the_arrows_are_those_that_are_checked() -> None:
    config = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]
    (downward,) = [one for one in config["contracts"] if one["id"] == "downward"]
    drawn = "\n".join(downward["layers"]).replace(":", "·") + "\n"
    assert drawn in blocks(section(ARCHITECTURE, "## The arrows"))
    assert drawn in blocks(section("README.md", "## How it is built"))


def test_the_tree_has_every_room_and_nothing_else() -> None:
    (tree,) = blocks(section(ARCHITECTURE, "## The rooms"))
    package = ROOT / "codegemma_ui"
    there = {
        f"codegemma_ui/{path.name}{'/' if path.is_dir() else ''}"
        for path in package.iterdir()
        if not path.name.startswith((".", "__")) and path.suffix != ".typed"
    }
    assert tree_entries(tree) == there
    for name in re.findall(r"^([\w./]+)", tree, re.MULTILINE):
        assert (ROOT / name).exists(), name


def test_every_file_that_the_architecture_names_is_there() -> None:
    named = re.findall(
        r"`((?:codegemma_ui|docs|notebooks|scripts|tests|tools)/[\w./]*)`", every_page()
    )
    assert len(named) > 40
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_name_that_the_architecture_explains_is_in_the_code() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "codegemma_ui").rglob("*.py")
    )
    page = text(ARCHITECTURE)
    names = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)*)(?:\.\w+)?`", page))
    assert guard.GuardMiddleware.__name__ in names
    defined = set(re.findall(r"^(?:class )?([A-Z]\w+)(?: = |\b.*:$)", sources, re.MULTILINE))
    assert names - defined == set()
    for name in re.findall(r"`([a-z_]+)` in `?codegemma_ui", page):
        assert re.search(rf"\bdef {name}\b|^{name}\b", sources, re.MULTILINE), name
