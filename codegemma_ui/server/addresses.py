"""Checks of the listening address before anything is loaded; an error names the flag that is wrong."""

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
    """Return a free port to listen on; with a unix socket, the port is not checked.

    Raises:
        BadInput: the address cannot be listened on, or the TLS files are invalid.
    """
    _check_tls(settings.ssl_certfile, settings.ssl_keyfile)
    if settings.uds:
        _make_free(Path(settings.uds))
        return settings.port
    return free_port(settings.host, settings.port)


def free_port(host: str, port: int) -> int:
    """Return a free port to listen on.

    Gradio (6.31) needs the port to be free on 127.0.0.1 too, wherever it listens.

    Args:
        host: an address or a name of this machine; IPv6 with or without brackets.
        port: 0 takes any free one.

    Raises:
        BadInput: the address cannot be listened on.
    """
    host = host.strip("[]")
    found = port
    for family, address in _addresses(host):
        found = _try(family, (address[0], found, *address[2:]), host)
    _try(socket.AF_INET, (LOOPBACK, found), LOOPBACK)
    return found


def refused(host: str, port: int) -> BadInput:
    """Return the error for an address that was free a moment ago but that Gradio could not bind."""
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
        # Without a password OpenSSL would prompt in the terminal; an empty one is rejected.
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
    """Remove a stale unix socket, and check that one can be created there."""
    if sys.platform == "win32":
        raise BadInput(f"{_UDS} needs a system with unix sockets. Received: {str(path)!r}")
    try:
        if path.exists() or path.is_symlink():
            if not stat.S_ISSOCK(path.stat().st_mode):
                raise BadInput(
                    f"{_UDS} must be free. Received: {str(path)!r}, which is not a socket."
                )
            if _answers(path):
                raise BadInput(
                    f"{_UDS} must be free. Received: {str(path)!r}, which another program uses."
                )
            path.unlink()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.bind(str(path))
        path.unlink()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput(
            f"{_UDS} must be a path where a socket can be created. Received: {str(path)!r}: {reason}"
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
    """Resolve a host as asyncio does."""
    try:
        found = socket.getaddrinfo(
            host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError, ValueError) as error:
        raise BadInput(
            f"{_HOST} must be an address or a name of this machine. "
            f"Received: {host!r}, which does not resolve.",
            "Use 127.0.0.1 for this machine only, 0.0.0.0 for all its networks.",
        ) from error
    return [(family, address) for family, _, _, _, address in found]  # type: ignore[misc]


def _try(family: socket.AddressFamily, address: tuple[object, ...], host: str) -> int:
    """Bind an address for a moment, and return the port."""
    port = address[1]
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if os.name == "posix":  # as asyncio does; on other systems this shares a port in use
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        match error.errno:
            case errno.EADDRINUSE:
                raise BadInput(
                    f"{_PORT} must be free on {host}. Received: {port}, which another program uses.",
                    "Choose another, or 0 for any free one.",
                ) from error
            case errno.EACCES:
                raise BadInput(
                    f"{_PORT} must be one that this user may listen on. Received: {port}.",
                    "Any user may listen on ports from 1024 up.",
                ) from error
            case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
                raise BadInput(
                    f"{_HOST} must be an address of this machine. Received: {host!r}.",
                    "Use 127.0.0.1 for this machine only, 0.0.0.0 for all its networks.",
                ) from error
        raise BadInput(
            f"{_HOST} and {_PORT} must be where this machine can listen. "
            f"Received: {host!r} and {port}: {error.strerror or error}.",
            "Use 127.0.0.1 for this machine only, 0.0.0.0 for all its networks.",
        ) from error
