"""Download the wheels that the engine needs on a machine with jax and torch, for a folder that travels there.

    python -m tools.gpu.wheels --out build/gpu/wheels

A rented card's machine usually has torch, jax, transformers and sentencepiece, and often no network. There:

    python3 -m pip install --no-index --no-deps --target /tmp/site build/gpu/wheels/*.whl
    export PYTHONPATH=/tmp/site
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tools.gpu import ending

VERSIONS = {
    "keras": "3.15.1",
    "keras-hub": "0.32.0",
    "keras-nlp": "0.32.0",
    # What Keras imports.
    "absl-py": "2.5.1",
    "h5py": "3.14.0",
    "optree": "0.20.0",
    # What `codegemma_ui` imports, and what sentencepiece does where a text becomes tokens.
    "psutil": "7.2.2",
    "protobuf": "7.36.2",
    # What `python -m codegemma_ui eval` compares texts with.
    "rapidfuzz": "3.14.6",
}
"""Found by trial: with one fewer, the engine completes nothing beside jax 0.11 or torch, transformers and
sentencepiece alone. Keras names rich, namex, ml_dtypes and packaging too: the others bring three of them, and
it does not import namex."""

PYTHON = "3.12"

MOST_BYTES = 20 * 10**6
"""Most bytes of all wheels together: they travel beside the repository and the texts."""

PLATFORMS = ("manylinux2014_x86_64", *(f"manylinux_2_{minor}_x86_64" for minor in range(17, 29)))
"""pip takes each name literally: a wheel for glibc 2.17 is not found by the name of 2.28."""


class WheelsFailed(Exception):
    """They could not be downloaded, or are too large; the message says which."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.gpu.wheels", description="Download the engine's wheels."
    )
    parser.add_argument("--out", required=True, type=Path, help="folder; wheels in it are replaced")
    parser.add_argument("--python", default=PYTHON, help=f"version there; by default {PYTHON}")
    given = parser.parse_args()
    try:
        sizes = download(given.out, given.python)
    except WheelsFailed as error:
        sys.exit(str(error))
    for name, size in sizes.items():
        print(f"{size:>12,}  {name}")
    print(f"{sum(sizes.values()):>12,}  bytes in {len(sizes)} wheels in {given.out}")


def download(folder: Path, python: str, versions: Mapping[str, str] = VERSIONS) -> dict[str, int]:
    """Download the wheels for CPython on Linux on x86-64.

    Args:
        folder: created if missing; wheels of an earlier download are deleted, once all new ones are there.
        python: version of Python there, such as "3.12".
        versions: version of each package.

    Returns:
        The size of each file in bytes.

    Raises:
        WheelsFailed: pip finds no such wheel, or all together exceed `MOST_BYTES`; the folder stays as it is.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}-") as making:
        sizes = _download(Path(making), python, versions)
        folder.mkdir(exist_ok=True)
        for name in sizes:
            (Path(making) / name).replace(folder / name)
    for wheel in folder.glob("*.whl"):
        if wheel.name not in sizes:
            wheel.unlink()
    return sizes


def _download(folder: Path, python: str, versions: Mapping[str, str]) -> dict[str, int]:
    """Download into an empty folder."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(folder)]
    command += ["--implementation", "cp", "--python-version", python]
    command += [part for name in PLATFORMS for part in ("--platform", name)]
    command += [f"{name}=={version}" for name, version in versions.items()]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise WheelsFailed(f"pip could not download the wheels:\n{done.stderr.strip()}")
    return checked({wheel.name: wheel.stat().st_size for wheel in sorted(folder.glob("*.whl"))})


def checked(sizes: dict[str, int]) -> dict[str, int]:
    """Return the sizes unchanged.

    Args:
        sizes: of each file, in bytes.

    Raises:
        WheelsFailed: together they exceed `MOST_BYTES`.
    """
    total = sum(sizes.values())
    if total > MOST_BYTES:
        raise WheelsFailed(
            f"The wheels should have at most {MOST_BYTES:,} bytes together. Received: {total:,} bytes in "
            f"{', '.join(sizes)}"
        )
    return sizes


if __name__ == "__main__":
    ending.with_children()
    main()
