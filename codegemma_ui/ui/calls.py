"""The running calls of a page, by session: the Stop button ends all of them at once.

One call may make several requests in sequence, as a race does. Each ends as soon as its call is stopped or
has no listener any more.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Generator, Mapping

import gradio as gr

from codegemma_ui.client import progress
from codegemma_ui.client.client import EngineClient
from codegemma_ui.client.generation import Generation
from codegemma_ui.client.progress import Progress
from codegemma_ui.ui.listeners import listening


class Calls:
    """The running calls.

    Args:
        client: receives their requests.
        blocks: its queue holds what a caller has not fetched yet.
    """

    def __init__(self, client: EngineClient, blocks: gr.Blocks) -> None:
        self._client, self._blocks = client, blocks
        self._by_session: defaultdict[str | None, list[Call]] = defaultdict(list)

    @contextlib.contextmanager
    def call(self, session: str | None, *, typed: bool = False) -> Generator[Call]:
        """Return a call of a page, which ends with the block. Calls that a pause in typing made, of any page,
        end when one that a person made begins.

        Args:
            session: Gradio's name of the page.
            typed: whether a pause in typing made it.
        """
        if not typed:
            self._end_typed()
        with listening(self._blocks, session) as has_listener:
            call = Call(self._client, has_listener, typed=typed)
            self._by_session[session].append(call)
            try:
                yield call
            finally:
                self._by_session[session].remove(call)
                if not self._by_session[session]:
                    del self._by_session[session]

    def stop(self, session: str | None) -> None:
        """End the session's calls, at once; from any thread."""
        for call in list(self._by_session.get(session, ())):
            call.stop()

    def _end_typed(self) -> None:
        for call in [one for calls in self._by_session.values() for one in calls if one.typed]:
            call.gave_way = True
            call.stop()


class Call:
    """One call of a page, from its first update to its last.

    Args:
        client: receives its requests.
        has_listener: called at each update; the first False ends its generation.
        typed: whether a pause in typing made it.

    Attributes:
        gave_way: whether it was ended for a person who pressed Complete.
    """

    def __init__(
        self, client: EngineClient, has_listener: Callable[[], bool], *, typed: bool = False
    ) -> None:
        self._client, self._has_listener, self.typed = client, has_listener, typed
        self.gave_way = False
        self._stopped = False
        self._generation: Generation | None = None  # the latest

    def submit(self, raw: Mapping[str, object]) -> Generation:
        """Queue a request; one of a stopped call is cancelled."""
        self._generation = self._client.submit(raw)
        if self._stopped:
            self._generation.cancel()
        return self._generation

    def updates(self, generation: Generation) -> AsyncGenerator[Progress]:
        """Return `progress.updates` of one of its requests."""
        return progress.updates(generation, self._has_listener)

    def stop(self) -> None:
        """End it, from any thread."""
        self._stopped = True
        if self._generation is not None:
            self._generation.cancel()
