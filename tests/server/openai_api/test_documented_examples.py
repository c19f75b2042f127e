"""The examples for editors and clients in README.md and docs/, run unchanged except for the port."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.server.openai_api.clients import KEY
from tests.server.scripted_page import Page
from tests.support.documentation import blocks, section, text

ADDRESS = "http://127.0.0.1:7860"


def output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def middles(block: str, page: Page) -> list[str]:
    """Run the requests of a block that starts a server and sends them; return the responses."""
    serve, *calls = block.split("\ncurl ")
    assert "--openai-api" in serve
    assert f"CODEGEMMA_UI_API_KEY={KEY} " in serve
    answers = [
        json.loads(output("bash", "-c", f"curl -sS {call}".replace(ADDRESS, page.url)))
        for call in calls
    ]
    return [one["choices"][0]["text"] if "choices" in one else one["content"] for one in answers]


def test_the_commands(page: Page) -> None:
    (block,) = blocks(section("docs/http-api.md", "## `/v1/completions` and `/infill`"), "bash")
    assert middles(block, page) == ["import "] * 2


def test_the_command_of_the_readme(page: Page) -> None:
    (block,) = [
        one
        for one in blocks(section("README.md", "## Use it from elsewhere"), "bash")
        if "\ncurl " in one
    ]
    assert middles(block, page) == ["import "]


def test_the_openai_client(page: Page) -> None:
    part = section("docs/http-api.md", "## `/v1/completions` and `/infill`")
    [script] = blocks(part, "python")
    assert output(sys.executable, "-c", script.replace(ADDRESS, page.url)) == "import "


def test_the_gradio_client(page: Page) -> None:
    [script] = blocks(section("docs/http-api.md", "## `/complete`"), "python")
    behind_the_login = f'Client("{page.url}", auth=("ann", "a-password"))'
    script = script.replace(f'Client("{ADDRESS}")', behind_the_login)
    lines = output(sys.executable, "-c", script).splitlines()
    assert "done import " in lines
    assert "'state': 'ready'" in lines[-1]


def test_the_call_and_its_events(page: Page, tmp_path: Path) -> None:
    [block] = blocks(section("docs/http-api.md", "## `/complete`"), "bash")
    jar = tmp_path / "cookies"
    said = "username=ann&password=a-password"
    output("curl", "-s", "-o", "/dev/null", "-c", str(jar), "-d", said, f"{page.url}/login")
    block = block.replace(ADDRESS, page.url).replace("curl ", f"curl -b {jar} ")
    first, watch = block.rsplit("\n", 2)[0], block.splitlines()[-1]
    event_id = json.loads(output("bash", "-c", first))["event_id"]
    address = block.splitlines()[0]
    events = output("bash", "-c", f"{address}\n{watch.replace('EVENT_ID', event_id)}")
    [last] = json.loads(events.strip().splitlines()[-1].removeprefix("data: "))
    assert (last["event"], last["middle"]) == ("done", "import ")


def test_the_question_for_its_health(page: Page) -> None:
    [command] = blocks(section("docs/http-api.md", "## Health"), "bash")
    answer = json.loads(output("bash", "-c", f"set -e; {command.replace(ADDRESS, page.url)}"))
    assert answer["status"] == "ok"


@pytest.mark.parametrize("page", ["README.md", "docs/editors.md"])
def test_the_settings_of_llama_vscode(page: str) -> None:
    """The names are those in llama.vscode's package.json."""
    [settings] = map(json.loads, blocks(text(page), "json"))
    assert settings["llama-vscode.endpoint"] == ADDRESS
    assert settings["llama-vscode.api_key"] == KEY


def test_the_settings_of_continue() -> None:
    """The names are those in Continue's reference."""
    [config] = blocks(section("docs/editors.md", "## Continue"), "yaml")
    [model] = yaml.safe_load(config)["models"]
    assert (model["provider"], model["model"]) == ("openai", "codegemma")
    assert (model["apiBase"], model["apiKey"]) == (f"{ADDRESS}/v1", KEY)
    assert model["useLegacyCompletionsEndpoint"] is True
    assert model["roles"] == ["autocomplete"]
