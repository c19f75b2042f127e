"""How this package came here, as a checkout or from a wheel, and where it keeps things. Pure.

What a person is told to type differs: a checkout has requirements files, a wheel has the same lines as its
metadata. No line names our own package, which is on no index: somebody else's could be there.
"""

from __future__ import annotations

import os
import shlex
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DISTRIBUTION = "codegemma-ui"

PACKAGE = Path(__file__).parent

Extra = Literal["", "bench", "jax", "mcp", "openai", "torch"]
"""What may be installed beside the page; "" is what the page itself needs."""


def in_checkout() -> bool:
    """Whether the repository's files stand beside the package.

    Asked by a name that nobody else has: other packages leave a requirements.txt among the libraries.
    """
    return (PACKAGE.parent / "requirements-jax.txt").is_file()


def install(extra: Extra = "") -> str:
    """The pip line that installs what an extra needs, as a person types it in a shell.

    Args:
        extra: its name in pyproject.toml.
    """
    try:
        needed = None if in_checkout() else metadata.requires(DISTRIBUTION)
    except metadata.PackageNotFoundError:  # copied here: the repository has the files
        needed = None
    if needed is None:
        return f"pip install -r requirements{extra and '-'}{extra}.txt"
    from packaging.requirements import Requirement  # here: a worker's own environment may lack it

    asked = [Requirement(one) for one in needed]
    wanted = [one for one in asked if _is_for(one, extra) and not (extra and _is_for(one, ""))]
    return _shell_line(["pip", "install", *(str(one).partition(";")[0] for one in wanted)])


def _shell_line(words: list[str]) -> str:
    """Join words as the person's shell takes them; cmd and PowerShell both take double quotes."""
    if sys.platform != "win32":
        return shlex.join(words)
    return " ".join(f'"{word}"' if set(word) & set("<>^&| ") else word for word in words)


def _is_for(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def cache_folder() -> Path:
    """Where what may be thrown away is kept between starts: as https://specifications.freedesktop.org/basedir
    has it, or where macOS and Windows have such folders, unless XDG_CACHE_HOME is set. As the specification
    has it too, a relative path there is passed over.

    Raises:
        RuntimeError: the user has no home.
    """
    named = os.environ.get("XDG_CACHE_HOME", "")
    if not Path(named).is_absolute() and sys.platform == "win32":
        named = os.environ.get("LOCALAPPDATA", "")
    if not Path(named).is_absolute() and sys.platform == "darwin":
        named = str(Path.home() / "Library" / "Caches")
    given = Path(named)
    return (given if given.is_absolute() else Path.home() / ".cache") / DISTRIBUTION


def settle_home() -> None:
    """Give a user without a home the root folder as one, as containers do.

    kagglehub (1.0) and with it KerasHub cannot be imported where the home cannot be told.
    """
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = Path.cwd().anchor


def command() -> str:
    """What the shell's door is called, as this process was started."""
    named = Path(sys.argv[0]).name.removesuffix(".exe") == DISTRIBUTION
    return DISTRIBUTION if named else "python -m codegemma_ui"
