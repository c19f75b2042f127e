"""A completion end to end with the real engine and the bundled model, on each backend."""

from __future__ import annotations

import pytest
from gradio_client import Client

from codegemma_ui.client.client import EngineClient
from codegemma_ui.settings import Settings
from codegemma_ui.ui.examples import by_key
from tests.browser.playground import ENGINE_TIMEOUT, Playground

PREFIX = "def add(a, b):\n    return "
SUFFIX = "\n\n\nprint(add(1, 2))\n"


def complete_and_read(playground: Playground) -> str:
    """Complete, and compare all panes with each other."""
    playground.write("before", PREFIX)
    playground.write("after", SUFFIX)
    playground.press_complete_in("before")
    playground.wait_until_done(ENGINE_TIMEOUT)
    middle = playground.text("middle")
    assert middle
    assert playground.pane("program") == PREFIX + middle + SUFFIX
    prompt = f"<|fim_prefix|>{PREFIX}<|fim_suffix|>{SUFFIX}<|fim_middle|>"
    assert playground.pane("raw-prompt") == prompt
    assert playground.pane("raw-output").startswith(middle)
    assert "tok" in playground.caption.inner_text()
    return middle


def test_type_complete_and_read_all_panes(engine_page: Playground) -> None:
    engine_page.wait_until_ready("Bundled FIM model", "float32", "6.0M parameters")
    complete_and_read(engine_page)
    engine_page.page.locator("#summary-fold > button").click()
    assert "gemma" in engine_page.page.locator("#summary pre").inner_text().lower()


@pytest.mark.parametrize("backend", ["jax", "torch", "tensorflow"])
def test_switch_the_backend_and_complete(backend: str, engine_page: Playground) -> None:
    engine_page.wait_until_ready()
    if engine_page.choice("backend") != backend:
        engine_page.choose("backend", backend)
    engine_page.wait_until_ready(backend)
    complete_and_read(engine_page)


def test_gradio_client_end_to_end(engine_url: str, engine_page: Playground) -> None:
    engine_page.wait_until_ready()
    example = by_key("quickstart")
    api = Client(engine_url, verbose=False)
    job = api.submit(
        prefix=example.prefix, suffix=example.suffix, max_length=64, api_name="/complete"
    )
    done = job.result(timeout=120)
    assert done["event"] == "done"
    assert len(job.outputs()) >= 3
    assert done["program"] == example.prefix + done["middle"] + example.suffix
    assert done["completion_tokens"] == len(done["token_ids"])
    assert api.predict(api_name="/status")["state"] in ("ready", "busy")


def test_the_scripted_engine_has_the_same_methods() -> None:
    from tests.support.scripted_client import ScriptedClient

    real, scripted = EngineClient(Settings()), ScriptedClient(Settings())
    for name in ("start", "close", "status", "complete", "switch", "cancel_switch", "presets"):
        assert callable(getattr(real, name))
        assert callable(getattr(scripted, name))
    assert set(real.status().__dict__) == set(scripted.status().__dict__)
