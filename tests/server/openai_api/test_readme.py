"""What README.md says to editors and clients runs as it stands there, but for the port."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import yaml

from tests.server.openai_api.conftest import KEY
from tests.server.scripted_page import ROOT, Page

SECTION = (ROOT / "README.md").read_text().partition("## From an editor or another client")[2]
ADDRESS = "http://127.0.0.1:7860"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", SECTION.partition("\n## ")[0], re.DOTALL)


def output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_the_commands(page: Page) -> None:
    serve, *calls = blocks("bash")[0].split("\ncurl ")
    assert "--openai-api" in serve
    assert len(calls) == 2
    answers = [
        json.loads(output("bash", "-c", f"curl -sS {call}".replace(ADDRESS, page.url)))
        for call in calls
    ]
    assert [answers[0]["choices"][0]["text"], answers[1]["content"]] == ["import "] * 2


def test_the_openai_client(page: Page) -> None:
    [script] = blocks("python")
    assert output(sys.executable, "-c", script.replace(ADDRESS, page.url)) == "import "


def test_the_settings_of_editors() -> None:
    """Names as llama.vscode's package.json and Continue's reference have them."""
    [settings] = map(json.loads, blocks("json"))
    assert settings["llama-vscode.endpoint"] == ADDRESS
    assert settings["llama-vscode.api_key"] == KEY
    [model] = yaml.safe_load(blocks("yaml")[0])["models"]
    assert (model["provider"], model["model"]) == ("openai", "codegemma")
    assert (model["apiBase"], model["apiKey"]) == (f"{ADDRESS}/v1", KEY)
    assert model["useLegacyCompletionsEndpoint"] is True
    assert model["roles"] == ["autocomplete"]
