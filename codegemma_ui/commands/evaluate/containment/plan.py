"""Configuration of the containing process, passed on its command line as JSON."""

from __future__ import annotations

import json
from typing import NamedTuple


class Plan(NamedTuple):
    """Parameters for running one program.

    Attributes:
        executable: path under which the interpreter is started, which determines its environment.
        interpreter: file at that path, with links resolved.
        folders: folders of the interpreter and its packages, mounted read-only.
        time_limit_s: seconds until an exception is raised in the program.
        grace_s: seconds from then until it is killed.
        cpu_s: processor seconds of each of its processes.
        memory_bytes: limit for its processes together, and for each one.
        folder_bytes: size of its folder.
        processes: maximum number of processes at a time, and of open files.
        memory_group: folder of a memory group created for it, or None: see `memory_group`.
    """

    executable: str
    interpreter: str
    folders: list[str]
    time_limit_s: float
    grace_s: float
    cpu_s: int
    memory_bytes: int
    folder_bytes: int
    processes: int
    memory_group: str | None

    def to_json(self) -> str:
        """Return JSON for the command line."""
        return json.dumps(self._asdict())

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Parse the result of `to_json`."""
        return cls(**json.loads(text))
