"""`compile` leaves what a model's requests need in the cache folder, whole and with its checksums."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from codegemma_ui.workers.keras import compiled

ROOT = Path(__file__).parents[2]


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if "CACHE" not in name}
    return subprocess.run(
        [sys.executable, "-m", "codegemma_ui", "compile", *arguments],
        env=kept | {"XDG_CACHE_HOME": str(home)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_everything_is_compiled_and_kept(tmp_path: Path) -> None:
    done = run(tmp_path, "--backend", "jax", "--dtype", "float32", "--context-length", "256")
    assert done.returncode == 0, done.stderr
    said = re.fullmatch(r"bundled on jax in float32: (\d+) programs in \d+ s\n", done.stdout)
    assert said is not None, done.stdout
    folder = tmp_path / "codegemma-ui" / "jax" / compiled.processor()
    known = json.loads((folder / compiled.SUMS).read_text(encoding="ascii"))
    assert {name for name in known if name.endswith("-cache")} >= {
        path.name for path in folder.glob("*-cache")
    }
    assert len(list(folder.glob("*-cache"))) >= int(said[1])


def test_a_server_has_nothing_to_compile(tmp_path: Path) -> None:
    done = run(tmp_path, "--backend", "openai", "--openai-base-url", "http://127.0.0.1:9/v1")
    assert done.returncode == 2
    assert "--backend must be one of tensorflow, jax, torch to compile" in done.stderr
