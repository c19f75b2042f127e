"""CodeGemma FIM Playground: see a language model write the code at your cursor.

Rooms, and the way the arrows run: `ui -> client -> messages <- engine`. `fim`, `presets`, `messages`,
`settings`, `errors`, `vocabulary`, `machine` and `installation` know no framework and no web page; only
`engine` imports Keras, and it does so in a process of its own. `library` is the client for other people's
programs.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codegemma_ui.library import Playground

__version__ = "0.1.0"

__all__ = ["Playground", "__version__"]

if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> object:
        """Load the library when it is first asked for (PEP 562): every command comes through here."""
        if name == "Playground":
            from codegemma_ui.library import Playground

            return Playground
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
