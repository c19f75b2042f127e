"""The scripts generate the engine's tokens: each is run unchanged, on the bundled model."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from codegemma_ui import presets
from codegemma_ui.completions.recording import Recording
from codegemma_ui.completions.snippets.taken import REASONS
from tests.completions.snippets.workshop import Workshop, snippet_of
from tests.server.scripted_page import SCRIPTED, Page, serving, wait_until
from tests.support import ROOT
from tests.support.ports import free_port

from . import cases

# Three programs add the same numbers in different orders, so such a close choice might differ.
CLEAR_LEAD = 0.01


def given_as_ids(text: str) -> bool:
    """Return whether a script explains why its prompt is given as token ids."""
    told = text.replace("\n# ", " ")
    return any(reason in told for reason in REASONS.values())


def test_no_choice_is_close_and_many_are_made(recorded: dict[str, Recording]) -> None:
    leads = []
    for one in recorded.values():
        for token in one.tokens:
            if not token.forced:
                best, second = (other.logprob for other in token.alternatives[:2])
                leads.append(best - second)
    assert min(leads) > CLEAR_LEAD
    assert len(leads) > 100
    trimmed = recorded["trimmed"].prompt
    assert trimmed.trimmed_prefix_tokens > 0
    assert trimmed.trimmed_suffix_tokens > 0


@pytest.mark.parametrize("tool", ["keras_hub", "transformers"])
def test_the_python_scripts(tool: str, recorded: dict[str, Recording], workshop: Workshop) -> None:
    written = {name: snippet_of(one, tool) for name, one in recorded.items()}
    workshop.prepare(written["lines"])
    files = [workshop.keep(snippet, name) for name, snippet in written.items()]
    said = workshop.run("python", "-m", "tests.completions.snippets.run_scripts", *files)
    answers = dict(zip(written, json.loads(said.splitlines()[-1]), strict=True))
    for name, one in recorded.items():
        start = len(one.prompt.token_ids)
        ids = answers[name]["ids"][start : start + len(one.tokens)]
        assert tuple(ids) == one.last.token_ids, name
        assert tuple(answers[name]["ids"][:start]) == one.prompt.token_ids, name
        program = one.last.program or ""
        if one.ending == "CRLF":
            program = program.replace("\n", "\r\n")
        assert answers[name]["printed"] == f"{program}\n", name
        assert given_as_ids(written[name].text) == (name in cases.AS_IDS[tool]), name


def test_the_python_scripts_run_by_themselves(
    recorded: dict[str, Recording], workshop: Workshop
) -> None:
    one = recorded["quickstart"]
    for tool in ("keras_hub", "transformers"):
        snippet = snippet_of(one, tool)
        workshop.prepare(snippet)
        printed = workshop.run("python", workshop.keep(snippet, f"alone {tool}"))
        assert printed == f"{one.last.program}\n"


@pytest.fixture(scope="module")
def llama_server(recorded: dict[str, Recording], workshop: Workshop) -> Iterator[dict[str, str]]:
    """Set up one server that all scripts share instead of starting their own."""
    workshop.prepare(snippet_of(recorded["lines"], "llama_cpp"))
    (model,) = workshop.folder.glob("build/*/*.gguf")
    kept, port = workshop.folder / "kept-server.json", free_port()
    told = {
        **{"model": str(model.relative_to(workshop.folder)), "host": "127.0.0.1", "port": port},
        **{"ctx_size": presets.bundled().context_length, "parallel": 1},
        **{"cache_type_k": "f32", "cache_type_v": "f32"},
    }
    kept.write_text(json.dumps(told))
    flags = [word for name, value in told.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "tests.completions.snippets.llama_server"]
    process = subprocess.Popen(
        [*command, *(flag.replace("_", "-") if flag[:2] == "--" else flag for flag in flags)],
        cwd=workshop.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith(b"http")
        yield {"PORT": str(port), "KEPT_SERVER": str(kept)}
    finally:
        process.terminate()
        process.wait(20)


def test_the_script_for_llama_cpp_starts_and_ends_its_server(
    recorded: dict[str, Recording], workshop: Workshop
) -> None:
    one, port = recorded["quickstart"], free_port()
    snippet = snippet_of(one, "llama_cpp")
    workshop.prepare(snippet)
    printed = workshop.run("sh", workshop.keep(snippet, "quickstart"), PORT=str(port))
    assert printed == f"{one.last.middle}\n"
    workshop.received()

    def ended() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0

    wait_until(ended)


@pytest.mark.parametrize("name", cases.NAMES)
def test_llama_cpp(
    name: str,
    recorded: dict[str, Recording],
    workshop: Workshop,
    llama_server: dict[str, str],
) -> None:
    one = recorded[name]
    snippet = snippet_of(one, "llama_cpp")
    workshop.prepare(snippet)
    printed = workshop.run("sh", workshop.keep(snippet, name), **llama_server)
    answer = json.loads(workshop.received())
    forced = sum(token.forced for token in one.tokens)
    assert tuple(answer["tokens"]) == (one.last.token_ids or ())[forced:]
    assert printed == f"{one.last.middle}\n"
    assert answer["tokens_evaluated"] == len(one.prompt.token_ids) + forced
    assert given_as_ids(snippet.text) == (name in cases.AS_IDS["llama_cpp"])


@pytest.fixture(scope="module")
def playground(engine: Page) -> str:
    wait_until(lambda: httpx.get(f"{engine.url}/healthz").json()["state"] == "ready", 120)
    return engine.url


@pytest.mark.parametrize("name", cases.NAMES)
def test_the_playground_itself(
    name: str, playground: str, recorded: dict[str, Recording], workshop: Workshop
) -> None:
    one = recorded[name]
    snippet = snippet_of(one, "curl", address=playground)
    printed = workshop.run("sh", workshop.keep(snippet, name))
    events = [line for line in workshop.received().splitlines() if line.startswith("data: ")]
    done = json.loads(events[-1].removeprefix("data: "))[0]
    assert tuple(done["token_ids"]) == one.last.token_ids
    assert printed == f"{one.last.program}\n"


def test_a_playground_with_a_login(recorded: dict[str, Recording], workshop: Workshop) -> None:
    with serving(module=SCRIPTED, CODEGEMMA_UI_AUTH="ann:a 'long' $password") as page:
        snippet = snippet_of(recorded["lines"], "curl", address=page.url, login=True)
        printed = workshop.run(
            "sh",
            workshop.keep(snippet, "login"),
            PLAYGROUND_USER="ann",
            PLAYGROUND_PASSWORD="a 'long' $password",
        )
    assert printed.startswith(recorded["lines"].request.prefix)


def test_a_refusal_of_the_playground_is_told(
    recorded: dict[str, Recording], workshop: Workshop, playground: str
) -> None:
    script = snippet_of(recorded["lines"], "curl", address=playground).text
    broken = script.replace('"max_length": 128', '"max_length": 5')
    assert broken != script
    with pytest.raises(AssertionError, match="max_length must be a whole number"):
        workshop.run("sh", "-c", broken)
