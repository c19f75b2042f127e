"""The page over a model of real size: started, called through the API, and measured."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
from gradio_client import Client

from benchmarks import pages
from benchmarks.speed.prompts import TEXTS
from codegemma_ui.fim.vocabulary import Vocabulary

LOOK_S = 0.2
READY_WITHIN_S = 600.0
TRIES = 3
"""A model with random weights may generate a stop token after a few tokens."""


class Failed(Exception):
    """The page's error instead of a completion."""


class Page:
    """A running playground.

    Args:
        url: its address.
        process: its own process; the model's is a child of it.
        vocabulary: of the model, to cut prompts of a given length.
    """

    def __init__(self, url: str, process: psutil.Process, vocabulary: Vocabulary) -> None:
        self._client = Client(url, verbose=False)
        self.process, self._vocabulary = process, vocabulary
        self._code = vocabulary.encode((TEXTS / "lending.txt").read_text(encoding="utf-8"))
        self._begin = 0  # of the next prompt: all differ

    def status(self) -> dict[str, Any]:
        """Return the response of `/status`."""
        said: dict[str, Any] = self._client.predict(api_name="/status")
        return said

    def wait_until_ready(self) -> dict[str, Any]:
        """Wait until the model serves, and return its status.

        Raises:
            Failed: it could not be loaded in time.
        """
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            said = self.status()
            if said["state"] == "ready":
                return said
            if said["error"]:
                raise Failed(said["error"]["message"])
            time.sleep(LOOK_S)
        raise Failed(f"not ready within {READY_WITHIN_S:g} s")

    def complete(self, tokens: int, new_tokens: int) -> tuple[float, float]:
        """Complete a prompt of about so many tokens.

        Returns:
            Seconds to the first token, and tokens per second of the others.

        Raises:
            Failed: with the page's message.
        """
        for _ in range(TRIES):
            first_s, begun = None, time.perf_counter()
            for event in self._ask(tokens, new_tokens):
                if event["event"] == "error":
                    raise Failed(event["message"])
                if event["event"] == "token" and first_s is None:
                    first_s = time.perf_counter() - begun
            rest_s = time.perf_counter() - begun - (first_s or 0.0)
            if first_s is not None and event["completion_tokens"] > new_tokens // 2:
                return first_s, (event["completion_tokens"] - 1) / rest_s
        raise Failed(f"it ended early {TRIES} times")

    def stop_while_reading(self, tokens: int, after_s: float) -> float:
        """Send a long prompt, stop, and return the seconds until the engine is free for others."""
        job = self._ask(tokens, 8)
        time.sleep(after_s)
        if job.done():
            raise Failed("the prompt was prefilled before it was stopped")
        job.cancel()
        stopped = time.perf_counter()
        while self.status()["state"] != "ready":
            time.sleep(0.02)
        return time.perf_counter() - stopped

    def _ask(self, tokens: int, new_tokens: int) -> Any:
        middle = self._begin + 3 * tokens // 4
        prefix, suffix = self._code[self._begin : middle], self._code[middle:][: tokens // 4 - 4]
        self._begin += 37
        return self._client.submit(
            prefix=self._vocabulary.decode(prefix),
            suffix=self._vocabulary.decode(suffix),
            max_length=tokens + new_tokens,
            stop_on_repetition=False,
            api_name="/complete",
        )


@contextlib.contextmanager
def serving(command: Sequence[str], folder: Path) -> Iterator[Page]:
    """Run the command of a page until the end of the block.

    Args:
        folder: of the preset.

    Raises:
        NotServed: it did not start.
    """
    with pages.serving(command) as served:
        yield Page(served.url, served.process, Vocabulary(folder))


def command(folder: Path, backend: str, dtype: str) -> list[str]:
    """Return the command that starts a page over a model."""
    flags = ("--preset", str(folder), "--backend", backend, "--dtype", dtype, "--port", "0")
    return [sys.executable, "-m", "codegemma_ui", *flags]
