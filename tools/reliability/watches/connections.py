"""Detection of connections by a page's processes to peers that its operator did not configure, from /proc.

A connection shorter than the polling interval is missed here; `stranger` sees those that a visitor could
cause, however short. Sockets that send datagrams without connecting are listed without a peer.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tools.reliability import processes
from tools.reliability.figures import Figure
from tools.reliability.watches.looking import Looking

LOOK_S = 0.1

_TABLES = ("tcp", "tcp6", "udp", "udp6")
_LISTEN = "0A"


@dataclass(frozen=True)
class Socket:
    """One row of the kernel's tables.

    Attributes:
        local, remote: "address:port"; without a remote its port is 0.
        inode: its id in a process's descriptors.
    """

    kind: str
    local: str
    remote: str
    listens: bool
    inode: str


def listed() -> list[Socket]:
    """Return the sockets of the machine."""
    found = []
    for table in _TABLES:
        path = Path(f"/proc/net/{table}")
        lines = path.read_text().splitlines()[1:] if path.exists() else []
        for line in lines:
            _, local, remote, state, _, _, _, _, _, inode, *_ = line.split()
            kind, listens = table.removesuffix("6"), state == _LISTEN and table.startswith("tcp")
            found.append(Socket(kind, _address(local), _address(remote), listens, inode))
    return found


def _address(written: str) -> str:
    """Return "0100007F:1F90" as "127.0.0.1:8080": words of four bytes, each in the machine's byte order."""
    words, port = written.split(":")
    count = len(words) // 8
    raw = struct.pack(f">{count}I", *struct.unpack(f"={count}I", bytes.fromhex(words)))
    family = socket.AF_INET if count == 1 else socket.AF_INET6
    name = socket.inet_ntop(family, raw).removeprefix("::ffff:")
    return f"[{name}]:{int(port, 16)}" if ":" in name else f"{name}:{int(port, 16)}"


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


class ConnectionWatch(Looking):
    """Watches the connections of a page's process and its descendants.

    Args:
        root: the page's process.
        port: its listening port; connections to it are visitors'.
        configured: "address:port" of peers named by the operator, such as a server that runs the model.
    """

    def __init__(self, root: int, port: int, configured: Collection[str] = ()) -> None:
        super().__init__(LOOK_S)
        self._root, self._port, self._configured = root, port, frozenset(configured)
        self.elsewhere: set[str] = set()
        """Connections to other peers, as "tcp from … to …"."""

    def look(self) -> None:
        rows = listed()
        if not any(map(self._leaves, rows)):
            return
        inodes = set().union(*map(processes.sockets, processes.tree(self._root)))
        ours = [row for row in rows if row.inode in inodes]
        own = {self._port} | {_port(row.local) for row in ours if row.kind == "tcp"}
        for row in filter(self._leaves, ours):
            if row.kind == "udp" or _port(row.remote) not in own:
                self.elsewhere.add(f"{row.kind} from {row.local} to {row.remote}")

    def _leaves(self, row: Socket) -> bool:
        """Return whether it is a connection, and neither a visitor's nor a configured one."""
        return (
            not row.listens
            and _port(row.remote) != 0
            and _port(row.local) != self._port
            and row.remote not in self._configured
            and row.inode != "0"  # closed, without an owner
        )

    def figures(self, scenario: str) -> list[Figure]:
        for one in sorted(self.elsewhere):
            print(f"     {scenario}: {one}")
        return [Figure(scenario, "connections to elsewhere", len(self.elsewhere), 0)]
