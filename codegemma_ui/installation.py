"""How this package was installed, as a checkout or from a wheel, and its paths. Pure.

Install commands differ: in a checkout pip reads pyproject.toml, a wheel has its lines as metadata. No
command names our own package, which is on no index: someone else's could be there.
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
"""Optional dependencies besides the page; "" is what the page itself needs."""


def in_checkout() -> bool:
    """Return whether the repository's files are beside the package."""
    return (PACKAGE.parent / "pyproject.toml").is_file()


def install(extra: Extra = "") -> str:
    """Return the pip command that installs an extra's dependencies, for a shell.

    Args:
        extra: its name in pyproject.toml.
    """
    try:
        needed = None if in_checkout() else metadata.requires(DISTRIBUTION)
    except metadata.PackageNotFoundError:  # a copy of the repository, which has the files
        needed = None
    if needed is None:
        return f'pip install -e ".[{extra}]"' if extra else "pip install -r requirements.txt"
    # Here: a worker's separate environment may lack it.
    from packaging.requirements import Requirement

    requirements = [Requirement(one) for one in needed]
    wanted = [
        one for one in requirements if _is_for(one, extra) and not (extra and _is_for(one, ""))
    ]
    return _shell_line(["pip", "install", *(str(one).partition(";")[0] for one in wanted)])


def _shell_line(words: list[str]) -> str:
    """Quote words for the user's shell; cmd and PowerShell both accept double quotes."""
    if sys.platform != "win32":
        return shlex.join(words)
    return " ".join(f'"{word}"' if set(word) & set("<>^&| ") else word for word in words)


def _is_for(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def cache_folder() -> Path:
    """Return the folder for disposable data that is kept between starts: by
    https://specifications.freedesktop.org/basedir, or the usual folder on macOS and Windows, unless
    XDG_CACHE_HOME is set. As the specification requires, a relative path there is ignored.

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
    """Use the root folder as home for a user without one, as in containers.

    kagglehub (1.0) and with it KerasHub cannot be imported without a home.
    """
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = Path.cwd().anchor


def command() -> str:
    """Return the name of the CLI entry point, as this process was started."""
    named = Path(sys.argv[0]).name.removesuffix(".exe") == DISTRIBUTION
    return DISTRIBUTION if named else "python -m codegemma_ui"
