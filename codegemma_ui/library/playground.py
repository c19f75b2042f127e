"""`Playground`: a model for use from ordinary code."""

from __future__ import annotations

import argparse
import os
import sys
import time
import weakref
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError
from contextlib import closing
from types import TracebackType
from typing import Any

from codegemma_ui import presets, settings
from codegemma_ui.client import coming_up
from codegemma_ui.client.client import EngineClient
from codegemma_ui.client.progress import Progress
from codegemma_ui.errors import BadInput, NotReady
from codegemma_ui.fim.vocabulary import Prompt, Vocabulary
from codegemma_ui.ipc.messages import CompletionRequest, ErrorEvent, Event, Status, parse_request
from codegemma_ui.library import live
from codegemma_ui.library.result import Result
from codegemma_ui.library.synchronous import LoopThread
from codegemma_ui.machine import BACKENDS, console


class Playground:
    """One model in a separate process, which ends with `close`, with the `with` block, when this object is
    garbage collected, and with this program at the latest.

        with Playground() as playground:
            print(playground.complete("import ", "\\n\\nsys.exit(0)\\n").program)

    Every method may be called from any thread, also while an event loop runs; completions wait for each
    other. Arguments of `complete`, `show`, `stream` and `prompt` besides the two sides are the fields of
    `messages.CompletionRequest`.

    Args:
        preset: "bundled", a name from `python -m codegemma_ui presets`, a local preset folder, `hf://…` or
            `kaggle://…`.
        backend: "tensorflow", "jax" or "torch"; by default `CODEGEMMA_UI_BACKEND`, then `KERAS_BACKEND`, then
            tensorflow.
        dtype: "float32", "bfloat16", "float16", "int8", "int4"; "auto" is half precision on a GPU and for a
            large model, else float32.

    Raises:
        BadInput, BackendMissing, NotEnoughMemory, DownloadFailed, LoadFailed: from `codegemma_ui.errors`. The
            constructor waits until the model is ready; a download shows its percentage on stderr.
    """

    def __init__(
        self,
        preset: str | os.PathLike[str] = "bundled",
        backend: str | None = None,
        dtype: str = "auto",
    ) -> None:
        self._client = EngineClient(_chosen(preset, backend, dtype))
        self._loop = LoopThread()
        self._end = weakref.finalize(self, _end, self._client, self._loop)
        try:
            self._client.start()
            _wait(self._client)
        except BaseException:  # including an interrupt
            self.close()
            raise

    # Inspection

    def __repr__(self) -> str:
        if not self._end.alive:
            return "Playground(closed)"
        now = self.status()
        return (
            f"Playground(preset={now.preset!r}, backend={now.backend!r}, dtype={now.dtype!r}, "
            f"state={now.state!r})"
        )

    def status(self) -> Status:
        """Current state, with the model's parameters, memory, context and device."""
        return self._client.status()

    def summary(self) -> None:
        """Print what is loaded and the model's own `summary()`."""
        now = self.status()
        print(f"{now.preset} · {now.backend} · {now.dtype} · {now.device}")
        print(
            f"{now.parameters or 0:,} parameters · {(now.memory_bytes or 0) / 1e6:,.0f} MB · "
            f"a context of {now.context_length:,} tokens"
        )
        print(console.printable(now.summary or ""))

    @property
    def vocabulary(self) -> Vocabulary:
        """Vocabulary of the model: text to token ids and back."""
        return self._client.vocabulary()

    def prompt(self, prefix: str = "", suffix: str = "", **fields: Any) -> Prompt:
        """Return the prompt as the model would receive it, with the id and the role of each token.

        Raises:
            BadInput: names the field.
        """
        return self.vocabulary.prompt_of(self._parsed(prefix, suffix, fields))

    # Completing

    def stream(
        self, prefix: str = "", suffix: str = "", **fields: Any
    ) -> Generator[Event, None, None]:
        """Yield the events of a completion as they arrive: `prompt`, any `prefill` and `token`, then `done`.

        The first `next` starts it, closing the generator cancels it.

        Raises:
            BadInput: at once; names the field.
            EngineError: during iteration; earlier events remain valid.
        """
        return self._events(self._parsed(prefix, suffix, fields))

    def complete(self, prefix: str = "", suffix: str = "", **fields: Any) -> Result:
        """Fill in the middle and return the result. An interrupt frees the model.

        Raises:
            BadInput: names the field.
            EngineError: it failed.
        """
        request = self._parsed(prefix, suffix, fields)
        return self._followed(request, lambda _: None)

    def show(self, prefix: str = "", suffix: str = "", **fields: Any) -> Result:
        """Like `complete`, but show progress: in a notebook as the program, elsewhere as text on stdout.

        Raises:
            As `complete`.
        """
        request = self._parsed(prefix, suffix, fields)
        return self._followed(request, live.display(request).update)

    def _followed(self, request: CompletionRequest, follow: Callable[[Progress], None]) -> Result:
        progress = Progress(request.prefix, request.suffix)
        for event in self._events(request):
            progress.add(event)
            follow(progress)
        return Result.of(request, progress)

    def _events(self, request: CompletionRequest) -> Generator[Event, None, None]:
        try:
            with closing(self._loop.read(self._client.complete(request))) as events:
                for event in events:
                    if isinstance(event, ErrorEvent):
                        raise event.error()
                    yield event
        except CancelledError:
            raise NotReady("This Playground is closed.", "Make another one.") from None

    def _parsed(self, prefix: str, suffix: str, fields: dict[str, Any]) -> CompletionRequest:
        given = {"time_limit_s": self._client.settings.time_limit_s, **fields}
        given |= {"prefix": prefix, "suffix": suffix}
        return parse_request(given, self.status().context_length)

    # Ending

    def close(self) -> None:
        """Stop the model's process and any completion; closing twice does nothing."""
        self._end()

    def __enter__(self) -> Playground:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _end(client: EngineClient, loop: LoopThread) -> None:
    """Shut down without a reference to the Playground, which would otherwise never be freed."""
    loop.close()
    client.close()


def _chosen(preset: str | os.PathLike[str], backend: str | None, dtype: str) -> settings.Settings:
    """Validate the constructor's arguments.

    Raises:
        BadInput: names the argument.
    """
    if not isinstance(preset, str | os.PathLike):
        raise BadInput(f"preset must be a name or a folder. Received: {preset!r}")
    for name, value, allowed in (
        ("backend", backend, (None, *BACKENDS)),
        ("dtype", dtype, presets.DTYPES),
    ):
        if value not in allowed:
            names = ", ".join(filter(None, allowed))
            raise BadInput(f"{name} must be one of {names}. Received: {value!r}")
    return settings.resolve(
        argparse.Namespace(preset=os.fspath(preset), backend=backend, dtype=dtype)
    )


def _wait(client: EngineClient) -> None:
    """Wait until the model is ready.

    Raises:
        PlaygroundError: it failed to load.
    """
    shown = ""
    try:
        for now in coming_up.statuses(client):
            watched = now.phase == "loading" and now.progress is not None and sys.stderr.isatty()
            worth_showing = now.phase == "downloading" or watched
            if worth_showing and (now.progress is not None or not shown):
                share = "" if now.progress is None else f" {now.progress:.0%}"
                if shown != (shown := f"\r{now.phase} {now.preset}{share}"):
                    print(shown, end="", file=sys.stderr, flush=True)
            time.sleep(coming_up.LOOK_S)
    finally:
        if shown:
            print(file=sys.stderr)
