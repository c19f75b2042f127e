"""CodeGemma FIM Playground: see a language model write the code at your cursor.

Rooms, and the way the arrows run: `commands -> server -> ui -> client, completions -> ipc -> fim -> errors`,
`library -> client -> download`, and `workers -> ipc` in a process of its own, which alone imports Keras.
Everyone may import settings, presets, machine and installation. `make lint` holds all of this.
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
