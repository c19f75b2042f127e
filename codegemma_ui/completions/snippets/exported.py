"""What `python -m codegemma_ui export` makes for a script: the folder, and the command that writes it."""

from __future__ import annotations

from dataclasses import dataclass

from codegemma_ui import installation
from codegemma_ui.completions.snippets.quoting import shell_word
from codegemma_ui.completions.snippets.taken import Taken


def _door() -> list[str]:
    return (
        ["python", "-m", "codegemma_ui"]
        if installation.in_checkout()
        else [installation.DISTRIBUTION]
    )


@dataclass(frozen=True)
class Export:
    """An export.

    Attributes:
        folder: from where the command is run.
        dtype: of the weights.
        command: as a person types it, where this package can be imported.
    """

    folder: str
    dtype: str
    command: str

    @classmethod
    def of(cls, taken: Taken, form: str, dtype: str) -> Export:
        """The export of a completion's model.

        Args:
            form: "gguf" or "transformers".
            dtype: as `export --dtype` takes it.
        """
        folder = f"build/{taken.slug}-{form}-{dtype}"
        words = [*_door(), "export", "--preset", taken.preset.name]
        words += ["--format", form, "--dtype", dtype, "--out", folder]
        return cls(folder, dtype, " ".join(map(shell_word, words)))
