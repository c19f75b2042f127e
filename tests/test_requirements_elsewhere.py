"""The requirements resolve for macOS and Windows, from wheels only: an installation compiles nothing.

pip evaluates markers for the machine it runs on, so uv resolves them for a given platform. The tests are
skipped if no index responds.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support import package_index

ROOT = Path(__file__).parent.parent
PLATFORMS = {
    "macos": (
        "aarch64-apple-darwin",
        {"MACOSX_DEPLOYMENT_TARGET": "14.0"},
    ),  # torch's first wheels require it
    "windows": ("x86_64-pc-windows-msvc", {}),
}


def compiled(platform: str, python: str, files: list[str], **environ: str) -> list[str]:
    """Return the packages that uv would install, one per line."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header"]
    command += ["--no-annotate", "--no-config", "--only-binary", ":all:"]
    command += ["--python-platform", platform, "--python-version", python, *files]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**package_index.variables(), **environ},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    if done.returncode and package_index.out_of_reach(done.stderr):
        pytest.skip(f"no package index is within reach: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("python", ["3.11", "3.13"])
@pytest.mark.parametrize("system", PLATFORMS)
def test_everything_resolves_from_wheels(system: str, python: str, tmp_path: Path) -> None:
    platform, environ = PLATFORMS[system]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = tmp_path / "extras.txt"  # our own metadata would have to be built
    lines = itertools.chain(*project["optional-dependencies"].values())
    extras.write_text("\n".join(lines), encoding="utf-8")
    files = ["requirements.txt", str(extras)]
    names = {line.partition("==")[0] for line in compiled(platform, python, files, **environ)}
    assert {"gradio", "keras-nlp", "tensorflow", "jax", "torch", "openai", "psutil"} <= names
    # keras-hub requires tensorflow-text where it has wheels, and works without it elsewhere.
    assert ("tensorflow-text" in names) == (system == "macos")


def test_a_requirement_without_a_wheel_is_told(tmp_path: Path) -> None:
    """The failure that the test above would detect: there is no tensorflow 2.21 for Intel Macs."""
    (tmp_path / "requirements.txt").write_text("tensorflow>=2.21,<2.22\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"no\s+wheels\s+with\s+a\s+matching\s+platform"):
        compiled("x86_64-apple-darwin", "3.11", [str(tmp_path / "requirements.txt")])
