"""CodeGemma FIM Playground: see a language model write the code at your cursor.

docs/architecture.md has the packages and which may import which; `make lint` enforces it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codegemma_ui.library import Playground

__version__ = "0.1.0"

__all__ = ["Playground", "__version__"]

if not TYPE_CHECKING:  # a type checker would accept any attribute name

    def __getattr__(name: str) -> object:
        """Load the library at first use (PEP 562): every command imports this package."""
        if name == "Playground":
            from codegemma_ui.library import Playground

            return Playground
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
