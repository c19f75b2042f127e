"""A Playground on the bundled model, and the documented examples for Python and the shell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codegemma_ui import Playground
from codegemma_ui.ipc.messages import PrefillEvent, PromptEvent
from codegemma_ui.presets import BUNDLED_FOLDER
from codegemma_ui.ui.examples import by_key
from tests.support.documentation import blocks, section, text
from tests.support.events import done_of, prompt_of, tokens_of

ROOT = Path(__file__).parents[2]
QUICKSTART, TABLE = by_key("quickstart"), by_key("table")


@pytest.fixture(scope="module")
def playground() -> Iterator[Playground]:
    with Playground(BUNDLED_FOLDER, backend="jax") as playground:
        yield playground


@pytest.mark.parametrize("example", [QUICKSTART, TABLE], ids=["quickstart", "table"])
def test_it_fills_in_the_tutorials_examples(playground: Playground, example) -> None:
    result = playground.complete(example.prefix, example.suffix)
    assert str(result).startswith("sys" if example is QUICKSTART else "range(1")
    assert result.program == f"{example.prefix}{result.middle}{example.suffix}"
    assert result.raw_output == f"{result.middle}{result.stop_token}"
    assert "".join(token.text for token in result.tokens) == result.middle
    assert (
        result.prompt
        == f"<|fim_prefix|>{example.prefix}<|fim_suffix|>{example.suffix}<|fim_middle|>"
    )
    assert f">{result.middle}</mark>" in result._repr_html_()


def test_a_stream_and_a_result_say_the_same(playground: Playground) -> None:
    events = playground.stream(QUICKSTART.prefix, QUICKSTART.suffix, layout="spm")
    told = [event for event in events if not isinstance(event, PrefillEvent)]
    first, tokens, last = prompt_of(told), tokens_of(told), done_of(told)
    assert told == [first, *tokens, last]
    result = playground.complete(QUICKSTART.prefix, QUICKSTART.suffix, layout="spm")
    assert first.prompt == result.prompt == last.prompt
    assert [token.id for token in tokens] == [token.id for token in result.tokens]
    assert last.program == result.program


def test_what_a_limit_cut_off_goes_on_exactly(playground: Playground) -> None:
    asked = {"prefix": TABLE.prefix, "suffix": "", "layout": "ltr"}
    whole = playground.complete(**asked, max_length=128)
    assert whole.prompt_tokens is not None
    cut = playground.complete(**asked, max_length=whole.prompt_tokens + 16)
    assert (cut.stop_reason, len(cut.tokens)) == ("max_length", 16)
    assert len(whole.tokens) > 16
    went_on = playground.complete(**asked, max_length=128, forced=cut.token_ids)
    assert went_on.token_ids == whole.token_ids
    assert went_on.middle == whole.middle


def test_a_prompt_is_the_one_that_the_model_receives(playground: Playground) -> None:
    fields = {"path": "main.py", "files": [{"path": "a.py", "text": "x = 1\n"}], "layout": "spm"}
    prompt = playground.prompt("import ", "\n\nx()\n", **fields)
    event = next(playground.stream("import ", "\n\nx()\n", **fields))
    assert isinstance(event, PromptEvent)
    assert prompt.token_ids == event.token_ids
    assert tuple(token.role for token in prompt.tokens) == event.roles
    assert playground.vocabulary.decode(prompt.token_ids[1:]) == prompt.text == event.prompt


def test_a_seed_and_files_are_taken_as_anywhere(playground: Playground) -> None:
    fields: dict[str, Any] = {"temperature": 1.5, "seed": 7, "max_length": 48}
    assert str(playground.complete("def ", **fields)) == str(playground.complete("def ", **fields))
    assert str(playground.complete("import ", "\n\nos.getcwd()\n", forced="os")).startswith("os")


def test_the_summary_tells_what_is_loaded(
    playground: Playground, capsys: pytest.CaptureFixture[str]
) -> None:
    playground.summary()
    first, second, *rest = capsys.readouterr().out.splitlines()
    assert first == "bundled · jax · float32 · CPU"
    assert re.fullmatch(r"6,032,640 parameters · [\d,]+ MB · a context of 1,024 tokens", second)
    assert any("gemma_backbone" in line for line in rest)
    table = [line for line in rest if line.startswith(("┏", "┃", "│", "└"))]
    assert {line[-1] for line in table} <= set("┓┃│┘")  # nothing is cut off at its right


def run(*command: str) -> str:
    """Run a documented example on jax, and return its output."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CODEGEMMA_UI_", "KERAS_BACKEND"))
    }
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_of_the_documentation_runs() -> None:
    [example] = blocks(text("docs/python.md"), "python")
    output = run(sys.executable, "-c", example)
    assert output.startswith('import sys\n\nif __name__ == "__main__":\n    sys.exit(0)\n')
    assert "'range'" in output


def test_the_examples_of_the_readme_run() -> None:
    elsewhere = section("README.md", "## Use it from elsewhere")
    [example] = blocks(elsewhere, "python")
    assert run(sys.executable, "-c", example) == "import sys\n\nsys.exit(0)\n\n"
    [command] = [one for one in blocks(elsewhere, "bash") if "codegemma_ui complete" in one]
    assert run("bash", "-c", command.replace("python ", f"{sys.executable} ")).strip() == "sys"


def test_the_commands_of_the_command_line_page_run() -> None:
    page = section("docs/cli.md", "## A forced beginning, scores and other files")
    commands = [line for line in blocks(page, "bash")[0].splitlines() if "--prefix " in line]
    begun, scored = (
        run("bash", "-c", line.replace("python ", f"{sys.executable} ", 1)) for line in commands
    )
    assert begun.startswith("o")
    last = json.loads(scored.splitlines()[-1])
    assert (last["event"], last["middle"], last["stop_reason"]) == ("done", "os", "scored")
