"""The export used by a script: its folder, and the `python -m codegemma_ui export` command that writes it."""

from __future__ import annotations

from dataclasses import dataclass

from codegemma_ui import installation
from codegemma_ui.completions.snippets.quoting import shell_word
from codegemma_ui.completions.snippets.taken import Taken


def _entry_point() -> list[str]:
    return (
        ["python", "-m", "codegemma_ui"]
        if installation.in_checkout()
        else [installation.DISTRIBUTION]
    )


@dataclass(frozen=True)
class Export:
    """An export.

    Attributes:
        folder: path relative to the command's working directory.
        dtype: precision of the weights.
        command: shell command, to be run where this package can be imported.
    """

    folder: str
    dtype: str
    command: str

    @classmethod
    def of(cls, taken: Taken, form: str, dtype: str) -> Export:
        """Return the export of a completion's model.

        Args:
            form: "gguf" or "transformers".
            dtype: as for `export --dtype`.
        """
        folder = f"build/{taken.slug}-{form}-{dtype}"
        words = [*_entry_point(), "export", "--preset", taken.preset.name]
        words += ["--format", form, "--dtype", dtype, "--out", folder]
        return cls(folder, dtype, " ".join(map(shell_word, words)))
