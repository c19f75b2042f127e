"""CLI entry point: parse the command line, run the command, and map exceptions to exit codes.

0 success, 1 engine error, 2 bad input, 130 cancelled, 141 if the reader of the output is gone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import NoReturn

from codegemma_ui import __version__, installation, secrets
from codegemma_ui.commands import shell
from codegemma_ui.commands.shell import BAD_INPUT, CANCELLED, DONE, ENGINE_ERROR
from codegemma_ui.errors import PlaygroundError
from codegemma_ui.machine import console

__all__ = [
    "BAD_INPUT",
    "CANCELLED",
    "COMMANDS",
    "DONE",
    "ENGINE_ERROR",
    "exit_with",
    "main",
    "parser",
]

COMMANDS = {
    "serve": "serve",
    "complete": "complete",
    "bench": "bench",
    "eval": "evaluate.command",
    "export": "export.command",
    "compile": "compile",
    "presets": "presets",
    "doctor": "doctor",
}
"""Commands and their modules in this package, each imported when it is run."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in (*COMMANDS, "-h", "--help", "--version"):
        given.insert(0, "serve")
    exit_with(lambda: _run(given))


def exit_with(command: Callable[[], None]) -> NoReturn:
    """Run a command in a settled environment, and exit with the code of what it raises."""
    installation.settle_home()
    console.settle()
    os.environ.update(secrets.cleaned(os.environ))
    sys.exit(shell.run_quietly(lambda: _code(command)))


def _run(given: Sequence[str]) -> None:
    parsed = parser([given[0]] if given[0] in COMMANDS else COMMANDS).parse_args(given)
    parsed.run(parsed)


def _code(command: Callable[[], None]) -> int:
    try:
        command()
    except PlaygroundError as error:
        print(f"error: {error}", file=sys.stderr)
        return shell.code_of(error)
    except shell.Reported as reported:
        return shell.code_of(reported.error)
    except (KeyboardInterrupt, shell.Cancelled):
        return CANCELLED
    return DONE


def parser(names: Iterable[str] = COMMANDS) -> shell.Parser:
    """Return a parser for these commands."""
    made = shell.Parser(
        prog=installation.command(),
        description="CodeGemma FIM Playground. Without a command it serves the page.",
    )
    made.add_argument("--version", action="version", version=__version__)
    commands = made.add_subparsers(required=True)
    for name in names:
        import_module(f"codegemma_ui.commands.{COMMANDS[name]}").add_parser(commands)
    return made
