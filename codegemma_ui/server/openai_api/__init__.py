"""The playground's model for other tools, under `--openai-api`: `/v1/completions` and `/v1/models` in
OpenAI's form, and llama.cpp's `/infill` and `/health`.

A request is read (`completions`, `infill`) into an `Ask`, runs through the door that the page and the API
use, and is written back as it comes (`writing`), in the form that the tool speaks. Chat is not served: the
models here fill in code.
"""

from codegemma_ui.server.openai_api.routes import OpenAIApi

__all__ = ["OpenAIApi"]
