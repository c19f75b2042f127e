"""TLS without a proxy, and a unix socket instead of a port; errors of either are reported before any load."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import psutil
import pytest
import trustme

from codegemma_ui.errors import BadInput
from codegemma_ui.server import addresses
from codegemma_ui.settings import Settings
from tests.server.scripted_page import serving


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a certificate for localhost, its key, both in one file, and the issuer's
    certificate."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    (folder / "text.pem").write_text("no certificate")
    return folder


def completes(http: httpx.Client) -> None:
    asked = {"prefix": "a line", "max_length": 64}
    event = http.post("/gradio_api/call/v2/complete", json=asked).json()["event_id"]
    told = http.get(f"/gradio_api/call/complete/{event}", timeout=20).text
    assert '"middle":"a line"' in told.replace(": ", ":").replace('\\"', '"')


@pytest.mark.parametrize(
    "flags",
    [
        ["--ssl-certfile", "certificate.pem", "--ssl-keyfile", "key.pem"],
        ["--ssl-certfile", "both.pem"],
    ],
    ids=["two files", "one file"],
)
def test_it_serves_https(flags: list[str], files: Path) -> None:
    given = [one if one.startswith("--") else str(files / one) for one in flags]
    with serving(*given) as page:
        url = page.url.replace("127.0.0.1", "localhost")
        assert url.startswith("https://localhost:")
        with httpx.Client(base_url=url, verify=str(files / "authority.pem")) as http:
            assert http.get("/config").json()["root"] == url
            completes(http)
            assert http.get("/healthz").json()["status"] == "ok"
            with pytest.raises(httpx.TransportError):
                httpx.get(url.replace("https", "http"))


def test_it_listens_on_a_unix_socket_and_nowhere_else(tmp_path: Path) -> None:
    path = tmp_path / "page.sock"
    with serving("--uds", str(path)) as page:
        assert page.url == f"unix:{path}"
        transport = httpx.HTTPTransport(uds=str(path))
        with httpx.Client(transport=transport, base_url="http://localhost") as http:
            assert http.get("/").status_code == 200
            completes(http)
            ports = psutil.Process(page.process.pid).net_connections("tcp")
            assert [one for one in ports if one.status == psutil.CONN_LISTEN] == []
            assert http.get("/", headers={"Host": "stranger.example"}).status_code == 400
    assert not path.exists()


def test_a_socket_that_a_killed_page_left_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "page.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert addresses.check(Settings(uds=str(path))) == Settings().port
    assert not path.exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ssl_certfile": "gone.pem"}, "ssl-certfile .* No such file"),
        ({"ssl_certfile": "text.pem"}, "must be a certificate and its key in PEM"),
        ({"ssl_certfile": "certificate.pem"}, "must be a certificate and its key in PEM"),
        ({"ssl_keyfile": "key.pem"}, "ssl-keyfile .* needs --ssl-certfile"),
        ({"ssl_certfile": "both.pem", "ssl_keyfile": "authority.pem"}, "must be a certificate"),
        ({"uds": "text.pem"}, "which is not a socket"),
        ({"uds": "gone/page.sock"}, "No such file"),
        ({"uds": "x" * 200}, "too long"),
        ({"uds": "a\0b"}, "where a socket can be created"),
    ],
)
def test_what_cannot_be_is_said_by_its_flag(given: dict[str, str], said: str, files: Path) -> None:
    named = {name: str(files / value) for name, value in given.items()}
    with pytest.raises(BadInput, match=said):
        addresses.check(Settings(port=0, **named))  # type: ignore[arg-type]


def test_a_socket_where_somebody_listens_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "page.sock"
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(path))
        theirs.listen()
        with pytest.raises(BadInput, match="another program uses"):
            addresses.check(Settings(uds=str(path)))
    assert path.exists()
