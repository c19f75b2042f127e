"""One stage of an image as a folder: its settings, and commands run in it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.container import dockerfile
from tools.container.dockerfile import Instruction
from tools.rehearsals import NotTried

NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child")

PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Room:
    """A stage.

    Attributes:
        place: its root.
        arguments: build arguments in scope.
        given: those given on the command line.
        environment: set by ENV.
    """

    place: Path
    arguments: dict[str, str]
    given: dict[str, str]
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    user: str = "0"
    folder: str = "/"
    volumes: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    def path(self, inside: str) -> Path:
        """Return the path on this machine of a path inside."""
        return self.place / str(Path(self.folder, inside)).lstrip("/")

    def follow(self, instruction: Instruction) -> None:
        """Run an instruction other than COPY."""
        known = self.arguments | self.environment
        text = instruction.text
        match instruction.name:
            case "ARG":
                name, default = dockerfile.argument(text)
                self.arguments[name] = self.given.get(name, default)
            case "ENV":
                self.environment |= dockerfile.variables(text, known)
            case "WORKDIR":
                self.folder = str(Path(self.folder, dockerfile.expand(text, known)))
                self.path(".").mkdir(parents=True, exist_ok=True)
            case "USER":
                self.user = dockerfile.expand(text, known)
            case "VOLUME":
                self.volumes.append(text)
            case "HEALTHCHECK":
                self.health = dockerfile.words(text)
            case "CMD":
                self.command = dockerfile.words(text)
            case "RUN":
                self._run(text)

    def _run(self, text: str) -> None:
        script = 'mount --rbind /dev "$0/dev"; mount -t proc proc "$0/proc"; exec "$@"'
        variables = self.arguments | self.environment
        step = ["chroot", f"--userspec={self.user}:{self.user}", str(self.place)]
        step += ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in variables.items())]
        step += ["/bin/sh", "-c", f'cd "{self.folder}" && {text}']
        command = [*NAMESPACES, "sh", "-ec", script, str(self.place), *step]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
        if done.returncode:
            raise NotTried(f"RUN {text}\n{(done.stdout + done.stderr)[-3000:]}")

    def facts(self) -> dict[str, Any]:
        """Return how to start it, for another process."""
        return {
            "place": str(self.place),
            "environment": self.environment,
            "user": self.user,
            "folder": self.folder,
            "volumes": self.volumes,
            "health": self.health,
            "command": self.command,
        }
