"""Write the completion that the page opens with: `python -m tools.first_completion`."""

from __future__ import annotations

import asyncio
import json

from codegemma_ui.client.client import EngineClient
from codegemma_ui.client.progress import updates
from codegemma_ui.settings import Settings
from codegemma_ui.ui import examples, opening, render
from codegemma_ui.ui.examples import Example


def main() -> None:
    """Complete the example with the bundled model, greedily."""
    asyncio.run(write())


async def write() -> None:
    client = EngineClient(Settings(preset="bundled", dtype="float32"))
    client.start()
    try:
        run = await completed(client, examples.by_key(opening.FIRST))
    finally:
        client.close()
    assert run.recording is not None
    recorded = json.dumps(run.recording.to_dict(), ensure_ascii=False)
    opening.RECORDED.write_text(f"{recorded}\n", encoding="utf-8")
    print(opening.RECORDED.name, repr(run.middle))


async def completed(client: EngineClient, example: Example) -> render.Run:
    """Return an example's run."""
    run = render.Run({"prefix": example.prefix, "suffix": example.suffix}, example.ending)
    generation = client.submit(run.request)
    async for run.progress in updates(generation):
        pass
    assert generation.request is not None
    run.prompt = client.vocabulary().prompt_of(generation.request)
    return run


if __name__ == "__main__":
    main()
