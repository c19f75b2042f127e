"""Which names this page answers to, and which pages may ask it for something.

A page of another site can make a browser send requests to a server in the visitor's own network: by a name
that it points there (DNS rebinding), or across origins. So a request must name a host that is ours, and
what changes anything must come from a page of ours. Pure.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
ANY_NAME = "*"

_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]*")
_NUMBERS = re.compile(r"[0-9.]+")

FOREIGN = "Pages of other sites may not send anything here."
"""What is said to them."""


@dataclass(frozen=True)
class Hosts:
    """The hosts of one server.

    Attributes:
        named: what the operator named, in small letters, without ports.
        listens: where it listens, the same; empty where that is every address.
        every_address: it listens on all addresses of the machine, so that any of them may be asked for;
            an address cannot be rebound, only a name can.
    """

    named: frozenset[str]
    listens: str
    every_address: bool

    @classmethod
    def of(cls, host: str, allowed: Iterable[str]) -> Hosts:
        """The hosts of a server.

        Args:
            host: where it listens.
            allowed: further names that lead to it; "*" is every name.
        """
        listens = host.strip("[]").lower()
        wildcard = listens in ("0.0.0.0", "::", "")
        named = frozenset(name.lower() for name in allowed)
        return cls(named, "" if wildcard else listens, wildcard)

    def knows(self, host: str | None) -> bool:
        """Whether a `Host` header is one of ours, whatever its port."""
        name = hostname(host)
        if name is None:
            return False
        if name in LOOPBACK or name in (self.listens, *self.named) or ANY_NAME in self.named:
            return True
        return self.every_address and _is_address(name)

    def trusts(self, origin: str, host: str) -> bool:
        """Whether a page of `origin` may send what changes something to `host`.

        It may if it is the page of that very host and port, or of a host that the operator named, since
        behind a proxy the two can differ. Another port of this machine is another program's.
        """
        scheme, separator, rest = origin.partition("://")
        if not separator or scheme not in ("http", "https"):
            return False
        return rest.lower() == host.lower() or hostname(rest) in self.named


def hostname(host: str | None) -> str | None:
    """The name or address in a `Host` header, without its port; None where it is no host.

    Gradio (6.31) answers with a server error where httpx does not take a name: one with other characters than
    DNS has (a browser sends the ASCII form of those), or an address out of range.
    """
    if not host:
        return None
    try:
        split = urlsplit(f"//{host}")
        name = split.hostname
        _ = split.port  # raises where it is no number
    except ValueError:
        return None
    if not name or split.netloc != host or "@" in host:
        return None
    return name if _is_address(name) or _is_name(name, host) else None


def _is_name(name: str, host: str) -> bool:
    plain = _NAME.fullmatch(name) is not None and not host.startswith("[")
    return plain and not _NUMBERS.fullmatch(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
