"""Checks of the `Host` and `Origin` headers.

A page of another site can make a browser send requests to a server in the visitor's own network: through a
name that it points there (DNS rebinding), or across origins. So a request must name one of our hosts, and a
request that changes anything must come from one of our pages. Pure.
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
"""The message of a refusal."""


@dataclass(frozen=True)
class Hosts:
    """The hosts of one server.

    Attributes:
        named: the hosts that the operator allowed, lowercase, without ports.
        listens: the address it listens on, lowercase; empty if that is every address.
        every_address: whether it listens on all addresses of the machine, so that any of them is accepted;
            only a name can be rebound, an address cannot.
    """

    named: frozenset[str]
    listens: str
    every_address: bool

    @classmethod
    def of(cls, host: str, allowed: Iterable[str]) -> Hosts:
        """Return the hosts of a server.

        Args:
            host: the address it listens on.
            allowed: further names of it; "*" allows every name.
        """
        listens = host.strip("[]").lower()
        wildcard = listens in ("0.0.0.0", "::", "")
        named = frozenset(name.lower() for name in allowed)
        return cls(named, "" if wildcard else listens, wildcard)

    def knows(self, host: str | None) -> bool:
        """Return whether a `Host` header is one of ours, whatever its port."""
        name = hostname(host)
        if name is None:
            return False
        if name in LOOPBACK or name in (self.listens, *self.named) or ANY_NAME in self.named:
            return True
        return self.every_address and _is_address(name)

    def trusts(self, origin: str, host: str) -> bool:
        """Return whether a page of `origin` may send a request that changes something to `host`.

        It may if it is of the same host and port, or of a host that the operator allowed, since the two can
        differ behind a proxy. Another port of this machine belongs to another program.
        """
        scheme, separator, rest = origin.partition("://")
        if not separator or scheme not in ("http", "https"):
            return False
        return rest.lower() == host.lower() or hostname(rest) in self.named


def hostname(host: str | None) -> str | None:
    """Return the name or address in a `Host` header, without its port; None if it is invalid.

    Gradio (6.31) responds with a server error to a name that httpx rejects: one with characters that DNS does
    not have (a browser sends their ASCII form), or an address out of range.
    """
    if not host:
        return None
    try:
        split = urlsplit(f"//{host}")
        name = split.hostname
        _ = split.port  # raises if it is not a number
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
