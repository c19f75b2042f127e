"""What events have sent and nobody has fetched yet: of all callers together no more than a bound.

Gradio (6.31) keeps what an event sends for a caller who never asks for it, of 2,000 callers, and where a long
text is shown that is several times as much as came. Who has not fetched for longest is told so instead.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from gradio.queueing import Event, Queue
from gradio.server_messages import EventMessage, ProcessCompletedMessage

from codegemma_ui.server.sessions import size

MAX_BYTES = 16 * 2**20

SAID = "The answer was not fetched in time."


class Unfetched:
    """Keeps a queue's messages within the bound.

    Args:
        queue: of a page that is laid out.
        most: bytes.
    """

    def __init__(self, queue: Queue, most: int = MAX_BYTES) -> None:
        self._queue, self._most = queue, most
        self._sizes: dict[str, deque[int]] = {}  # by session, of its messages in their order
        self._total = 0
        self._send = queue.send_message
        queue.send_message = self._sent  # type: ignore[method-assign, assignment]

    def _sent(self, event: Event, message: EventMessage) -> None:
        self._send(event, message)
        if not event.alive:
            return
        taken = size(getattr(message, "output", None))
        self._sizes.setdefault(event.session_hash, deque()).append(taken)
        self._total += taken
        if self._total > self._most:
            self._look()
            self._drop(event.session_hash)
        self._forget_ids()

    def _look(self) -> None:
        """See what was fetched since: a session's messages leave it in the order in which they came."""
        for session, sizes in list(self._sizes.items()):
            messages = self._messages(session)
            left = messages.qsize() if messages is not None else 0
            while len(sizes) > left:
                sizes.popleft()
            if not sizes:
                del self._sizes[session]
        self._total = sum(map(sum, self._sizes.values()))

    def _drop(self, latest: str) -> None:
        """Drop what has waited longest until the rest fits; the latest message is kept in any case."""
        for session in list(self._sizes):
            if self._total <= self._most:
                return
            if session != latest:
                self._total -= sum(self._sizes.pop(session))
                self._empty(self._messages(session), 0)
        if self._total > self._most and latest in self._sizes:
            self._sizes[latest] = deque([self._sizes[latest][-1]])
            self._empty(self._messages(latest), 1)
            self._total = sum(self._sizes[latest])

    def _empty(self, messages: Any, keep: int) -> None:
        """Take messages away but for the last; who still asks hears the end of each event that had one."""
        if messages is None:
            return
        ended = []
        while messages.qsize() > keep:
            message = messages.get_nowait()
            if isinstance(message, ProcessCompletedMessage):
                ended.append(message.event_id)
        for event_id in ended:
            told = ProcessCompletedMessage(output={"error": SAID}, success=False)
            told.event_id = event_id
            messages.put_nowait(told)

    def _messages(self, session: str) -> Any:
        return self._queue.pending_messages_per_session.get(session)

    def _forget_ids(self) -> None:
        """Gradio keeps the ids of events whose end nobody fetched, without a bound."""
        kept, ids = self._queue.pending_messages_per_session, self._queue.pending_event_ids_session
        if len(ids) > 2 * kept.max_size:
            for session in [each for each in ids if each not in kept]:
                del ids[session]
