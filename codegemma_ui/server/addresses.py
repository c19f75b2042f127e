"""Where the page is to listen, tried before anything is loaded: what is wrong is told by its flag."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import stat
import sys
from pathlib import Path

from codegemma_ui.errors import BadInput
from codegemma_ui.settings import Settings

LOOPBACK = "127.0.0.1"

_HOST, _PORT = "--host (CODEGEMMA_UI_HOST)", "--port (CODEGEMMA_UI_PORT)"
_UDS = "--uds (CODEGEMMA_UI_UDS)"
_CERTIFICATE = "--ssl-certfile (CODEGEMMA_UI_SSL_CERTFILE)"
_KEY = "--ssl-keyfile (CODEGEMMA_UI_SSL_KEYFILE)"


def check(settings: Settings) -> int:
    """The port to listen on, which is free; where a unix socket is asked for, any.

    Raises:
        BadInput: it cannot be listened on, or not with these TLS files, and why.
    """
    _check_tls(settings.ssl_certfile, settings.ssl_keyfile)
    if settings.uds:
        _make_free(Path(settings.uds))
        return settings.port
    return free_port(settings.host, settings.port)


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


def _check_tls(certificate: str, key: str) -> None:
    if key and not certificate:
        raise BadInput(f"{_KEY} needs {_CERTIFICATE}. Received: no certificate.")
    if not certificate:
        return
    try:
        # A password for the key would be asked for in the terminal; an empty one is refused.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            certificate, key or None, password=""
        )
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        given = f"{certificate!r} and {key!r}" if key else f"{certificate!r}"
        raise BadInput(
            f"{_CERTIFICATE} and {_KEY} must be a certificate and its key in PEM, without a password. "
            f"Received: {given}: {getattr(error, 'strerror', None) or error}"
        ) from error


def _make_free(path: Path) -> None:
    """Take away a unix socket at which nobody listens any more, and see that one can be made there."""
    if sys.platform == "win32":
        raise BadInput(f"{_UDS} needs a system that has unix sockets. Received: {str(path)!r}")
    try:
        if path.exists() or path.is_symlink():
            if not stat.S_ISSOCK(path.stat().st_mode):
                raise BadInput(f"{_UDS} must be free. Received: {str(path)!r}, which is no socket.")
            if _answers(path):
                raise BadInput(
                    f"{_UDS} must be free. Received: {str(path)!r}, where another program listens."
                )
            path.unlink()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.bind(str(path))
        path.unlink()
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise BadInput(
            f"{_UDS} must be where a socket can be made. Received: {str(path)!r}: {said}"
        ) from error


def _answers(path: Path) -> bool:
    if sys.platform == "win32":
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
    return True


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
