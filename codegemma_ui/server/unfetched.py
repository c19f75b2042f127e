"""A limit on event messages that have not been fetched yet, over all callers.

Gradio (6.31) keeps the messages of an event for callers that never fetch them, of up to 2,000 callers, and a
long text grows to several times its size. The messages that have waited longest are replaced by an error.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from gradio.queueing import Event, Queue
from gradio.server_messages import EventMessage, ProcessCompletedMessage

from codegemma_ui.server.sessions import size

MAX_BYTES = 16 * 2**20

NOT_FETCHED = "The response was not fetched in time."


class Unfetched:
    """Keeps a queue's messages within the limit.

    Args:
        queue: of a page that is laid out.
        most: the limit in bytes.
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
            self._update_sizes()
            self._drop(event.session_hash)
        self._forget_ids()

    def _update_sizes(self) -> None:
        """Account for what was fetched since: a session's messages are fetched in their order."""
        for session, sizes in list(self._sizes.items()):
            messages = self._messages(session)
            left = messages.qsize() if messages is not None else 0
            while len(sizes) > left:
                sizes.popleft()
            if not sizes:
                del self._sizes[session]
        self._total = sum(map(sum, self._sizes.values()))

    def _drop(self, latest: str) -> None:
        """Drop what has waited longest until the rest fits; the latest message is always kept."""
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
        """Remove all messages but the last `keep`; each event that had ended ends with an error instead."""
        if messages is None:
            return
        ended = []
        while messages.qsize() > keep:
            message = messages.get_nowait()
            if isinstance(message, ProcessCompletedMessage):
                ended.append(message.event_id)
        for event_id in ended:
            error = ProcessCompletedMessage(output={"error": NOT_FETCHED}, success=False)
            error.event_id = event_id
            messages.put_nowait(error)

    def _messages(self, session: str) -> Any:
        return self._queue.pending_messages_per_session.get(session)

    def _forget_ids(self) -> None:
        """Drop the ids of events whose end was never fetched; Gradio keeps them without limit."""
        kept, ids = self._queue.pending_messages_per_session, self._queue.pending_event_ids_session
        if len(ids) > 2 * kept.max_size:
            for session in [each for each in ids if each not in kept]:
                del ids[session]
