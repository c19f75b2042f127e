"""Each watch passes for a page that behaves, and fails for one that shows the watched problem."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tools.reliability import processes
from tools.reliability.figures import Figure
from tools.reliability.watches import hangs
from tools.reliability.watches.connections import ConnectionWatch, listed
from tools.reliability.watches.hangs import HangWatch
from tools.reliability.watches.looking import Looking
from tools.reliability.watches.memory import MemoryWatch
from tools.reliability.watches.page import PageWatch
from tools.reliability.watches.stranger import Stranger

PROCESS = """
import socket, subprocess, sys, time
kept = []
print("up", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""
"""Does each line of Python that it is told."""


class Process:
    """A process controlled by the test."""

    def __init__(self) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-c", PROCESS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._popen.pid
        self._await_reply()

    def do(self, line: str) -> None:
        assert self._popen.stdin is not None
        print(line, file=self._popen.stdin, flush=True)
        self._await_reply()

    def _await_reply(self) -> None:
        assert self._popen.stdout is not None
        assert self._popen.stdout.readline()

    def end(self) -> None:
        assert self._popen.stdin is not None
        self._popen.stdin.close()
        self._popen.wait(10)


@pytest.fixture
def process() -> Iterator[Process]:
    process = Process()
    yield process
    process.end()


def over(figures: list[Figure]) -> list[str]:
    return [figure.what for figure in figures if not figure.holds]


# Memory


def test_a_process_that_keeps_what_it_took_is_told(process: Process) -> None:
    with MemoryWatch("page", process.pid) as watch:
        process.do("kept.append(bytearray(150_000_000))")
    assert over(watch.figures("a")) == ["page: memory grown after the run"]


def test_a_peak_that_is_over_before_the_end_is_told(process: Process) -> None:
    with MemoryWatch("page", process.pid) as watch:
        process.do("taken = bytearray(400_000_000); time.sleep(0.2); del taken")
    assert over(watch.figures("a")) == ["page: memory at its peak, above rest"]


def test_a_process_at_rest_holds_its_budget(process: Process) -> None:
    with MemoryWatch("page", process.pid) as watch:
        process.do("taken = bytearray(50_000_000); time.sleep(0.2); del taken")
    grown, peak = watch.figures("a")
    assert grown.holds
    assert peak.holds
    assert peak.value > 40


# Connections


@pytest.mark.parametrize("whose", ["page", "worker"])
def test_a_connection_to_a_stranger_is_seen_and_heard(process: Process, whose: str) -> None:
    connect = (
        "s = socket.create_connection(('127.0.0.1', {port})); s.sendall(b'x'); time.sleep(0.5)"
    )
    with Stranger() as stranger, ConnectionWatch(process.pid, 1) as watch:
        line = connect.format(port=stranger.address.rpartition(":")[2])
        if whose == "worker":
            line = f"subprocess.run([sys.executable, '-c', {'import socket, time; ' + line!r}])"
        process.do(line)
    assert over(stranger.figures("a")) == ["connections to a visitor's address"]
    assert stranger.heard == ["x"]
    assert over(watch.figures("a")) == ["connections to elsewhere"]
    (told,) = watch.elsewhere
    assert told.endswith(f" to {stranger.address}")


def test_a_connection_too_short_to_be_seen_is_heard(process: Process) -> None:
    with Stranger() as stranger:
        port = stranger.address.rpartition(":")[2]
        process.do(f"socket.create_connection(('127.0.0.1', {port})).close()")
        processes.wait_until(lambda: stranger.heard, 5)
    assert over(stranger.figures("a")) == ["connections to a visitor's address"]


def test_a_name_that_is_looked_up_is_seen(process: Process) -> None:
    with ConnectionWatch(process.pid, 1) as watch:
        process.do("s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.connect(('::1', 53))")
        process.do("time.sleep(0.5)")
    assert [one.partition(" to ")[2] for one in watch.elsewhere] == ["[::1]:53"]


def test_visitors_and_what_is_its_own_or_configured_are_not(process: Process) -> None:
    with Stranger() as stranger:
        process.do("door = socket.create_server(('127.0.0.1', 0)); door.settimeout(5)")
        inodes = processes.sockets(process.pid)
        (port,) = {
            int(row.local.rpartition(":")[2])
            for row in listed()
            if row.inode in inodes and row.listens
        }
        with ConnectionWatch(process.pid, port, [stranger.address]) as watch:
            visitor = Process()
            visitor.do(f"kept.append(socket.create_connection(('127.0.0.1', {port})))")
            process.do("kept.append(door.accept())")
            process.do("own = socket.create_server(('127.0.0.1', 0))")
            process.do("kept.append(socket.create_connection(own.getsockname()))")
            configured = stranger.address.rpartition(":")[2]
            process.do(f"kept.append(socket.create_connection(('127.0.0.1', {configured})))")
            process.do("time.sleep(0.5)")
            visitor.end()
        assert watch.looks >= 3
        assert over(watch.figures("a")) == []


# Hangs


class Page:
    """A page-like server.

    Attributes:
        pause_s, status: of the next responses.
        waiting: requests that its status reports.
    """

    def __init__(self) -> None:
        self.pause_s, self.status, self.waiting = 0.0, 200, 0
        self.url = ""


@contextmanager
def serving() -> Iterator[Page]:
    page = Page()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self, body: dict[str, Any]) -> None:
            time.sleep(page.pause_s)
            written = json.dumps(body).encode()
            self.send_response(page.status if self.path == hangs.HEALTH else 200)
            self.send_header("content-length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self._answer({"data": [{"queue_length": page.waiting, "serving": 0}]})

        def log_message(self, *said: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    page.url = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield page
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def page() -> Iterator[Page]:
    with serving() as page:
        yield page


def test_a_page_that_answers_holds(page: Page) -> None:
    with HangWatch(page.url) as watch:
        time.sleep(1.2)
    assert over(watch.figures("a")) == []


def test_a_page_that_hangs_is_told(page: Page) -> None:
    with HangWatch(page.url) as watch:
        time.sleep(0.6)
        page.pause_s = hangs.ANSWER_S + 0.2
        time.sleep(1)
        page.pause_s = 0
    told = over(watch.figures("a"))
    assert len(told) == 2
    assert all(one.endswith("answers, later than 2 s") for one in told)


def test_a_page_whose_engine_is_gone_is_told(page: Page) -> None:
    with HangWatch(page.url) as watch:
        page.status = 503
        time.sleep(0.6)
        page.status = 200
    assert over(watch.figures("a")) == ["/healthz: not answered with 200"]


def test_a_request_that_is_left_behind_is_told(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hangs, "REST_S", 0.3)
    page.waiting = 1
    with HangWatch(page.url) as watch:
        pass
    assert over(watch.figures("a")) == ["requests left at the end"]


# All watches


def test_a_watch_that_cannot_look_fails_the_run() -> None:
    class Blind(Looking):
        def look(self) -> None:
            raise OSError("no /proc")

    with pytest.raises(RuntimeError, match="Blind could not look"), Blind(0.01):
        time.sleep(0.1)


def test_a_page_has_a_figure_of_each_watch(page: Page, process: Process) -> None:
    with PageWatch(page.url, process.pid, [process.pid]) as watch:
        process.do("pass")
    figures = watch.figures("a")
    assert over(figures) == []
    named = " ".join(figure.what for figure in figures)
    for word in ("page: memory", "worker: memory", "elsewhere", "/healthz", "left at the end"):
        assert word in named
