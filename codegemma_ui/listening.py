"""Where the page is to listen, tried before anything is loaded: what is wrong is told by its flag."""

from __future__ import annotations

import errno
import os
import socket

from codegemma_ui.errors import BadInput

LOOPBACK = "127.0.0.1"

_HOST, _PORT = "--host (CODEGEMMA_UI_HOST)", "--port (CODEGEMMA_UI_PORT)"


def free_port(host: str, port: int) -> int:
    """The port to listen on, which is free.

    Gradio (6.31) wants a port free on 127.0.0.1 too, wherever it listens.

    Args:
        host: an address or a name of this machine; IPv6 with or without brackets.
        port: 0 takes any free one.

    Raises:
        BadInput: it cannot be listened on, and why.
    """
    host = host.strip("[]")
    found = port
    for family, address in _addresses(host):
        found = _try(family, (address[0], found, *address[2:]), host)
    _try(socket.AF_INET, (LOOPBACK, found), LOOPBACK)
    return found


def refused(host: str, port: int) -> BadInput:
    """The error where Gradio could not listen though the address was free a moment ago."""
    try:
        free_port(host, port)
    except BadInput as error:
        return error
    return BadInput(
        f"{_PORT} must be free on {host}. Received: {port}, where the page could not listen.",
        "Choose another, or 0 for any free one.",
    )


def _addresses(host: str) -> list[tuple[socket.AddressFamily, tuple[str, int, *tuple[int, ...]]]]:
    """What a host means, as asyncio asks for it."""
    try:
        found = socket.getaddrinfo(
            host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError, ValueError) as error:
        raise BadInput(
            f"{_HOST} must be an address or a name of this machine. "
            f"Received: {host!r}, which means no address.",
            "127.0.0.1 is for this machine alone, 0.0.0.0 for all networks that it is in.",
        ) from error
    return [(family, address) for family, _, _, _, address in found]  # type: ignore[misc]


def _try(family: socket.AddressFamily, address: tuple[object, ...], host: str) -> int:
    """Listen there for a moment; returns the port."""
    port = address[1]
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if os.name == "posix":  # as asyncio does; elsewhere it would share a port that is taken
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        match error.errno:
            case errno.EADDRINUSE:
                raise BadInput(
                    f"{_PORT} must be free on {host}. Received: {port}, where another program listens.",
                    "Choose another, or 0 for any free one.",
                ) from error
            case errno.EACCES:
                raise BadInput(
                    f"{_PORT} must be one that this user may listen on. Received: {port}.",
                    "From 1024 on every user may.",
                ) from error
            case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
                raise BadInput(
                    f"{_HOST} must be an address of this machine. Received: {host!r}.",
                    "127.0.0.1 is for this machine alone, 0.0.0.0 for all networks that it is in.",
                ) from error
        raise BadInput(
            f"{_HOST} and {_PORT} must be where this machine can listen. "
            f"Received: {host!r} and {port}: {error.strerror or error}.",
            "127.0.0.1 is for this machine alone, 0.0.0.0 for all networks that it is in.",
        ) from error
