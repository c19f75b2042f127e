"""Download presets, with progress and actionable errors.

`download()` fetches one preset; `python -m codegemma_ui.download HANDLE` does so in a separate process
(`__main__`), which can be killed at any time: received data stays in the library's own cache.
`client.fetch` starts that process and follows it.

kagglehub and huggingface_hub themselves transfer the data, into the caches that KerasHub uses. This package
does not load a preset and imports no framework. It does not use KerasHub either:
`keras_hub.utils.preset_utils` turns both 403 and 404 into FileNotFoundError, and they need different
messages.

What cannot be loaded is refused before its weights are downloaded (`inspecting`).

Imports go one way: error_messages <- source <- kaggle, huggingface <- fetching;
error_messages <- inspecting <- fetching.
"""

from codegemma_ui.download.error_messages import DownloadError
from codegemma_ui.download.fetching import credentials_present, download

__all__ = ["DownloadError", "credentials_present", "download"]
