"""Fetching a preset, with progress and with errors a person can act on.

`download()` fetches one preset; `python -m codegemma_ui.download HANDLE` does it in a process of its
own (`__main__`), which can be killed at any time: what has arrived stays in the library's own cache.
`client.fetch` starts that process and follows it, for whoever wants a preset.

The bytes are moved by kagglehub and huggingface_hub themselves, into the caches that KerasHub looks
in. This package does not load a preset and imports no framework. It does not go through KerasHub
either: `keras_hub.utils.preset_utils` turns a 403 and a 404 both into FileNotFoundError, and they
need different words.

What cannot be loaded is refused before its weights are asked for (`inspecting`).

Arrows run one way: words <- source <- kaggle, huggingface <- fetching; words <- inspecting <- fetching.
"""

from codegemma_ui.download.fetching import credentials_present, download
from codegemma_ui.download.words import DownloadError

__all__ = ["DownloadError", "credentials_present", "download"]
