"""Proxies of the environment: which one a request uses, and which one caused a failure.

Downloads and the openai backend use them, in separate processes. The page's process only sends requests to
itself, as Gradio (6.31) does twice during start-up, and these must not leave the machine: `never_asked`
turns all proxies off in it, and `original` restores the variables for its children.

The proxy of a URL is determined as in httpx and requests, by `urllib.request.getproxies`: variables in either
case, or without any the system's settings on macOS and Windows.
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
"""Command that installs SOCKS support for httpx, which otherwise fails as soon as such a proxy is set."""

_EXCEPTIONS = ("NO_PROXY",) if os.name == "nt" else ("NO_PROXY", "no_proxy")

_given: dict[str, str | None] = {}  # values before `never_asked`


@dataclass(frozen=True)
class Proxy:
    """A proxy that is set.

    Attributes:
        source: variable that names it, in its original case, or a description of the system's settings.
        url: its value, which may contain a password: only `str()` of a proxy is for display.
    """

    source: str
    url: str

    def __str__(self) -> str:
        return f"the proxy of {self.source} ({self._address() or 'no proxy address'})"

    @property
    def usable(self) -> bool:
        """Return whether it is a valid proxy address at all."""
        return self._address() is not None

    @property
    def socks(self) -> bool:
        return self.url.strip().lower().startswith("socks")

    def _address(self) -> str | None:
        """Return the address without user and password."""
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
    """Return all proxies that are set, for any scheme: a client is created with all of them, and any may
    fail."""
    found = getproxies()
    return tuple(Proxy(_source(name), found[name]) for name in _SCHEMES if found.get(name))


def of(url: str) -> Proxy | None:
    """Return the proxy for a URL, if any."""
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
    """Return the variable for a scheme; if set in both cases, the lower-case one takes precedence."""
    wanted = f"{scheme}_proxy"
    named = sorted((name for name in os.environ if name.lower() == wanted), reverse=True)
    return next((name for name in named if os.environ[name]), "the system's settings")


def never_asked() -> None:
    """Disable proxies in this process. Call it before importing Gradio, which creates a client at import and
    fails if a variable is malformed.

    `NO_PROXY=*` overrides all other settings, malformed or not, including the system's.
    """
    for name in _EXCEPTIONS:
        _given.setdefault(name, os.environ.get(name))
        os.environ[name] = "*"


def original(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment of this process as it was before `never_asked`."""
    found = {name: value for name, value in environ.items() if name not in _given}
    return found | {name: value for name, value in _given.items() if value is not None}
