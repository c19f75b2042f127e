"""The API for other tools, under `--openai-api`: OpenAI's `/v1/completions` and `/v1/models`, and llama.cpp's
`/infill` and `/health`.

A request is parsed (`completions`, `infill`) into an `Ask`, submitted to the same queue as those of the page
and the API, and its response is written as it arrives (`writing`), in the tool's format. Chat is not served:
the models here fill in code.
"""

from codegemma_ui.server.openai_api.routes import OpenAIApi

__all__ = ["OpenAIApi"]
