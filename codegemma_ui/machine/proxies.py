"""The proxies that a machine's environment names: who asks through them, and which one is behind a failure.

Downloads and the openai backend do, in processes of their own. The page's process asks nobody but itself, as
Gradio (6.31) does twice while it starts, and that must not leave the machine: `never_asked` shuts all proxies
off in it, and `as_given` hands its children what it was given.

Which proxy an address is asked through is read as httpx and requests read it, by `urllib.request.getproxies`:
variables in either case, or the system's settings on macOS and Windows where there are none.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

_SCHEMES = ("http", "https", "all")
_PROTOCOLS = ("http", "https", "socks5", "socks5h")

SOCKS_PACKAGE = 'pip install "httpx[socks]"'
"""What httpx needs for a SOCKS proxy, and fails without as soon as one is set."""

_EXCEPTIONS = ("NO_PROXY",) if os.name == "nt" else ("NO_PROXY", "no_proxy")

_given: dict[str, str | None] = {}  # what these were before `never_asked`


@dataclass(frozen=True)
class Proxy:
    """A proxy that is set.

    Attributes:
        source: the variable that names it, as it is spelt, or words for the system's settings.
        url: as it stands there. It may hold a password: only `str()` of a proxy is for people.
    """

    source: str
    url: str

    def __str__(self) -> str:
        return f"the proxy of {self.source} ({self._address() or 'no proxy address'})"

    @property
    def usable(self) -> bool:
        """Whether it is the address of a proxy at all."""
        return self._address() is not None

    @property
    def socks(self) -> bool:
        return self.url.strip().lower().startswith("socks")

    def _address(self) -> str | None:
        """Without user and password."""
        url = self.url.strip()
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            host, port = parts.hostname, parts.port
        except ValueError:
            return None
        if parts.scheme not in _PROTOCOLS or not host or not host.isprintable():
            return None
        host = f"[{host}]" if ":" in host else host
        return f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")


def set_here() -> tuple[Proxy, ...]:
    """Every proxy that is set, whatever it is for: a client is made with all of them, and fails by any."""
    found = getproxies()
    return tuple(Proxy(_source(name), found[name]) for name in _SCHEMES if found.get(name))


def of(url: str) -> Proxy | None:
    """The proxy that an address is asked through, if any."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    found = getproxies()
    name = next((name for name in (parts.scheme, "all") if found.get(name)), None)
    if name is None or not host:
        return None
    spelt = [host, f"[{host}]"] if ":" in host else [host]
    spelt += [f"{one}:{port}" for one in spelt if port is not None]
    return None if any(map(proxy_bypass, spelt)) else Proxy(_source(name), found[name])


def _source(scheme: str) -> str:
    """The variable of a scheme; where it is set in both cases, the one in small letters counts."""
    wanted = f"{scheme}_proxy"
    named = sorted((name for name in os.environ if name.lower() == wanted), reverse=True)
    return next((name for name in named if os.environ[name]), "the system's settings")


def never_asked() -> None:
    """Let this process ask nobody through a proxy. Call it before what asks is imported: Gradio makes a
    client at its import, which fails where a variable is malformed.

    `NO_PROXY=*` stands above everything else that is set, malformed or not, the system's settings too.
    """
    for name in _EXCEPTIONS:
        _given.setdefault(name, os.environ.get(name))
        os.environ[name] = "*"


def as_given(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment of this process, as it was before `never_asked`."""
    found = {name: value for name, value in environ.items() if name not in _given}
    return found | {name: value for name, value in _given.items() if value is not None}
