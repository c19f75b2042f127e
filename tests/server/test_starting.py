"""If the address is unavailable or a secret is unusable, the program prints one sentence and starts
nothing."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from codegemma_ui import secrets, settings
from codegemma_ui.client.client import EngineClient
from codegemma_ui.commands import main
from codegemma_ui.errors import BadInput
from codegemma_ui.ipc import parent
from codegemma_ui.server import addresses
from codegemma_ui.server import serving as serving_module
from codegemma_ui.settings import Settings
from codegemma_ui.ui import layout
from tests.server.scripted_page import serving, wait_until

ROOT = Path(__file__).parents[2]
HUSH = "hush-hush"


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def serve(*flags: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `serve` over the scripted worker until it ends."""
    return subprocess.run(
        [sys.executable, "-m", "tests.support.scripted_shell", "serve", *flags],
        cwd=ROOT,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=60,
    )


# Addresses


def test_a_taken_port_is_one_line_and_exit_code_2(taken: int) -> None:
    done = serve("--port", str(taken))
    assert (done.returncode, done.stdout) == (main.BAD_INPUT, "")
    assert done.stderr == (
        f"error: --port (CODEGEMMA_UI_PORT) must be free on 127.0.0.1. Received: {taken}, which another "
        "program uses. Choose another, or 0 for any free one.\n"
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", ""])
def test_a_taken_port_is_named_wherever_it_is_taken(host: str, taken: int) -> None:
    with pytest.raises(BadInput, match=r"^--port .* must be free on .* which another program uses"):
        addresses.free_port(host, taken)


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("192.0.2.1", "must be an address of this machine. Received: '192.0.2.1'."),
        ("no.such.name.invalid", "Received: 'no.such.name.invalid', which does not resolve."),
        ("a..b", "Received: 'a..b', which does not resolve."),
        ("x" * 64, "which does not resolve."),
        ("127.0.0.1:8000", "which does not resolve."),
        ("http://127.0.0.1", "which does not resolve."),
        ("a\0b", "which does not resolve."),
    ],
)
def test_a_host_that_is_not_ours(host: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        addresses.free_port(host, 0)
    assert str(caught.value).startswith("--host (CODEGEMMA_UI_HOST) must be an address")
    assert said in str(caught.value)
    assert "0.0.0.0 for all its networks" in caught.value.hint


@pytest.mark.skipif(not ipv6(), reason="this machine has no IPv6")
def test_ipv6() -> None:
    port = addresses.free_port("[::1]", 0)
    assert addresses.free_port("::1", port) == port
    with socket.create_server(("::1", port), family=socket.AF_INET6):
        with pytest.raises(BadInput, match="must be free on ::1"):
            addresses.free_port("::1", port)
        assert addresses.free_port("127.0.0.1", port) == port
    with pytest.raises(BadInput, match="must be an address of this machine"):
        addresses.free_port("2001:db8::1", port)


def test_port_0_is_any_free_one_and_a_free_one_is_kept() -> None:
    port = addresses.free_port("0.0.0.0", 0)
    assert port > 0
    assert addresses.free_port("0.0.0.0", port) == port


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (
            errno.EACCES,
            "--port (CODEGEMMA_UI_PORT) must be one that this user may listen on. Received: 80.",
        ),
        (errno.EAFNOSUPPORT, "--host (CODEGEMMA_UI_HOST) must be an address of this machine."),
        (
            errno.ENOBUFS,
            "where this machine can listen. Received: '127.0.0.1' and 80: No buffer space",
        ),
    ],
)
def test_what_the_system_refuses(number: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port below 1024, for example; root, who runs some of these tests, may use any."""

    class Refused(socket.socket):
        def bind(self, address: object) -> None:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "socket", Refused)
    with pytest.raises(BadInput) as caught:
        addresses.free_port("127.0.0.1", 80)
    assert said in str(caught.value)


def test_one_that_is_taken_a_moment_later_is_told_as_well(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = Settings(port=taken)
    client = EngineClient(chosen)  # never started
    looks = iter([taken])
    real = addresses.free_port
    monkeypatch.setattr(addresses, "free_port", lambda *given: next(looks, None) or real(*given))
    with pytest.raises(BadInput, match="which another program uses"):
        serving_module.start(layout.build(client, chosen), client, chosen)


def test_a_page_whose_first_line_nobody_reads_serves() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    port = addresses.free_port("127.0.0.1", 0)
    command = [sys.executable, "-m", "tests.support.scripted_shell", "serve", "--port", str(port)]
    page = subprocess.Popen(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    http = httpx.Client(base_url=f"http://127.0.0.1:{port}")

    def answers() -> bool:
        try:
            return http.get("/healthz").status_code == 200
        except httpx.TransportError:
            assert page.poll() is None
            return False

    try:
        wait_until(answers, 60)
        time.sleep(0.2)  # its line is printed after it responds
        assert page.poll() is None
    finally:
        http.close()
        page.send_signal(signal.SIGTERM)
        _, said = page.communicate(timeout=30)
    assert "BrokenPipeError" not in said


# Secrets


def resolve(**environ: str) -> Settings:
    return settings.resolve(environ=environ)


@pytest.mark.parametrize("around", ["\n", "\r\n", " ", "\t", "\n\n"])
def test_white_space_around_a_secret_is_dropped(
    around: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = f"{around}{HUSH}{around}"
    assert resolve(CODEGEMMA_UI_AUTH=f"{around}ann:{HUSH}{around}").auth == ("ann", HUSH)
    assert resolve(CODEGEMMA_UI_API_KEY=given).api_key == HUSH
    names = [name for name in secrets.NAMES if name != secrets.LOGIN]
    for name in (*names, "KAGGLE_USERNAME"):
        monkeypatch.setenv(name, given)
    started = parent.environment()  # a download, the openai backend
    assert {started[name] for name in (*names, "KAGGLE_USERNAME")} == {HUSH}
    assert secrets.values(os.environ) == (HUSH,)


def test_a_blank_secret_is_none() -> None:
    chosen = resolve(CODEGEMMA_UI_AUTH=" \n", CODEGEMMA_UI_API_KEY="\n \n", HF_TOKEN="\n")
    assert (chosen.auth, chosen.api_key) == (None, None)


@pytest.mark.parametrize("name", [*secrets.NAMES, "KAGGLE_USERNAME"])
@pytest.mark.parametrize("inside", ["\x07", "\x1b[0m", "\x7f", "\udcff", "\ufeff", "\t"], ids=ascii)
def test_what_cannot_be_a_secret_is_named_and_not_shown(name: str, inside: str) -> None:
    value = f"{HUSH}{inside}{HUSH}"
    with pytest.raises(BadInput) as caught:
        resolve(**{name: f"ann:{value}" if name == secrets.LOGIN else value})
    assert str(caught.value).startswith(f"{name} must be")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("name", [*secrets.NAMES, "KAGGLE_USERNAME"])
def test_a_line_break_inside_is_two_keys_of_ours_or_no_secret(name: str) -> None:
    if name == secrets.KEYS:
        assert (
            resolve(**{name: f"one-{HUSH}\r\n\n two-{HUSH}\n"}).api_key == f"one-{HUSH}\ntwo-{HUSH}"
        )
        return
    with pytest.raises(BadInput, match=f"{name} must be one line .* with a line break in it"):
        resolve(**{name: f"ann:{HUSH}\n{HUSH}"})


def test_a_password_may_be_of_any_letters() -> None:
    assert resolve(CODEGEMMA_UI_AUTH="지은: 비밀 번호 é").auth == ("지은", " 비밀 번호 é")
    with pytest.raises(BadInput, match="with a letter that is not ASCII in it"):
        resolve(OPENAI_API_KEY="비밀")


def test_each_of_several_keys_is_masked() -> None:
    found = secrets.values({secrets.KEYS: "one-key\ntwo-keys"})
    assert secrets.masked("one-key, two-keys", found) == "***, ***"


@pytest.mark.parametrize("command", [("serve",), ("complete", "--prefix", "x"), ("doctor",)])
def test_it_is_refused_at_the_start_of_every_command(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{HUSH}\x07{HUSH}")
    with pytest.raises(SystemExit) as left:
        main.main(command)
    said = capsys.readouterr()
    assert left.value.code == main.BAD_INPUT
    assert said.err.startswith("error: OPENAI_API_KEY must be one line of plain text.")
    assert "hush" not in said.err + said.out


def test_a_login_and_keys_from_files_let_in() -> None:
    environ: dict[str, Any] = {
        "CODEGEMMA_UI_AUTH": f"ann:{HUSH}\n",
        "CODEGEMMA_UI_API_KEY": "first-key\nsecond-key\n",
    }
    with serving("--openai-api", **environ) as page, httpx.Client(base_url=page.url) as http:
        wait_until(lambda: http.get("/healthz").json()["state"] == "ready")
        assert http.post("/login", data={"username": "ann", "password": HUSH}).status_code == 200
        status = {
            key: http.get("/v1/models", headers={"authorization": f"Bearer {key}"}).status_code
            for key in ("first-key", "second-key", "third-key", "first-key second-key", "none")
        }
        assert list(status.values()) == [200, 200, 401, 401, 401]
        log = page.log()
    assert not any(secret in log for secret in (HUSH, "first-key", "second-key"))
