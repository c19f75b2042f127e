"""Names of the standard library that a system lacks or adds, according to typeshed's stubs."""

from __future__ import annotations

import ast
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

SITE = Path(__file__).parent / "site"
"""Holds the `sitecustomize` that applies a profile."""

VARIABLE = "SIMULATED_SYSTEM"
"""Names the file with the profile."""

SYSTEMS = {"macos": ("darwin", "posix"), "windows": ("win32", "nt")}
"""What `sys.platform` and `os.name` are there."""

_MODULES = ("os", "signal", "subprocess", "socket", "time")
_WHOLE = ("fcntl", "grp", "pwd", "resource", "pty", "tty", "termios", "syslog", "posix", "msvcrt")
_KEYWORDS = ("start_new_session", "preexec_fn", "pass_fds", "process_group", "umask")


@dataclass(frozen=True)
class Profile:
    """One system, for one version of Python.

    Attributes:
        missing: module -> names that it lacks there.
        added: module -> names that it has there and not on Linux.
        modules: those that cannot be imported.
        popen: keywords of `subprocess.Popen` without an effect there, which a program must not rely on.
    """

    platform: str
    os_name: str
    missing: dict[str, list[str]]
    added: dict[str, list[str]]
    modules: list[str]
    popen: list[str]


def profile(system: str) -> Profile:
    """Return the profile of a system of `SYSTEMS`, built from typeshed."""
    platform, os_name = SYSTEMS[system]
    here = {module: _names(module, "linux") for module in _MODULES}
    there = {module: _names(module, platform) for module in _MODULES}
    return Profile(
        platform=platform,
        os_name=os_name,
        missing={module: sorted(here[module] - there[module]) for module in _MODULES},
        added={module: sorted(there[module] - here[module]) for module in _MODULES},
        modules=[module for module in _WHOLE if not _names(module, platform)],
        popen=list(_KEYWORDS) if platform == "win32" else [],
    )


def environment(system: str, folder: Path, **environ: str) -> dict[str, str]:
    """Return the variables that make a Python process and its children behave as on that system.

    Args:
        folder: an empty one for the profile's file.
        environ: further variables.
    """
    file = folder / f"{system}.json"
    file.write_text(json.dumps(asdict(profile(system))), encoding="utf-8")
    ours = ("CODEGEMMA_UI", "KERAS", "KAGGLE", "HF_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    root = Path(__file__).parent.parent.parent
    path = os.pathsep.join((str(SITE), str(root)))
    return {
        **clean,
        "PYTHONPATH": path,
        "PYTHONWARNDEFAULTENCODING": "1",  # reading in the system's code page is an error
        VARIABLE: str(file),
        **environ,
    }


def _names(module: str, platform: str) -> set[str]:
    """Return the public names of a module on a platform."""
    spec = find_spec("mypy")
    assert spec is not None
    assert spec.origin is not None
    stubs = Path(spec.origin).parent / "typeshed" / "stdlib"
    file = next(
        one for one in (stubs / f"{module}.pyi", stubs / module / "__init__.pyi") if one.is_file()
    )
    tree = ast.parse(file.read_text(encoding="utf-8"))
    system = SimpleNamespace(platform=platform, version_info=sys.version_info)
    return {name for name in _defined(tree.body, system) if not name.startswith("_")}


def _defined(body: Iterable[ast.stmt], system: SimpleNamespace) -> Iterator[str]:
    for statement in body:
        match statement:
            case ast.If():
                holds = eval(
                    compile(ast.Expression(statement.test), "stub", "eval"), {"sys": system}
                )
                yield from _defined(statement.body if holds else statement.orelse, system)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield statement.name
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Assign(targets=targets):
                yield from (one.id for one in targets if isinstance(one, ast.Name))
            case ast.ImportFrom(names=names):  # `from signal import X as X` is how a stub exports
                yield from (one.asname for one in names if one.asname == one.name)
