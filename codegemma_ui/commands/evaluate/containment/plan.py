"""What the process that contains a program is told, on its command line and as JSON."""

from __future__ import annotations

import json
from typing import NamedTuple


class Plan(NamedTuple):
    """How one program is run.

    Attributes:
        executable: the name under which the interpreter is started, which leads it to its environment.
        interpreter: the file behind that name.
        folders: of the interpreter and its packages, to be had read-only.
        time_limit_s: seconds until an exception is raised in the program.
        grace_s: seconds that it has left then, before it is killed.
        cpu_s: seconds of processor time that each of its processes has.
        memory_bytes: that its processes have together, and each alone at most.
        folder_bytes: that its folder holds.
        processes: that it may have at a time; open files too.
        memory_group: folder of a memory group made for it, or None: see `memory_group`.
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
        """For the command line."""
        return json.dumps(self._asdict())

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """What `to_json` made."""
        return cls(**json.loads(text))
