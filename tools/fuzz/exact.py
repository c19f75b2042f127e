"""Test that every byte survives: documents through the HTTP API and back, `python -m tools.fuzz.exact`.

The worker's middle is the prefix itself, two characters per token, so that one document tests all three
sides. `make fuzz` sends a thousand.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings

from tests.server.scripted_page import REAL, SCRIPTED, SPELLING_WORKER, serving, wait_until
from tools.fuzz.texts import DOCUMENTS


@contextmanager
def a_page(module: str = SCRIPTED) -> Iterator[httpx.Client]:
    """Provide a client of a page that is ready."""
    with (
        serving(module=module, SCRIPTED_WORKER_FILE=str(SPELLING_WORKER)) as page,
        httpx.Client(base_url=page.url, timeout=30) as client,
    ):
        wait_until(lambda: client.get("/healthz").json()["state"] == "ready", 120)
        yield client


def updates(
    client: httpx.Client, prefix: str, suffix: str, pause_s: float = 0.0
) -> list[dict[str, Any]]:
    """Return all updates of a call, from a worker that pauses before each token."""
    call = {"prefix": prefix, "suffix": suffix, "max_length": 64, "temperature": pause_s}
    event = client.post("/gradio_api/call/v2/complete", json=call).json()["event_id"]
    stream = client.get(f"/gradio_api/call/complete/{event}").text
    found = []
    for block in stream.split("\n\n"):
        name, _, data = block.partition("\ndata: ")
        if name == "event: generating":
            found += json.loads(data)
        elif name == "event: error":
            raise AssertionError(f"Gradio refused it: {data}")
    return found


def check(client: httpx.Client, prefix: str, suffix: str, pause_s: float = 0.0) -> int:
    """Fail unless prefix, middle and suffix come back unchanged, and the stream agrees with its end.

    Returns:
        The number of updates before the last.
    """
    *streamed, last = updates(client, prefix, suffix, pause_s)
    assert last["event"] == "done", last
    assert last["program"] == prefix + last["middle"] + suffix
    assert last["program"].encode() == prefix.encode() + last["middle"].encode() + suffix.encode()
    if last["prompt"] == "spelled":
        assert last["middle"] == prefix
    so_far = [update["middle"] or "" for update in streamed]
    for shorter, longer in zip(so_far, [*so_far[1:], last["middle"]], strict=True):
        assert longer.startswith(shorter), (shorter, longer)
    return len(streamed)


def property_of(client: httpx.Client, examples: int) -> Callable[[], None]:
    """Return the property as a function; hypothesis generates the documents and shrinks a failing one."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(prefix=DOCUMENTS, suffix=DOCUMENTS)
    def every_byte_survives(prefix: str, suffix: str) -> None:
        check(client, prefix, suffix)

    return every_byte_survives


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--real", action="store_true", help="with the bundled model")
    parsed = parser.parse_args()
    began_s = time.monotonic()
    with a_page(REAL if parsed.real else SCRIPTED) as client:
        property_of(client, parsed.documents)()
    took_s = time.monotonic() - began_s
    print(f"{parsed.documents:,} documents came back byte for byte in {took_s:.0f} s")


if __name__ == "__main__":
    main()
