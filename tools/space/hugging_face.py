"""Hugging Face's build and start of a Gradio Space, as far as documented. Pure.

- The front matter chooses Python and Gradio: https://huggingface.co/docs/hub/spaces-config-reference
- requirements.txt is installed by the same pip call as Gradio with two of its extras, uvicorn, websockets and
  `spaces`; only that one file is there while it runs. Published build logs show the call:
  https://discuss.huggingface.co/t/space-force-installs-old-gradio/71840
- It runs `python app.py` in /home/user/app as user 1000, who may write only to its home and to the folders
  for temporary files: https://huggingface.co/docs/hub/spaces-sdks-docker#permissions
- Variables of a running Space: https://huggingface.co/docs/hub/spaces-overview#helper-environment-variables
"""

from __future__ import annotations

import re
from pathlib import Path

USER = 1000
HOME = "/home/user"
APP = f"{HOME}/app"
PORT = 7860

OWNER, NAME = "somebody", "fim-playground"
HOST = f"{OWNER}-{NAME}.hf.space"

MEMORY_LIMIT_BYTES = 4 * 10**9
"""Our own limit; the smallest Space, CPU basic, has 16 GB:
https://huggingface.co/docs/hub/spaces-gpus#hardware-specs."""

ENVIRONMENT = {
    "SPACE_ID": f"{OWNER}/{NAME}",
    "SPACE_AUTHOR_NAME": OWNER,
    "SPACE_REPO_NAME": NAME,
    "SPACE_TITLE": "CodeGemma FIM Playground",
    "SPACE_HOST": HOST,
    "SPACE_CREATOR_USER_ID": "0123456789abcdef01234567",
    "ACCELERATOR": "none",
    "CPU_CORES": "2",
    "MEMORY": "16Gi",
    "SYSTEM": "spaces",
    "HOME": HOME,
    "PYTHONPATH": APP,
    "PYTHONUNBUFFERED": "1",
    "GRADIO_ALLOW_FLAGGING": "never",
    "GRADIO_NUM_PORTS": "1",
    "GRADIO_SERVER_NAME": "0.0.0.0",
    "GRADIO_SERVER_PORT": str(PORT),
    "GRADIO_THEME": "huggingface",
}


def front_matter(readme: Path) -> dict[str, str]:
    """Return the plain values of a README's front matter.

    Raises:
        ValueError: there is none.
    """
    found = re.match(r"---\n(.*?)\n---\n", readme.read_text(encoding="utf-8"), re.DOTALL)
    if not found:
        raise ValueError(f"{readme} must begin with a front matter between lines of ---.")
    return {
        name: value.strip().strip("\"'")
        for name, value in re.findall(r"^(\w+): *(.+)$", found[1], re.MULTILINE)
    }


def requirements(sdk_version: str) -> list[str]:
    """Return what the platform installs in the same call as requirements.txt."""
    return [
        f"gradio[oauth,mcp]=={sdk_version}",
        "uvicorn>=0.14.0",
        "websockets>=10.4",
        "spaces",
    ]
