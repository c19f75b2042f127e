"""The playground without a page: `from codegemma_ui import Playground`.

Ordinary, synchronous code on top of the client, for scripts and notebooks. The model runs in the client's
process, as for the page. Nothing here imports a framework, Gradio or the page, and IPython only if it is
already running.
"""

from codegemma_ui.library.playground import Playground
from codegemma_ui.library.result import Result

__all__ = ["Playground", "Result"]
