"""A real nginx in front of real pages, configured with the guide's lines."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.server.scripted_page import ROOT, wait_until

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
NAME = "playground.example"

needs_nginx = pytest.mark.skipif(NGINX is None, reason="needs nginx: apt-get install nginx-light")


def guide() -> list[str]:
    """Return the guide's nginx blocks, in order: a server, an upstream."""
    text = (ROOT / "docs" / "deploying.md").read_text()
    return re.findall(r"```nginx\n(.*?)```", text, re.DOTALL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(lines: str, folder: Path, health: str = "/healthz") -> Iterator[str]:
    """Run nginx until the end of the block, once `health` answers through it.

    Args:
        lines: of its `http` block; "listen 443 ssl;" becomes a port on loopback without a certificate.
        folder: for its files.

    Returns:
        Its address, without a slash at its end.
    """
    port = free_port()
    served = lines.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/errors; events {{}}\n"
        f"http {{ access_log off; {paths}\n{served} }}\n"
    )
    assert NGINX is not None
    process = subprocess.Popen([NGINX, "-c", str(folder / "nginx.conf"), "-e", f"{folder}/errors"])
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return httpx.get(f"{url}{health}").is_success
        except httpx.TransportError:
            return False

    try:
        wait_until(answers)
        yield url
    finally:
        process.terminate()
        process.wait(10)
