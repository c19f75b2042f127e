"""Scripts, and a folder to run them in as a user would."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codegemma_ui import presets
from codegemma_ui.completions import snippets
from codegemma_ui.completions.recording import Recording
from codegemma_ui.completions.snippets import Snippet, Taken
from tests.support import ROOT


@dataclass(frozen=True)
class Workshop:
    """A folder that looks like the repository to a script, so that nothing is written to the real one.

    Attributes:
        folder: holds `codegemma_ui`, and the files made by `prepare`.
        curl_log: everything that curl received.
    """

    folder: Path
    curl_log: Path

    def run(self, *command: str, **environ: str) -> str:
        """Return the output of a command."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={
                **os.environ,
                "PATH": os.pathsep.join((str(self.folder / "bin"), os.environ["PATH"])),
                "PYTHONPATH": str(ROOT),
                "CUDA_VISIBLE_DEVICES": "",
                "TF_CPP_MIN_LOG_LEVEL": "2",
                "JAX_COMPILATION_CACHE_DIR": str(self.folder / "jax"),
                "CURL_LOG": str(self.curl_log),
                **environ,
            },
            capture_output=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")[-4000:]
        return done.stdout.decode()  # unchanged, with its line endings

    def prepare(self, snippet: Snippet) -> None:
        """Run the commands shown with a script, except pip's."""
        for command in snippet.prepare:
            words = shlex.split(command)
            if words[0] != "pip" and not (self.folder / words[-1]).exists():
                self.run(*words)

    def keep(self, snippet: Snippet, name: str) -> str:
        """Write the script to a file."""
        kept = self.folder / "scripts" / name.replace(" ", "-") / snippet.file
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(snippet.text, encoding="utf-8")
        return str(kept)

    def received(self) -> str:
        """Return what curl received since the last call."""
        text = self.curl_log.read_text(encoding="utf-8") if self.curl_log.exists() else ""
        self.curl_log.unlink(missing_ok=True)
        return text


def snippet_of(one: Recording, tool: str, **options: Any) -> Snippet:
    written = snippets.write(Taken.of(one, presets.bundled()), **options)
    return next(snippet for snippet in written if snippet.tool == tool)
