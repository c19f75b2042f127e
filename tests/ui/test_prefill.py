"""The page during the prefill of a long prompt, over a scripted worker."""

from __future__ import annotations

import asyncio
import re
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from codegemma_ui.client.choice import Choice
from codegemma_ui.client.client import EngineClient
from codegemma_ui.client.progress import Progress
from codegemma_ui.ipc.messages import PromptEvent
from codegemma_ui.settings import Settings
from codegemma_ui.ui import render
from codegemma_ui.ui.calls import Call
from codegemma_ui.ui.completing import follow
from codegemma_ui.ui.strings import LANGUAGES, Language
from tests.support import WORKER

pytestmark = pytest.mark.usefixtures("every_backend")


def command(choice: Choice, folder: Path) -> list[str]:
    named = ("--preset", choice.preset.name, "--backend", choice.backend)
    return [sys.executable, str(WORKER), *named]


def captions(language: Language) -> list[str]:
    """Return the caption under the middle at each update of a completion, as text."""

    async def collect(client: EngineClient) -> list[str]:
        run = render.Run({"prefix": "prefill 0.4", "suffix": "text"})
        call = Call(client, lambda: True)
        generation = call.submit(run.request)
        async with aclosing(follow(run, call, generation, client, language)) as updates:
            told = [render.caption(run, language) async for _ in updates]
        return [re.sub("<[^>]+>", "", each) for each in [*told, render.caption(run, language)]]

    client = EngineClient(Settings(backend="jax"), command)
    client.start()
    try:
        return asyncio.run(collect(client))
    finally:
        client.close()


SAID = {
    "en": "Reading the prompt: {done} of 4 tokens · about {left} s left",
    "ko": "프롬프트 읽는 중: 4토큰 중 {done}토큰 · 약 {left}초 남음",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_tells_how_far_it_is_and_from_the_second_time_on_how_long(
    language: Language,
) -> None:
    said = list(dict.fromkeys(captions(language)))
    first = SAID[language].format(done=0, left="").partition(" · ")[0]
    assert first in said
    for done in (1, 2, 3):  # the duration of a pass depends on the machine
        pattern = (
            re.escape(SAID[language]).replace(r"\{done\}", str(done)).replace(r"\{left\}", "[1-9]")
        )
        assert any(re.fullmatch(pattern, one) for one in said), said
    assert first.partition(":")[0] not in said[-1]  # nothing of it once it is done


@pytest.mark.parametrize(("warm", "tells"), [(0.574, True), (1.0, False), (None, False)])
def test_the_page_tells_that_the_engine_still_compiles(warm: float | None, tells: bool) -> None:
    run = render.Run({"prefix": "x"}, warm=warm, progress=Progress("x", ""))
    assert run.progress is not None
    run.progress.add(
        PromptEvent(
            prompt="x",
            prompt_tokens=5,
            max_length=128,
            trimmed_prefix_tokens=0,
            trimmed_suffix_tokens=0,
        )
    )
    assert ("the engine still compiles: 57%" in render.caption(run, "en")) is tells
